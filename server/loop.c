#include "server/loop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/log.h"

enum { FAULT_LOG_MS = 60000 };

struct queued_event {
    struct queued_event *next;
    struct hub_event event;
    uint8_t bytes[];
};

static uint64_t now_ms(struct loop *loop)
{
    loop->now_ms = clock_tell(&loop->clock, clock_read());
    return loop->now_ms;
}

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void fail(struct loop *loop, const char *why)
{
    if (!loop->failed) {
        log_event(LEVEL_ERROR, "hub-stops",
                  LOG_FIELDS(log_sentence("reason", why),
                             log_sentence("hint", "what is acknowledged is in the journal")));
        loop->failed = true;
        uv_stop(&loop->uv);
    }
}

/* The step under way ends first. Tokens are made by the wall clock, whatever the hub's shows. */
static void verify(struct loop *loop, const struct hub_effect *effect)
{
    struct token_claims claims = {.subject = ""};
    struct buffer grants;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    enum token_status status =
        token_verify(loop->keys, effect->bytes, loop->clock.last.wall_ms, &claims, &grants);
    loop->counters.verdicts[status]++;
    if (status != TOKEN_OK) {
        notes_token_refused(loop->hub, effect->connection, token_status_text(status));
    }
    struct hub_event event = {
        .kind = EVENT_VERIFIED,
        .connection = effect->connection,
        .request = effect->request,
        .bytes = bytes_of_text(claims.subject),
        .verdict = status == TOKEN_OK        ? VERDICT_ACCEPTED
                   : status == TOKEN_EXPIRED ? VERDICT_EXPIRED
                                             : VERDICT_REFUSED,
        .expires_ms = clock_at(&loop->clock, claims.expires_ms),
        .grants = buffer_bytes(&grants),
        .admin = claims.admin,
    };
    loop_step(loop, &event);
    buffer_finish(&grants);
}

static void log_damage(const struct hub_effect *effect)
{
    log_event(LEVEL_ERROR, "damaged",
              LOG_FIELDS(log_text("document", effect->bytes), log_word("table", effect->text),
                         log_number("position", effect->position),
                         log_sentence("hint", "the row makes no sense; restore it from a backup")));
}

/* Of a step that has failed nothing else counts any more. */
static void tell_damage(const struct hub_effects *effects)
{
    for (size_t i = 0; i < effects->length; i++) {
        if (effects->items[i].kind == EFFECT_DAMAGED) {
            log_damage(&effects->items[i]);
        }
    }
}

static void count_code(struct loop_code codes[LOOP_CODES], unsigned code)
{
    size_t i = 0;
    while (i + 1 < LOOP_CODES && codes[i].code != 0 && codes[i].code != code) {
        i++;
    }
    codes[i].code = code;
    codes[i].count++;
}

/* Whether it is for a client that is inside this process. */
static bool is_for_api(const struct hub_effect *effect)
{
    bool sent = effect->kind == EFFECT_SEND || effect->kind == EFFECT_CLOSE ||
                effect->kind == EFFECT_PAUSE || effect->kind == EFFECT_RESUME;
    return sent && effect->connection >= API_CONNECTION_FIRST;
}

