/*
 * Backup: a copy of the whole file while the hub runs, made by SQLite's online backup in steps, on
 * the reader's side, from one snapshot: writes go on beside it and are not in it. The copy lies in
 * a file without a name beside the data file, which is gone with the process, and is read piece by
 * piece.
 */
#ifndef STORAGE_BACKUP_H
#define STORAGE_BACKUP_H

#include "protocol/rows.h"
#include "server/storage/database.h"

struct backup;

enum { BACKUP_PIECE_BYTES = 64 << 10 };

/* Removes what a process that was killed has left of one: nobody would erase anything from it. */
void backup_forget(const char *path);

/* Begins a copy of the file at `path`. `*out` is NULL only for want of memory; to be closed. */
STORAGE_CHECKED int backup_open(struct backup **out, const char *path);

/* Copies some pages. SQLITE_OK: there are more; SQLITE_DONE: the copy is whole. */
STORAGE_CHECKED int backup_step(struct backup *backup);

/* A COPY row: of the copy, or with its bytes from `offset`, at most `limit` of them. */
STORAGE_CHECKED int backup_read(const struct backup *backup, uint64_t offset, uint64_t limit,
                                struct writer *writer);

/* Why the last call failed with `rc`. */
void backup_reason(const struct backup *backup, int rc, char reason[DATABASE_REASON_BYTES]);

/* Takes NULL. */
void backup_close(struct backup *backup);

#endif
