#include "server/http_api.h"

static void step(void *context, const struct hub_event *event) { loop_step(context, event); }

static bool claim(void *context, uint64_t request, struct bytes bytes)
{
    const struct loop *loop = context;
    return storage_claim(loop->storage, request, bytes);
}

static uint64_t now_ms(void *context)
{
    struct loop *loop = context;
    return clock_tell(&loop->clock, clock_read());
}

static void answer(void *context, uint64_t id, const struct net_answer *answered)
{
    const struct loop *loop = context;
    net_answer(loop->net, id, answered);
}

static void answer_more(void *context, uint64_t id, struct bytes piece, bool last)
{
    const struct loop *loop = context;
    net_answer_more(loop->net, id, piece, last);
}

static struct api_bounds bounds_of(const struct config *config)
{
    return (struct api_bounds){.requests = config->requests_max + config->api.watches_max,
                               .watches = config->api.watches_max,
                               .principal_watches = config->api.principal_watches_max,
                               .principal_keys = config->api.principal_keys_max,
                               .key_ms = config->api.key_ms};
}

bool http_api_open(struct loop *loop, const struct config *config)
{
    struct api_config api = {.bounds = bounds_of(config),
                             .step = step,
                             .claim = claim,
                             .now_ms = now_ms,
                             .answer = answer,
                             .answer_more = answer_more,
                             .context = loop};
    loop->api = api_create(&api);
    return loop->api != NULL;
}

void http_api_reconfigure(struct loop *loop, const struct config *config)
{
    struct api_bounds bounds = bounds_of(config);
    api_reconfigure(loop->api, &bounds);
}

void http_api_request(struct loop *loop, const struct net_request *request)
{
    api_request(loop->api, request);
}

void http_api_gone(struct loop *loop, uint64_t id) { api_request_gone(loop->api, id); }

void http_api_writable(struct loop *loop, uint64_t id) { api_request_writable(loop->api, id); }
