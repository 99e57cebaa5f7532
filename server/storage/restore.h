/*
 * Restore: a copy of a data file takes the place of the file. Its journal gets a new id, and the
 * one before becomes an ancestor at the last position that the copy holds: a cursor from before
 * means no more than that, and clients that had seen more take the document anew (docs/data.md).
 */
#ifndef STORAGE_RESTORE_H
#define STORAGE_RESTORE_H

#include "server/storage/storage.h"

enum { STORAGE_PATH_BYTES = 4096 };

struct storage_restored {
    struct journal_id journal;      /* the new one */
    uint64_t position;              /* the restore point */
    char aside[STORAGE_PATH_BYTES]; /* what the file before is called now; empty: there was none */
};

/*
 * Puts a copy of the file `backup` in the place of `path`, which no hub may use; `backup` stays as
 * it is. The file before is kept under another name. False: `error` holds a sentence, and nothing
 * was put in place.
 */
CRDT_CHECKED bool storage_restore(const char *backup, const char *path,
                                  struct storage_restored *restored,
                                  char error[STORAGE_ERROR_BYTES]);

/*
 * The part of it that is inside the file: checks the copy at `path` (its format, SQLite's
 * integrity_check) and gives its journal a new id. `replaced` is the file whose place it is to
 * take, whose log is moved into it; NULL: there is none. False: `error` holds a sentence, and the
 * journal kept its id.
 */
CRDT_CHECKED bool storage_adopt(const char *path, const char *replaced,
                                struct storage_restored *restored, char error[STORAGE_ERROR_BYTES]);

#endif
