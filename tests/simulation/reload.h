/* Reload: the operator's file declares a field more, or one less, while the hub runs; as
 * server/reload.c does it, but that it never loses its patience with a disk. */
#ifndef SIMULATION_RELOAD_H
#define SIMULATION_RELOAD_H

#include "tests/simulation/host.h"

/* Not while one is under way. */
void reload_begin(struct host *host);

/* Behind each step of the hub's. */
void reload_go_on(struct host *host);

/* The storage has the new schemas, or refuses them. */
void reload_declared(struct host *host, const struct storage_completion *completion);

#endif
