/*
 * Backup: a copy of the hub's file as docs/storage.md tells to make it, beside the hub, and put
 * back while it is down. It is kept elsewhere: the disk does nothing to it.
 */
#ifndef SIMULATION_BACKUP_H
#define SIMULATION_BACKUP_H

#include "tests/simulation/host.h"

/* Made anew; false: it could not be made, and the one before is kept. */
bool backup_make(const struct host *host, struct buffer *backup);

/* Puts it in the place of the hub's file. The hub does not run, and the disk is whole. */
void backup_restore(struct host *host, const struct buffer *backup);

#endif
