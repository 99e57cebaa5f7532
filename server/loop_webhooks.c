/* The loop between the hub, the storage and the webhooks. */
#include <sys/random.h>

#include "server/log.h"
#include "server/loop.h"

/* Loads that the webhooks ask for: the hub's own numbers never come so far. */
#define WEBHOOKS_LOAD ((uint64_t)1 << 63)

static uint64_t tell_now(void *context)
{
    struct loop *loop = context;
    loop->now_ms = clock_tell(&loop->clock, clock_read());
    return loop->now_ms;
}

/* Only back-off depends on it: without randomness it is as long as it may be. */
static uint64_t draw(void *context)
{
    uint64_t random = UINT64_MAX;
    (void)context;
    return getrandom(&random, sizeof random, GRND_NONBLOCK) == sizeof random ? random : UINT64_MAX;
}

static void ask(void *context, uint64_t request, struct bytes document, uint64_t after,
                size_t limit)
{
    loop_step(context, &(struct hub_event){.kind = EVENT_VALUES,
                                           .request = request,
                                           .bytes = document,
                                           .position = after,
                                           .limit = limit});
}

static bool load(void *context, uint64_t request, struct bytes bytes)
{
    const struct loop *loop = context;
    return storage_load(loop->storage, request | WEBHOOKS_LOAD, bytes);
}

static bool keep(void *context, struct bytes rows)
{
    const struct loop *loop = context;
    return storage_keep(loop->storage, rows);
}

static void answer(void *context, uint64_t request, struct bytes value, const char *why)
{
    loop_step(context, &(struct hub_event){
                           .kind = EVENT_ANSWER, .request = request, .bytes = value, .text = why});
}

static const struct hub *hub_of(void *context)
{
    const struct loop *loop = context;
    return loop->hub;
}

static void tell(void *context, const struct webhook_news *news)
{
    (void)context;
    switch (news->event) {
    case WEBHOOK_FAILED:
        log_event(LEVEL_INFO, "webhook-failed",
                  LOG_FIELDS(log_word("target", news->target), log_text("document", news->document),
                             log_number("status", news->status),
                             log_sentence("reason", news->reason)));
        return;
    case WEBHOOK_DEAD:
        log_event(LEVEL_WARNING, "webhook-dead",
                  LOG_FIELDS(log_word("target", news->target), log_text("document", news->document),
                             log_number("status", news->status),
                             log_sentence("reason", news->reason),
                             log_sentence("hint", "syncline webhooks dead lists it")));
        return;
    case WEBHOOK_OPENED:
        log_event(LEVEL_WARNING, "webhook-open",
                  LOG_FIELDS(log_word("target", news->target), log_sentence("reason", news->reason),
                             log_sentence("hint", "it is probed until it answers")));
        return;
    case WEBHOOK_CLOSED:
        log_event(LEVEL_INFO, "webhook-closed", LOG_FIELDS(log_word("target", news->target)));
        return;
    }
}

bool loop_open_webhooks(struct loop *loop, const struct webhook_targets *targets,
                        const struct journal_id *journal, uint64_t seed)
{
    struct hub_stats stats;
    hub_stats(loop->hub, &stats);
    struct webhooks_config config = {.loop = &loop->uv,
                                     .targets = targets,
                                     .journal = *journal,
                                     .position = stats.position,
                                     .seed = seed,
                                     .context = loop,
                                     .now_ms = tell_now,
                                     .random = draw,
                                     .ask = ask,
                                     .load = load,
                                     .keep = keep,
                                     .answer = answer,
                                     .hub = hub_of,
                                     .tell = tell};
    loop->webhooks = webhooks_open(&config);
    return loop->webhooks != NULL;
}

void loop_tell_webhooks(struct loop *loop, const struct hub_effect *effect)
{
    if (loop->webhooks == NULL) {
        return;
    }
    if (effect->kind == EFFECT_CHANGED) {
        webhooks_changed(loop->webhooks, effect->bytes, effect->position);
    } else if (effect->kind == EFFECT_VALUES) {
        struct webhook_values values = {.code = (enum hub_code)effect->code,
                                        .position = effect->position,
                                        .truncated = effect->truncated,
                                        .bytes = effect->bytes};
        webhooks_values(loop->webhooks, effect->request, &values);
    } else {
        webhooks_call(loop->webhooks, effect->request, effect->text, effect->bytes);
    }
}

bool loop_complete_webhooks(struct loop *loop, const struct storage_completion *completion)
{
    bool loaded = completion->kind == STORAGE_LOADED;
    bool load_ended = loaded || completion->kind == STORAGE_LOAD_FAILED;
    if (completion->kind == STORAGE_KEPT || completion->kind == STORAGE_KEEP_FAILED) {
        webhooks_kept(loop->webhooks, completion->kind == STORAGE_KEPT);
        return true;
    }
    if (!load_ended || (completion->request & WEBHOOKS_LOAD) == 0) {
        return false;
    }
    uint64_t request = completion->request & ~WEBHOOKS_LOAD;
    if (loaded) {
        webhooks_loaded(loop->webhooks, request, completion->bytes);
    } else {
        webhooks_load_failed(loop->webhooks, request);
    }
    return true;
}
