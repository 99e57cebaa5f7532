/* Serve: the hub, its storage and its network on one event loop. */
#ifndef SERVE_H
#define SERVE_H

#include "server/arguments.h"

/*
 * Runs until SIGTERM or SIGINT, reads the configuration again at SIGHUP, and answers the process's
 * exit code. Prints `listening on http://...` to stdout once clients can connect; everything else
 * goes to the log on stderr.
 */
int serve(const struct arguments *arguments, struct config *config);

#endif