static void perform(struct loop *loop, const struct hub_effect *effect)
{
    bool asked = true;
    if (is_for_api(effect)) {
        api_effect(loop->api, effect);
        return;
    }
    switch (effect->kind) {
    case EFFECT_NONE:
        return;
    case EFFECT_SEND:
        net_send(loop->net, effect->connection, effect->bytes);
        return;
    case EFFECT_CLOSE:
        notes_closed(loop->hub, effect);
        count_code(loop->counters.closes, effect->code);
        net_close_connection(loop->net, effect->connection, effect->code, effect->text);
        return;
    case EFFECT_PAUSE:
        net_pause(loop->net, effect->connection, true);
        return;
    case EFFECT_RESUME:
        net_pause(loop->net, effect->connection, false);
        return;
    case EFFECT_APPEND:
        loop->counters.append_us = now_us();
        asked = storage_append(loop->storage, effect->bytes, loop->now_ms);
        break;
    case EFFECT_LOAD:
        asked = storage_load(loop->storage, effect->request, effect->bytes);
        break;
    case EFFECT_STORE:
        asked = storage_store(loop->storage, effect->bytes);
        break;
    case EFFECT_DAMAGED:
        log_damage(effect);
        return;
    case EFFECT_VERIFY:
        verify(loop, effect);
        return;
    case EFFECT_SCRUB:
        asked = storage_scrub(loop->storage, effect->request, effect->position);
        break;
    case EFFECT_TRIM:
        storage_trim(loop->storage, effect->position);
        return;
    case EFFECT_CHANGED:
    case EFFECT_VALUES:
    case EFFECT_ASK:
        loop_tell_webhooks(loop, effect);
        return;
    }
    if (!asked) {
        fail(loop, "out of memory");
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    struct hub_event event = {.kind = EVENT_TICK};
    loop_step(loop, &event);
}

static void on_idle(uv_idle_t *idle)
{
    struct loop *loop = idle->data;
    struct hub_event event = {.kind = EVENT_TICK};
    loop_step(loop, &event);
}

/* What there is more of is done once in each turn of the loop, when what has come was read. A timer
 * would not do: of those without a wait libuv runs one after the other. */
static void arm(struct loop *loop, const struct hub_effects *effects)
{
    if (effects->more) {
        (void)uv_idle_start(&loop->more, on_idle);
    } else {
        (void)uv_idle_stop(&loop->more);
    }
    if (effects->wake_ms == UINT64_MAX) {
        (void)uv_timer_stop(&loop->timer);
    } else {
        uint64_t wait_ms = effects->wake_ms > loop->now_ms ? effects->wake_ms - loop->now_ms : 0;
        (void)uv_timer_start(&loop->timer, on_timer, wait_ms, 0);
    }
}

static void step(struct loop *loop, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = now_ms(loop);
    event.now_us = now_us();
    event.verbose = log_takes(LEVEL_DEBUG);
    if (event.kind == EVENT_DISCONNECTED) {
        notes_gone(loop->hub, event.connection);
    }
    enum hub_status status = hub_step(loop->hub, &event, &effects);
    if (status != HUB_OK) {
        tell_damage(&effects);
        fail(loop, hub_status_text(status));
        return;
    }
    for (size_t i = 0; i < effects.length && !loop->failed; i++) {
        perform(loop, &effects.items[i]);
    }
    if (effects.length > 0) {
        hub_sent(loop->hub, now_us());
    }
    notes_tell(&loop->notes, loop->hub, &effects, loop->now_ms);
    arm(loop, &effects);
}

static struct bytes copy_bytes(uint8_t *to, struct bytes from)
{
    if (from.length > 0) {
        memcpy(to, from.data, from.length);
    }
    return (struct bytes){to, from.length};
}

static void queue(struct loop *loop, const struct hub_event *event)
{
    struct queued_event *queued =
        malloc(sizeof *queued + event->bytes.length + event->grants.length);
    if (queued == NULL) {
        fail(loop, "out of memory");
        return;
    }
    *queued = (struct queued_event){.event = *event};
    queued->event.bytes = copy_bytes(queued->bytes, event->bytes);
    queued->event.grants = copy_bytes(queued->bytes + event->bytes.length, event->grants);
    /* A step at any other event may send. What is sent to a blocked socket libwebsockets keeps,
     * from the second message on without a frame's header. */
    if (event->kind == EVENT_BLOCKED) {
        queued->next = loop->first;
        loop->first = queued;
        loop->last = loop->last == NULL ? queued : loop->last;
        return;
    }
    if (loop->last == NULL) {
        loop->first = queued;
    } else {
        loop->last->next = queued;
    }
    loop->last = queued;
}

static struct queued_event *take_queued(struct loop *loop)
{
    struct queued_event *queued = loop->first;
    if (queued != NULL) {
        loop->first = queued->next;
        loop->last = loop->first == NULL ? NULL : loop->last;
    }
    return queued;
}

void loop_step(struct loop *loop, const struct hub_event *event)
{
    struct queued_event *queued;
    if (loop->stepping) {
        queue(loop, event);
        return;
    }
    loop->stepping = true;
    if (!loop->failed) {
        step(loop, *event);
    }
    while ((queued = take_queued(loop)) != NULL) {
        if (!loop->failed) {
            step(loop, queued->event);
        }
        free(queued);
    }
    loop->stepping = false;
}

/* Writes are tried again every second, and a small one may pass where others fail: the log is told
 * once a minute. */
static void note_fault(struct loop *loop, struct loop_fault *fault, const char *reason)
{
    uint64_t now = now_ms(loop);
    fault->failing = true;
    if (fault->told_ms == 0 || now - fault->told_ms >= FAULT_LOG_MS) {
        fault->told_ms = now;
        loop->told_fault = true;
        log_event(LEVEL_ERROR, fault->event, LOG_FIELDS(log_sentence("reason", reason)));
    }
}

static void note_written(struct loop *loop, struct loop_fault *fault)
{
    fault->failing = false;
    if (loop->told_fault && !loop->appends.failing && !loop->stores.failing) {
        loop->told_fault = false;
        log_event(LEVEL_INFO, "writable", NULL);
    }
}

static void note(struct loop *loop, const struct storage_completion *completion)
{
    switch (completion->kind) {
    case STORAGE_APPENDED:
        histogram_add(&loop->counters.commit_us, now_us() - loop->counters.append_us, 1);
        note_written(loop, &loop->appends);
        return;
    case STORAGE_STORED:
        note_written(loop, &loop->stores);
        return;
    case STORAGE_APPEND_FAILED:
        note_fault(loop, &loop->appends, completion->text);
        return;
    case STORAGE_STORE_FAILED:
        note_fault(loop, &loop->stores, completion->text);
        return;
    case STORAGE_LOAD_FAILED:
    case STORAGE_CLAIM_FAILED:
    case STORAGE_KEEP_FAILED:
        log_event(LEVEL_ERROR, "storage-failed",
                  LOG_FIELDS(log_sentence("reason", completion->text)));
        return;
    case STORAGE_SCRUB_FAILED:
        log_event(LEVEL_ERROR, "scrub-failed",
                  LOG_FIELDS(log_sentence("reason", completion->text)));
        return;
    case STORAGE_LOADED:
    case STORAGE_CLAIMED:
    case STORAGE_DECLARED:
    case STORAGE_DECLARE_FAILED:
    case STORAGE_SCRUBBED:
    case STORAGE_KEPT:
        return;
    }
}

static void complete(struct loop *loop, const struct storage_completion *completion)
{
    static const enum hub_event_kind kinds[] = {
        [STORAGE_APPENDED] = EVENT_APPENDED, [STORAGE_APPEND_FAILED] = EVENT_APPEND_FAILED,
        [STORAGE_STORED] = EVENT_STORED,     [STORAGE_STORE_FAILED] = EVENT_STORE_FAILED,
        [STORAGE_LOADED] = EVENT_LOADED,     [STORAGE_LOAD_FAILED] = EVENT_LOAD_FAILED,
        [STORAGE_SCRUBBED] = EVENT_SCRUBBED, [STORAGE_SCRUB_FAILED] = EVENT_SCRUB_FAILED,
    };
    note(loop, completion);
    if (completion->kind == STORAGE_CLAIMED || completion->kind == STORAGE_CLAIM_FAILED) {
        api_claimed(loop->api, completion->request, completion->bytes);
        return;
    }
    if (loop_complete_webhooks(loop, completion)) {
        return;
    }
    struct hub_event event = {.kind = kinds[completion->kind],
                              .position = completion->position,
                              .request = completion->request,
                              .bytes = completion->bytes};
    loop_step(loop, &event);
}

static void on_completed(uv_async_t *async)
{
    struct loop *loop = async->data;
    struct storage_completion completion;
    while (storage_poll(loop->storage, &completion)) {
        if (completion.kind == STORAGE_DECLARED || completion.kind == STORAGE_DECLARE_FAILED) {
            loop->declared(loop->declared_context, completion.kind == STORAGE_DECLARED,
                           completion.text);
        } else {
            complete(loop, &completion);
        }
        storage_completion_finish(&completion);
    }
}

bool loop_init(struct loop *loop)
{
    *loop = (struct loop){.counters = {.commit_us = {.bounds = &histogram_latency},
                                       .answer_us = {.bounds = &histogram_latency}},
                          .appends = {.event = "read-only"},
                          .stores = {.event = "storage-failed"}};
    if (uv_loop_init(&loop->uv) != 0) {
        return false;
    }
    if (uv_async_init(&loop->uv, &loop->completed, on_completed) != 0 ||
        uv_timer_init(&loop->uv, &loop->timer) != 0 || uv_idle_init(&loop->uv, &loop->more) != 0 ||
        !log_signals_start(&loop->log_signals, &loop->uv)) {
        return false;
    }
    loop->completed.data = loop;
    loop->more.data = loop;
    loop->timer.data = loop;
    return true;
}

void loop_wake(void *context)
{
    struct loop *loop = context;
    (void)uv_async_send(&loop->completed);
}

void loop_net_event(void *context, const struct net_event *event)
{
    static const enum hub_event_kind kinds[] = {
        [NET_CONNECTED] = EVENT_CONNECTED,       [NET_RECEIVED] = EVENT_RECEIVED,
        [NET_BLOCKED] = EVENT_BLOCKED,           [NET_WRITABLE] = EVENT_WRITABLE,
        [NET_DISCONNECTED] = EVENT_DISCONNECTED,
    };
    struct hub_event hub_event = {
        .kind = kinds[event->kind],
        .connection = event->connection,
        .bytes = event->bytes,
        .inside = event->door == NET_INTERNAL,
    };
    loop_step(context, &hub_event);
}

void loop_net_answered(void *context, unsigned code, uint64_t us)
{
    struct loop *loop = context;
    count_code(loop->counters.answers, code);
    histogram_add(&loop->counters.answer_us, us, 1);
}

void loop_close(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->completed, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->more, NULL);
    log_signals_close(&loop->log_signals);
}
