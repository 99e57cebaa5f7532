/*
 * Verify: recomputes every document of a data file from its rows and its journal, through the hub's
 * own load, replay and store, and compares what comes of it with the rows that are there. It works
 * on copies, so the file itself is only read, and may be in use.
 */
#ifndef SERVER_VERIFY_H
#define SERVER_VERIFY_H

#include "server/config.h"

/* Prints each difference to standard output; the exit code: 0: there was none, 1. */
int verify(struct config *config);

#endif
