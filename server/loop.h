/*
 * Loop: drives the hub. Events are stepped one after the other, the effects of each performed
 * before the next; an event that arises meanwhile waits its turn.
 */
#ifndef LOOP_H
#define LOOP_H

#include <uv.h>

#include "server/api/api.h"
#include "server/clock.h"
#include "server/hub/hub.h"
#include "server/log_signals.h"
#include "server/net/net.h"
#include "server/notes.h"
#include "server/storage/storage.h"
#include "server/tokens.h"
#include "server/webhooks/webhooks.h"

struct queued_event;

/* Writes of one sort, that the disk takes or does not. */
struct loop_fault {
    const char *event;
    uint64_t told_ms; /* when the log was last told; 0: never */
    bool failing;
};

/* What the loop itself counts, for the metrics. */
enum { LOOP_CODES = 24 };

/* There are few; the last place is for all that find none of their own. */
struct loop_code {
    unsigned code; /* 0: no more of them */
    uint64_t count;
};

struct loop_counters {
    struct loop_code closes[LOOP_CODES];  /* of WebSockets */
    struct loop_code answers[LOOP_CODES]; /* to HTTP requests */
    struct histogram answer_us;
    uint64_t verdicts[TOKEN_STATUS_COUNT]; /* of tokens */
    struct histogram commit_us;            /* append asked for to durable */
    uint64_t append_us;                    /* when the one under way was asked for */
};

struct loop {
    uv_loop_t uv;
    uv_async_t completed; /* the storage has something to report */
    uv_timer_t timer;
    uv_idle_t more; /* while a step has left something to do */
    struct hub *hub;
    struct storage *storage;
    struct net *net;           /* NULL until clients may connect */
    struct api *api;           /* likewise */
    struct webhooks *webhooks; /* NULL: there are none yet, or none any more */
    const struct token_keys *keys;
    const char *data; /* the database's path */
    struct loop_counters counters;
    struct notes notes;
    struct log_signals log_signals;
    struct queued_event *first;
    struct queued_event *last;
    struct clock clock;
    uint64_t now_ms; /* as the clock told last */
    bool stepping;
    bool failed; /* the hub is unfit for use: stop, and start again */
    struct loop_fault appends;
    struct loop_fault stores;
    /* Told how `storage_declare` has ended. */
    void (*declared)(void *context, bool declared, const char *text);
    void *declared_context;
    bool told_fault; /* and not yet that it is over */
};

/* Sets up loop, wake-up and timer. False: there are no handles to be had. */
CRDT_CHECKED bool loop_init(struct loop *loop);

/* Steps the hub by the event, now or after what is under way; `now_ms` is filled in. */
void loop_step(struct loop *loop, const struct hub_event *event);

/* For `struct net_config`; context is the loop. */
void loop_net_event(void *context, const struct net_event *event);
void loop_net_answered(void *context, unsigned code, uint64_t us);

/* For `storage_start`; from any thread. */
void loop_wake(void *context);

/* loop_webhooks.c: between the hub, the storage and the webhooks */
CRDT_CHECKED bool loop_open_webhooks(struct loop *loop, const struct webhook_targets *targets,
                                     const struct journal_id *journal, uint64_t seed);
void loop_tell_webhooks(struct loop *loop, const struct hub_effect *effect);
/* False: the completion is the hub's. */
bool loop_complete_webhooks(struct loop *loop, const struct storage_completion *completion);

/* Closes the handles; the loop must run until they are closed. */
void loop_close(struct loop *loop);

#endif
