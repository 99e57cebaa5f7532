/*
 * HTTP API: documents as JSON for backends that hold no copy (docs/http.md). Each request is a
 * client of the hub inside the process: a connection with a number of its own that says HELLO,
 * calls for values, opens a stream, sends an update, and reads what the hub sends. So rights,
 * limits, the ledger and the journal are those of everybody; nothing here decides about them.
 */
#ifndef API_API_H
#define API_API_H

#include "protocol/limits.h"
#include "server/hub/hub.h"
#include "server/net/net.h"

struct api;

/* Numbers from here on are connections of the API; below, of the network. */
#define API_CONNECTION_FIRST ((uint64_t)1 << 52)

struct api_bounds {
    size_t requests;          /* at once, watches among them */
    size_t watches;           /* at once */
    size_t principal_watches; /* at once, of one principal */
    size_t principal_keys;    /* Idempotency-Keys that are remembered of one principal */
    uint64_t key_ms;          /* how long */
};

struct api_config {
    struct api_bounds bounds;
    /* Steps the hub, now or after the step under way; the time is filled in. */
    void (*step)(void *context, const struct hub_event *event);
    /* Claims a key (server/storage/keys.h); `api_claimed` answers. False: no memory. */
    bool (*claim)(void *context, uint64_t request, struct bytes bytes);
    uint64_t (*now_ms)(void *context);
    void (*answer)(void *context, uint64_t id, const struct net_answer *answer);
    void (*answer_more)(void *context, uint64_t id, struct bytes piece, bool last);
    void *context;
};

/* NULL: no memory. */
struct api *api_create(const struct api_config *config);
/* Others from now on; what is under way stays. */
void api_reconfigure(struct api *api, const struct api_bounds *bounds);
/* Takes NULL. Requests are forgotten, not answered. */
void api_destroy(struct api *api);

/* What comes from the network. */
void api_request(struct api *api, const struct net_request *request);
void api_request_gone(struct api *api, uint64_t id);
void api_request_writable(struct api *api, uint64_t id);

/* What the hub wants of a connection of the API: SEND, CLOSE, PAUSE or RESUME. */
void api_effect(struct api *api, const struct hub_effect *effect);

/* What an operator sees of it. */
struct api_stats {
    size_t watches;
    uint64_t watches_refused; /* since there were enough, ever */
    uint64_t keys_refused;    /* likewise of one principal's */
    uint64_t requests_refused;
};

void api_stats(const struct api *api, struct api_stats *stats);

/* The claim's answer; `bytes` empty: it failed. */
void api_claimed(struct api *api, uint64_t request, struct bytes bytes);

#endif
