/* Ready: asks a hub on this machine whether it takes edits, for health checks where nothing else
 * speaks HTTP. */
#ifndef SERVER_READY_H
#define SERVER_READY_H

#include "server/config.h"

/*
 * Asks for /ready at the address that a hub with this configuration listens on; at the loopback
 * address where it listens on all. Prints the answer to stdout, and answers the process's exit
 * code: 0 for ready, else 1, with what is wrong on stderr. It gives up after five seconds.
 */
int ready(const struct config_address *address);

#endif
