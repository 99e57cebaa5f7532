/* The room's inside: what webhooks.c, send.c, keep.c and calls.c share. */
#ifndef WEBHOOKS_STATE_H
#define WEBHOOKS_STATE_H

#include "server/webhooks/http.h"
#include "server/webhooks/webhooks.h"

enum { HEADER_BYTES = 128, WEBHOOK_ROWS_BYTES = 1 << 20 };

struct target {
    const struct webhook_target *config;
    struct schedule schedule;
    uint64_t page; /* the load of one under way; 0: none */
    size_t page_length;
    struct buffer rows; /* LETTER and RESENT rows that are not kept yet */
    size_t rows_told;   /* how much of them is part of the keep under way */
    uint64_t delivered;
    uint64_t failed;
    uint64_t dead;
    uint64_t letters;
    uint64_t last_ms; /* of the last delivery that ended; 0: none has */
    unsigned last_status;
    char last_reason[WEBHOOK_REASON_BYTES];
};

/* One delivery under way: first its values are asked for, then they are sent. */
struct delivery {
    struct delivery *next;
    struct webhooks *webhooks;
    struct target *target;
    struct schedule_delivery due;
    uint64_t request;
    uint64_t position; /* of the values; 0: they are not here yet */
    struct buffer body;
    char id[WEBHOOK_ID_BYTES];
    char id_header[HEADER_BYTES];
    char timestamp_header[HEADER_BYTES];
    char signature_header[HEADER_BYTES + WEBHOOK_SECRETS_MAX * WEBHOOK_SIGNATURE_BYTES];
};

/* An operator's call that waits for dead letters from the database. */
struct waiting_call {
    struct waiting_call *next;
    uint64_t load;
    uint64_t request;
    struct target *target;
    size_t limit;
    uint64_t id; /* of the only one to be resent; 0: all */
    bool resend; /* false: they are listed */
};

struct webhooks {
    struct webhooks_config config;
    struct http *http;
    uv_timer_t timer;
    struct webhook_targets configured;
    struct target *targets; /* of each of them */
    size_t length;
    uint64_t position; /* the hub's, as far as it was told */
    uint64_t last_request;
    uint64_t loading; /* the load of what is kept; 0: it is here */
    uint64_t load_ms; /* when it is asked for again; 0: it need not be */
    uint64_t keep_ms; /* not before */
    bool keeping;
    bool draining;
    uint64_t drain_ms; /* until then a drain waits for what is under way */
    struct delivery *deliveries;
    struct waiting_call *calls;
};

/* webhooks.c */
uint64_t now_of(const struct webhooks *webhooks);
/* Soon: what is due is begun, asked for and kept. */
void webhooks_wake(struct webhooks *webhooks);
/* `row_request` to the storage; 0: no memory. */
uint64_t webhooks_ask_rows(struct webhooks *webhooks, const struct row_request *request);
struct target *webhooks_find(struct webhooks *webhooks, struct bytes name);

/* send.c */
void send_begin(struct webhooks *webhooks, struct target *target,
                const struct schedule_delivery *due);
void send_finish(struct webhooks *webhooks);

/* keep.c: what is kept, on its way from and to the storage */
void keep_ask(struct webhooks *webhooks);
void keep_take(struct webhooks *webhooks, struct bytes rows);
void keep_write(struct webhooks *webhooks);
void keep_done(struct webhooks *webhooks, bool good);
/* There is something to write. */
bool keep_any(const struct webhooks *webhooks);
/* A LETTER or RESENT row, to be written with the rest. False: too many wait. */
CRDT_CHECKED bool keep_row(struct target *target, const struct row *row);

/* calls.c */
/* False: the load is another's. */
bool call_loaded(struct webhooks *webhooks, uint64_t load, struct bytes rows);
bool call_load_failed(struct webhooks *webhooks, uint64_t load);
void calls_finish(struct webhooks *webhooks);

#endif
