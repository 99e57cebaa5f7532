/*
 * Schedule: what one target is owed, what is sent to it next, and what follows from how that went.
 * Pure: the time and randomness are arguments, so the same calls give the same deliveries.
 *
 * * State    a cursor: documents that changed last before it are delivered, but for those that are
 *          owed by name, at most `owed_max`. While there is room the cursor follows the journal.
 *          Without room the target is behind: documents beyond the cursor are asked of the
 * database, page by page, as room comes, and the cursor goes with them. What such a document lacks
 * may be older than the cursor, so the floor stays where the target fell behind. A target that
 *          takes nothing costs a bounded memory, and gets converged state. Order    one delivery of
 * a document is under way at a time, and their positions only grow. Failure  full-jitter
 * exponential back-off for each document (Brooker, "Exponential Backoff And Jitter", 2015);
 * Retry-After holds the whole target; after some failures in a row the breaker opens, and one
 * delivery at a time probes whether it can close (Nygard, "Release It!", 2007). A document that is
 * given up is a dead letter, and no longer owed. Keeping  `schedule_keep` tells what must be
 * written so that after a crash nothing is lost: what was delivered since may be delivered again.
 */
#ifndef WEBHOOKS_SCHEDULE_H
#define WEBHOOKS_SCHEDULE_H

#include "crdt/bytes.h"
#include "crdt/hash_index.h"
#include "crdt/status.h"
#include "protocol/rows.h"

struct schedule_limits {
    size_t owed_max;       /* at least 1 */
    size_t parallel;       /* deliveries under way, of different documents */
    uint64_t gather_ms;    /* a change waits so long for others of its document */
    uint64_t retry_min_ms; /* what the first back-off is drawn from; it doubles */
    uint64_t retry_max_ms;
    uint64_t hold_max_ms;  /* the longest Retry-After that is honoured */
    uint64_t attempts_max; /* of one document, until it is given up */
    uint64_t age_max_ms;   /* since the first of them, likewise */
    uint64_t breaker;      /* failures in a row that open the breaker */
};

/* Documents that changed last before `position`, and those that did at it with ids up to
 * `document`. */
struct schedule_cursor {
    uint64_t position;
    uint64_t document;
};

#define SCHEDULE_ALL UINT64_MAX /* all documents of the position */

struct owed;

/* Visible for who shows it; changed by the functions alone. */
struct schedule {
    struct schedule_limits limits;
    uint64_t seed;      /* of the index */
    struct owed **owed; /* in no order */
    size_t owed_capacity;
    size_t owed_count;
    struct hash_index index;
    struct owed *ready_first; /* in the order they came */
    struct owed *ready_last;
    struct owed *later; /* that have failed; ascending by due_ms */
    struct owed *gone;  /* settled, but a row still tells of them */
    size_t sending_count;
    struct schedule_cursor cursor;
    uint64_t floor; /* every change up to here is delivered, or owed by name */
    uint64_t heard; /* the journal's position, as far as it was told */
    bool behind;
    bool asking;     /* a page is on its way */
    bool moved;      /* the cursor, by that page or the one before */
    uint64_t missed; /* the first change told meanwhile that there was no room for: the cursor
                        must not pass it; UINT64_MAX: none */
    uint64_t ask_ms; /* not before */
    bool paused;
    uint64_t failures;   /* in a row */
    uint64_t open_count; /* times the breaker opened in a row; 0: it is closed */
    uint64_t breaker_ms; /* no probe is sent before */
    uint64_t hold_ms;    /* nothing is, as the target has asked for */
    bool keep_all;       /* what is kept is not known */
    bool keep_any;       /* there is something to keep */
};

/* One delivery, from `schedule_next` to `schedule_done`. */
struct schedule_delivery {
    struct owed *owed;
    struct bytes name;  /* borrowed until `schedule_done` */
    uint64_t delivered; /* what changed after it is owed */
    uint64_t attempts;  /* before this one */
    uint64_t first_ms;  /* when the first of them was; 0: this is it */
};

enum schedule_outcome {
    OUTCOME_DELIVERED,  /* up to `position` */
    OUTCOME_NOTHING,    /* nothing has changed up to `position`: nothing was sent */
    OUTCOME_FAILED,     /* may be tried again */
    OUTCOME_REFUSED,    /* is not to be tried again */
    OUTCOME_UNREADABLE, /* likewise, but it says nothing of the target */
    OUTCOME_UNTRIED     /* not sent for want of room: tried again soon */
};

struct schedule_result {
    enum schedule_outcome outcome;
    uint64_t position;       /* of the document, as it was sent */
    uint64_t retry_after_ms; /* as the target asks for; 0: it does not */
    uint64_t now_ms;
    uint64_t random;
};

/* What became of the document. */
enum schedule_verdict { VERDICT_SETTLED, VERDICT_AGAIN, VERDICT_DEAD };

/* Nothing is owed by name. */
void schedule_init(struct schedule *schedule, const struct schedule_limits *limits, uint64_t seed,
                   struct schedule_cursor cursor, uint64_t floor);
void schedule_finish(struct schedule *schedule);

/*
 * A batch at that position, not before those told already, has changed the document, which the
 * target wants. False: no memory; nothing is lost, the target is behind.
 */
CRDT_CHECKED bool schedule_changed(struct schedule *schedule, struct bytes name, uint64_t position,
                                   uint64_t now_ms);

/* The journal has come so far, and all that the target wants of it was told. */
void schedule_heard(struct schedule *schedule, uint64_t position);

/* A document that was owed before: delivered up to `delivered`, tried `attempts` times since
 * `first_ms`. False: there is no room. */
CRDT_CHECKED bool schedule_owe(struct schedule *schedule, struct bytes name, uint64_t delivered,
                               uint64_t attempts, uint64_t first_ms, uint64_t now_ms);

/* What changed after `position` is owed again. */
void schedule_rewind(struct schedule *schedule, uint64_t position);

/*
 * How many documents to ask the database for, those behind the cursor first; 0: none now. Until
 * `schedule_page_ends` all others that have changed after the cursor are told by
 * `schedule_changed`.
 */
size_t schedule_ask(struct schedule *schedule, uint64_t position, uint64_t now_ms);
/* A document of the page, in order; `wanted`: the target's. False: there is no room for more. */
CRDT_CHECKED bool schedule_page(struct schedule *schedule, struct bytes name,
                                struct schedule_cursor at, bool wanted, uint64_t now_ms);
/* `whole`: the database knows no more. `failed`: it did not answer. */
void schedule_page_ends(struct schedule *schedule, bool whole, bool failed, uint64_t now_ms);

/* Takes the next delivery. False: there is none now. */
bool schedule_next(struct schedule *schedule, uint64_t now_ms, struct schedule_delivery *delivery);
enum schedule_verdict schedule_done(struct schedule *schedule,
                                    const struct schedule_delivery *delivery,
                                    const struct schedule_result *result);

/* When `schedule_next` or `schedule_ask` is worth a call; UINT64_MAX: not by time alone. */
uint64_t schedule_wake_ms(const struct schedule *schedule);

void schedule_pause(struct schedule *schedule, bool paused);

/* Writes the WAITING and DELIVERED rows that have changed since the last time. */
void schedule_keep(struct schedule *schedule, struct writer *writer);
/* What was told last was not written: the next time all is told. */
void schedule_keep_failed(struct schedule *schedule);

#endif
