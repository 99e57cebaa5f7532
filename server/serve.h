/* Serve: the hub, its storage and its network on one event loop. */
#ifndef SERVE_H
#define SERVE_H

#include "server/config.h"

/*
 * Runs until SIGTERM or SIGINT, and answers the process's exit code. Prints `listening on
 * http://...` to stdout once clients can connect; everything else goes to the log on stderr.
 */
int serve(struct config *config);

#endif
