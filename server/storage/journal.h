/*
 * Journal: the ordered, durable log of batches, the source of truth. This is an interface: SQLite
 * implements it for one hub; a distributed log is to be the second. The journal makes the order,
 * and nothing else may assume that it did.
 *
 * All calls come from one thread. Results are 0 for success; `error` gives a sentence otherwise.
 */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include <stdint.h>

#include "crdt/bytes.h"
#include "crdt/status.h"

struct journal;

/* One batch, borrowed until the callback returns; anything but 0 stops the walk and is passed on.
 */
typedef int journal_visit(void *context, uint64_t position, struct bytes batch);

struct journal_operations {
    /* Appends a batch. It is durable when the surrounding commit is; on failure the journal has not
     * changed. */
    int (*append)(struct journal *journal, struct bytes batch, uint64_t at_ms, uint64_t *position);
    /* Visits every batch after `position`, in order. One that is damaged, or missing though an
     * older one is there, is an error, after those before it were visited. */
    int (*read)(struct journal *journal, uint64_t position, journal_visit *visit, void *context);
    /* Forgets some batches at or below `position`, no more than is worth one commit; `*more`: there
     * are others. */
    int (*trim)(struct journal *journal, uint64_t position, bool *more);
    /* The greatest position ever given; 0: none. */
    int (*last)(struct journal *journal, uint64_t *position);
    void (*close)(struct journal *journal);
};

struct journal {
    const struct journal_operations *operations;
};

struct sqlite3;

/* A journal in the `journal` table of a database that outlives it; its commits are the caller's.
 * NULL: no memory, or the table is not there. */
struct journal *journal_sqlite_open(struct sqlite3 *database);

#endif
