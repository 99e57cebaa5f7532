/*
 * Storage: the journal and the tables behind two threads. One writes: it takes all that waits as
 * one commit. One reads documents, on a connection of its own, so that a load never waits for the
 * disk's flush. Requests return at once; completions are taken with `storage_poll` after the
 * wake-up callback, all on the caller's thread.
 *
 * Order at start: `storage_open` (numbers the fields, locks the file), `storage_info`,
 * `storage_replay`, `storage_start`; then requests.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "protocol/journal_id.h"
#include "protocol/schema.h"
#include "server/storage/journal.h"

struct storage;

enum { STORAGE_ERROR_BYTES = 512 };

struct storage_ancestor {
    struct journal_id journal;
    uint64_t position;
};

struct storage_info {
    struct journal_id journal;
    uint64_t position;                        /* the greatest the journal ever gave */
    const struct storage_ancestor *ancestors; /* borrowed until close */
    size_t ancestor_count;
};

enum storage_completion_kind {
    STORAGE_APPENDED,      /* position */
    STORAGE_APPEND_FAILED, /* text */
    STORAGE_STORED,
    STORAGE_STORE_FAILED, /* text */
    STORAGE_LOADED,       /* request, bytes: to be freed with storage_completion_finish */
    STORAGE_LOAD_FAILED   /* request, text */
};

struct storage_completion {
    enum storage_completion_kind kind;
    uint64_t position;
    uint64_t request;
    struct bytes bytes;
    char text[STORAGE_ERROR_BYTES];
};

/*
 * Opens or makes the file and numbers the fields of `schemas`. False: `error` holds a sentence that
 * names the file. `relaxed` commits without waiting for the disk.
 */
CRDT_CHECKED bool storage_open(struct storage **out, const char *path, bool relaxed,
                               struct schema_set *schemas, char error[STORAGE_ERROR_BYTES]);

void storage_info(const struct storage *storage, struct storage_info *info);

/* Visits what the tables may lack, in order. False: `error` says which row. Before `storage_start`.
 */
CRDT_CHECKED bool storage_replay(struct storage *storage, journal_visit *visit, void *context,
                                 char error[STORAGE_ERROR_BYTES]);

/* Starts the threads; `wake` is called from them when a completion waits. False: no threads to be
 * had. */
CRDT_CHECKED bool storage_start(struct storage *storage, void (*wake)(void *context),
                                void *context);

/*
 * Requests. Bytes are copied. At most one append and one store may be under way. False: no memory;
 * nothing was asked.
 */
CRDT_CHECKED bool storage_append(struct storage *storage, struct bytes batch, uint64_t at_ms);
CRDT_CHECKED bool storage_store(struct storage *storage, struct bytes rows);
CRDT_CHECKED bool storage_load(struct storage *storage, uint64_t request, struct bytes bytes);
void storage_trim(struct storage *storage, uint64_t position);

/* Takes one completion; false: none waits. */
bool storage_poll(struct storage *storage, struct storage_completion *completion);
void storage_completion_finish(struct storage_completion *completion);

/* Finishes what was asked, marks the clean stop, and closes. Takes NULL. */
void storage_close(struct storage *storage);

#endif
