/*
 * Webhooks: tells other programs what has changed, by HTTP (docs/webhooks.md). What each target is
 * owed is in schedule.h; this room asks the hub for values, the storage for documents that it has
 * no room to remember, and sends.
 *
 * All calls come from the loop. What the room asks for is answered by calls, or not at all while
 * the process ends; an answer may come before the asking function returns. Requests' numbers are
 * the room's own.
 */
#ifndef WEBHOOKS_WEBHOOKS_H
#define WEBHOOKS_WEBHOOKS_H

#include <uv.h>

#include "server/hub/codes.h"
#include "server/hub/hub.h"
#include "server/webhooks/target.h"

enum { WEBHOOK_REASON_BYTES = 256 };

/* For the log. */
enum webhook_event { WEBHOOK_FAILED, WEBHOOK_DEAD, WEBHOOK_OPENED, WEBHOOK_CLOSED };

struct webhook_news {
    enum webhook_event event;
    const char *target;
    struct bytes document;
    unsigned status; /* HTTP's; 0: there was no answer */
    const char *reason;
};

struct webhooks_config {
    uv_loop_t *loop;
    const struct webhook_targets *targets; /* copied */
    struct journal_id journal;
    uint64_t position; /* the hub's */
    uint64_t seed;     /* random */
    void *context;
    uint64_t (*now_ms)(void *context); /* the wall clock */
    uint64_t (*random)(void *context);
    /* EVENT_VALUES; answered by `webhooks_values`. */
    void (*ask)(void *context, uint64_t request, struct bytes document, uint64_t after,
                size_t limit);
    /* `row_request` bytes; answered by `webhooks_loaded` or `webhooks_load_failed`. False: no
     * memory. */
    bool (*load)(void *context, uint64_t request, struct bytes bytes);
    /* Answered by `webhooks_kept`. False: no memory. */
    bool (*keep)(void *context, struct bytes rows);
    /* EVENT_ANSWER. */
    void (*answer)(void *context, uint64_t request, struct bytes value, const char *why);
    const struct hub *(*hub)(void *context);
    void (*tell)(void *context, const struct webhook_news *news);
};

struct webhooks;

/* Asks for what is kept of its targets first. NULL: no memory. */
struct webhooks *webhooks_open(const struct webhooks_config *config);
/* Closes the handles; the loop must run until they are closed. Takes NULL. */
void webhooks_close(struct webhooks *webhooks);
void webhooks_finish(struct webhooks *webhooks);

void webhooks_changed(struct webhooks *webhooks, struct bytes document, uint64_t position);

struct webhook_values {
    enum hub_code code;
    uint64_t position;
    bool truncated;
    struct bytes bytes;
};

void webhooks_values(struct webhooks *webhooks, uint64_t request,
                     const struct webhook_values *values);
void webhooks_loaded(struct webhooks *webhooks, uint64_t request, struct bytes rows);
void webhooks_load_failed(struct webhooks *webhooks, uint64_t request);
void webhooks_kept(struct webhooks *webhooks, bool good);

/* An operator's call; answered now or later. */
void webhooks_call(struct webhooks *webhooks, uint64_t request, const char *method,
                   struct bytes parameters);

/* Messages are signed by other secrets from now on. `targets` are those of the start, but for them.
 * Takes NULL. */
void webhooks_change_secrets(struct webhooks *webhooks, const struct webhook_targets *targets);

/* Begins no delivery any more. Both take NULL. */
void webhooks_drain(struct webhooks *webhooks);
/* After that: all is kept, and none is under way, or some have been for long: they are told again
 * by the next start. */
bool webhooks_drained(const struct webhooks *webhooks);

/* Of one target, since the start but for what is kept. */
struct webhook_stats {
    const char *name;
    uint64_t delivered; /* counters */
    uint64_t failed;
    uint64_t dead;
    size_t owed; /* gauges: documents by name */
    size_t sending;
    uint64_t letters;  /* dead letters that are kept */
    uint64_t position; /* of the cursor: the journal's less this is how far it is behind */
    bool behind;
    bool paused;
    bool open; /* the breaker */
};

/* How many targets there are; `stats` takes the first `most`. */
size_t webhooks_stats(const struct webhooks *webhooks, struct webhook_stats *stats, size_t most);

#endif
