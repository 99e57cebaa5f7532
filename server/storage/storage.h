/*
 * Storage: the journal and the tables behind two threads. One writes: it takes all appends that
 * wait as one commit. One reads documents, on a connection of its own, so that a load never waits
 * for the disk's flush. Requests return at once; completions are taken with `storage_poll` after
 * the wake-up callback. All calls come from one thread.
 *
 * Order at start: `storage_open` (numbers the fields, locks the file), `storage_info`,
 * `storage_replay`, `storage_start`. Requests may be made from the replay on; they are served once
 * the threads run.
 *
 * A write that fails (disk full, read-only, I/O error) is rolled back and reported; the next one
 * tries again, and works when the disk has healed. What is acknowledged is on disk; docs/storage.md
 * tells the rest.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "protocol/journal_id.h"
#include "protocol/schema.h"
#include "server/storage/journal.h"

struct storage;

enum { STORAGE_ERROR_BYTES = 1280 };

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
    STORAGE_APPENDED,      /* position: the batch is durable there */
    STORAGE_APPEND_FAILED, /* text; nothing of the batch is in the journal */
    STORAGE_STORED,        /* every row is durable */
    STORAGE_STORE_FAILED,  /* text; of each document all rows are in, or none: to be stored again */
    STORAGE_KEPT,          /* rows of webhooks are durable */
    STORAGE_KEEP_FAILED,   /* text; none of them is */
    STORAGE_LOADED,        /* request, bytes: the rows, none for a document that is not there */
    STORAGE_LOAD_FAILED,   /* request, text */
    STORAGE_CLAIMED,       /* request, bytes: verdict and replica (keys.h), durable */
    STORAGE_CLAIM_FAILED,  /* request, text */
    STORAGE_DECLARED,      /* the schemas have their numbers */
    STORAGE_DECLARE_FAILED, /* text; the file is as it was */
    STORAGE_SCRUBBED,       /* request: of what was deleted nothing is left */
    STORAGE_SCRUB_FAILED    /* request, text */
};

/* What became of a claimed Idempotency-Key. */
enum storage_claim {
    CLAIM_NEW,   /* nobody has used it: it is the caller's now */
    CLAIM_KNOWN, /* it came before, with the same request */
    CLAIM_OTHER, /* it came before, with another request */
    CLAIM_FULL   /* the principal has as many as it may */
};

/* To be ended with `storage_completion_finish`. */
struct storage_completion {
    enum storage_completion_kind kind;
    uint64_t position;
    uint64_t request;
    struct bytes bytes;
    char text[STORAGE_ERROR_BYTES];
};

/*
 * Opens or makes the file, numbers the fields of `schemas` and sorts them by number. False: `error`
 * holds a sentence that names the file; the file is as it was. `relaxed` commits without waiting
 * for the disk.
 */
CRDT_CHECKED bool storage_open(struct storage **out, const char *path, bool relaxed,
                               struct schema_set *schemas, char error[STORAGE_ERROR_BYTES]);

void storage_info(const struct storage *storage, struct storage_info *info);

/*
 * Makes room for webhooks, unless it is there. Before `storage_start`. False: `error` holds a
 * sentence.
 */
CRDT_CHECKED bool storage_open_webhooks(struct storage *storage, char error[STORAGE_ERROR_BYTES]);

/*
 * Visits what the tables may lack, in order. Before `storage_start`. False: a batch cannot be read,
 * and `error` says which, or `visit` has stopped the walk.
 */
CRDT_CHECKED bool storage_replay(struct storage *storage, journal_visit *visit, void *context,
                                 char error[STORAGE_ERROR_BYTES]);

/*
 * Starts the threads. `wake` is called from them after completions were queued, once for a group;
 * it must not call back into the storage. False: no threads to be had.
 */
CRDT_CHECKED bool storage_start(struct storage *storage, void (*wake)(void *context),
                                void *context);

/*
 * Instead of threads: does some of what was asked on the caller's. The writer's turn is all appends
 * that wait, as one commit, and one step of a store or a trim; the reader's is one load. False:
 * there was nothing to do.
 */
bool storage_write_some(struct storage *storage);
bool storage_read_one(struct storage *storage);

/*
 * Requests. Bytes are copied. False: no memory; nothing was asked.
 *
 * Appends are answered in order, those that waited together by one commit. A store writes each
 * document of `rows` (protocol/rows.h) in one transaction, many documents in several, and lets
 * appends pass between them. A keep writes rows of webhooks in one. A load is `row_request` bytes.
 * `at_ms` is the wall clock, kept for people. A trim is not answered: it forgets batches at or
 * below `position` bit by bit, and what fails is trimmed with a later one.
 */
CRDT_CHECKED bool storage_append(struct storage *storage, struct bytes batch, uint64_t at_ms);
CRDT_CHECKED bool storage_store(struct storage *storage, struct bytes rows);
CRDT_CHECKED bool storage_keep(struct storage *storage, struct bytes rows);
CRDT_CHECKED bool storage_load(struct storage *storage, uint64_t request, struct bytes bytes);
void storage_trim(struct storage *storage, uint64_t position);

/* Claims an Idempotency-Key (keys.h); those that wait together by one commit. */
CRDT_CHECKED bool storage_claim(struct storage *storage, uint64_t request, struct bytes bytes);

/*
 * Other schemas for the open file, as `storage_open` takes them; `schemas` is the storage's until
 * the answer, and of no use when that is a failure. All that was appended must have been stored:
 * the journal is emptied. One at a time, and no append, store or trim until it is answered.
 */
CRDT_CHECKED bool storage_declare(struct storage *storage, struct schema_set *schemas);

/* After what was asked before: trims the journal up to `position`, and sees to it that of all that
 * was ever deleted nothing is left in the file and in the log. Appends wait, as long as the whole
 * file takes to be written. */
CRDT_CHECKED bool storage_scrub(struct storage *storage, uint64_t request, uint64_t position);

/* Takes one completion; false: none waits. */
bool storage_poll(struct storage *storage, struct storage_completion *completion);
void storage_completion_finish(struct storage_completion *completion);

/*
 * Finishes what was asked, marks the clean stop, moves the log into the file and closes it. Takes
 * NULL. False: the clean stop could not be noted, so the next start takes it for a crash; that
 * costs a replay, and after `relaxed` perhaps a new journal id, but no data.
 */
bool storage_close(struct storage *storage);

#endif
