/*
 * Disk: files in memory behind SQLite's VFS, with what a real disk does to them. What was written
 * is apart from what was synced: when the power goes, each write since a file's last sync is there,
 * is not, or is there up to some sector, as the seed decides. Writes and syncs can fail, and the
 * disk can be full. SQLite's own randomness and time come from here, too, so that a run repeats
 * byte for byte.
 *
 * One disk, one thread.
 */
#ifndef SIMULATION_DISK_H
#define SIMULATION_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "crdt/bytes.h"
#include "tests/simulation/random.h"

enum disk_call { DISK_WRITE, DISK_SYNC, DISK_READ, DISK_CALLS };

/* Makes it SQLite's default, once, before SQLite is used. */
void disk_install(void);

/* No files, no faults. All connections are closed. */
void disk_format(uint64_t seed);

/* The n-th call (from 1) of this kind from now on fails with one of SQLite's codes, and, if it
 * lasts, all behind it. */
void disk_fail(enum disk_call call, unsigned n, int code, bool lasting);

/* Files may grow by so many bytes more; beyond that writes fail with SQLITE_FULL. */
void disk_fill(uint64_t bytes_left);

/* What a file holds, as its process sees it, borrowed until it changes; no bytes: it is not there.
 */
struct bytes disk_content(const char *name);
/* Makes the file anew, and durable; of nobody's that has it open. */
void disk_put(const char *name, struct bytes content);
void disk_remove(const char *name);

/* No more faults, room enough. */
void disk_heal(void);
/* Whether a call has failed since it was healed or started. */
bool disk_has_failed(void);
/* How many calls have failed ever, and how many writes for want of room. */
size_t disk_failures(void);
size_t disk_fulls(void);

/* From now on nothing reaches the disk: the process that has the files open is dead, and only its
 * memory is still to be freed, by closing its connections. */
void disk_cut(void);
/* The same, in the middle of what it does: at the n-th write or sync (from 1). */
void disk_cut_after(unsigned n);
bool disk_is_cut(void);

/* After that: connections can be opened again. `power`: what was not synced is at the mercy of
 * `random`; else only the process died, and the files are as it wrote them. */
void disk_start(struct random *random, bool power);

#endif
