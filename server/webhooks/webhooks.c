#include "server/webhooks/webhooks.h"

#include <assert.h>
#include <stdlib.h>

#include "protocol/limits.h"
#include "server/webhooks/state.h"

enum { LOAD_RETRY_MS = 60000, DRAIN_MS = 2000, KEY_BYTES = 2 * sizeof(uint64_t) };

/* --- what is asked of the storage --- */

uint64_t now_of(const struct webhooks *webhooks)
{
    return webhooks->config.now_ms(webhooks->config.context);
}

uint64_t webhooks_ask_rows(struct webhooks *webhooks, const struct row_request *request)
{
    uint8_t data[1024];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    row_request_write(&writer, request);
    assert(writer.status == PROTOCOL_OK);
    uint64_t number = ++webhooks->last_request;
    return webhooks->config.load(webhooks->config.context, number, buffer_bytes(&buffer)) ? number
                                                                                          : 0;
}

static void write_wide_key(uint8_t *bytes, uint64_t value)
{
    for (size_t i = 0; i < sizeof value; i++) {
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

static void hear(void *context, struct bytes name, uint64_t position)
{
    struct target *target = context;
    if (webhook_target_wants(target->config, name)) {
        /* Without room the page stops before it. */
        (void)!schedule_changed(&target->schedule, name, position, 0);
    }
}

/* What the hub has not stored yet is told first, so that between the two nothing is missing. */
static void ask_page(struct webhooks *webhooks, struct target *target, uint64_t now_ms)
{
    uint8_t key[KEY_BYTES];
    size_t limit = schedule_ask(&target->schedule, webhooks->position, now_ms);
    if (limit == 0) {
        return;
    }
    const struct schedule_cursor *cursor = &target->schedule.cursor;
    write_wide_key(key, cursor->position);
    write_wide_key(key + sizeof(uint64_t), cursor->document);
    hub_changed_after(webhooks->config.hub(webhooks->config.context), cursor->position, hear,
                      target);
    target->page_length = limit;
    target->page = webhooks_ask_rows(
        webhooks,
        &(struct row_request){.kind = ROWS_CHANGED, .after = {key, sizeof key}, .limit = limit});
    if (target->page == 0) {
        schedule_page_ends(&target->schedule, false, true, now_ms);
    }
}

static void take_page(struct webhooks *webhooks, struct target *target, struct bytes rows)
{
    struct reader reader = reader_of(rows);
    struct row row;
    uint64_t now_ms = now_of(webhooks);
    size_t taken = 0;
    while (row_read(&reader, &row) &&
           schedule_page(&target->schedule, row.name,
                         (struct schedule_cursor){row.position, row.next_index},
                         webhook_target_wants(target->config, row.name), now_ms)) {
        taken++;
    }
    target->page = 0;
    schedule_heard(&target->schedule, webhooks->position);
    schedule_page_ends(&target->schedule, taken < target->page_length && reader.left.length == 0,
                       !reader_ok(&reader), now_ms);
}

static struct target *page_of(struct webhooks *webhooks, uint64_t load)
{
    for (size_t i = 0; i < webhooks->length; i++) {
        if (webhooks->targets[i].page == load) {
            return &webhooks->targets[i];
        }
    }
    return NULL;
}

void webhooks_loaded(struct webhooks *webhooks, uint64_t request, struct bytes rows)
{
    struct target *target = page_of(webhooks, request);
    if (target != NULL) {
        take_page(webhooks, target, rows);
    } else if (request == webhooks->loading) {
        webhooks->loading = 0;
        keep_take(webhooks, rows);
    } else {
        (void)call_loaded(webhooks, request, rows);
    }
    webhooks_wake(webhooks);
}

void webhooks_load_failed(struct webhooks *webhooks, uint64_t request)
{
    struct target *target = page_of(webhooks, request);
    if (target != NULL) {
        target->page = 0;
        schedule_page_ends(&target->schedule, false, true, now_of(webhooks));
    } else if (request == webhooks->loading) {
        webhooks->load_ms = now_of(webhooks) + LOAD_RETRY_MS;
    } else {
        (void)call_load_failed(webhooks, request);
    }
    webhooks_wake(webhooks);
}

/* --- the turn --- */

static void begin_deliveries(struct webhooks *webhooks, struct target *target, uint64_t now_ms)
{
    struct schedule_delivery due;
    while (!webhooks->draining && schedule_next(&target->schedule, now_ms, &due)) {
        send_begin(webhooks, target, &due);
    }
}

static uint64_t earliest(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_wake(const struct webhooks *webhooks)
{
    uint64_t wake_ms = UINT64_MAX;
    if (webhooks->loading != 0) {
        return webhooks->load_ms == 0 ? UINT64_MAX : webhooks->load_ms;
    }
    for (size_t i = 0; i < webhooks->length && !webhooks->draining; i++) {
        wake_ms = earliest(wake_ms, schedule_wake_ms(&webhooks->targets[i].schedule));
    }
    if (!webhooks->keeping && keep_any(webhooks)) {
        wake_ms = earliest(wake_ms, webhooks->draining ? 0 : webhooks->keep_ms);
    }
    return wake_ms;
}

static void pump(struct webhooks *webhooks)
{
    uint64_t now_ms = now_of(webhooks);
    if (webhooks->loading != 0) {
        if (webhooks->load_ms != 0 && now_ms >= webhooks->load_ms) {
            webhooks->load_ms = 0;
            keep_ask(webhooks);
        }
        return;
    }
    for (size_t i = 0; i < webhooks->length; i++) {
        if (!webhooks->draining) {
            ask_page(webhooks, &webhooks->targets[i], now_ms);
        }
        begin_deliveries(webhooks, &webhooks->targets[i], now_ms);
    }
    if (!webhooks->keeping && (now_ms >= webhooks->keep_ms || webhooks->draining)) {
        keep_write(webhooks);
    }
}

static void on_timer(uv_timer_t *timer);

static void arm(struct webhooks *webhooks)
{
    uint64_t wake_ms = next_wake(webhooks);
    uint64_t now_ms = now_of(webhooks);
    if (wake_ms == UINT64_MAX) {
        (void)uv_timer_stop(&webhooks->timer);
    } else {
        uint64_t wait_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
        (void)uv_timer_start(&webhooks->timer, on_timer, wait_ms, 0);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct webhooks *webhooks = timer->data;
    pump(webhooks);
    arm(webhooks);
}

/* Not at once: who calls may be in the middle of a step of the hub's. */
void webhooks_wake(struct webhooks *webhooks)
{
    (void)uv_timer_start(&webhooks->timer, on_timer, 0, 0);
}

void webhooks_changed(struct webhooks *webhooks, struct bytes document, uint64_t position)
{
    webhooks->position = position > webhooks->position ? position : webhooks->position;
    if (webhooks->loading != 0) {
        return; /* the first page finds it */
    }
    uint64_t now_ms = now_of(webhooks);
    for (size_t i = 0; i < webhooks->length; i++) {
        struct target *target = &webhooks->targets[i];
        if (webhook_target_wants(target->config, document)) {
            /* Without room the target is behind, and asks for it later. */
            (void)!schedule_changed(&target->schedule, document, position, now_ms);
        } else {
            schedule_heard(&target->schedule, position);
        }
    }
    arm(webhooks);
}

/* --- beginning and end --- */

struct webhooks *webhooks_open(const struct webhooks_config *config)
{
    struct webhooks *webhooks = calloc(1, sizeof *webhooks);
    struct target *targets = calloc(config->targets->length + 1, sizeof *targets);
    struct http *http = http_open(config->loop);
    if (webhooks == NULL || targets == NULL || http == NULL ||
        !webhook_targets_copy(&webhooks->configured, config->targets) ||
        uv_timer_init(config->loop, &webhooks->timer) != 0) {
        http_close(http); /* the handle goes with the loop, which does not run: the process ends */
        if (webhooks != NULL) {
            webhook_targets_finish(&webhooks->configured);
        }
        free(targets);
        free(webhooks);
        return NULL;
    }
    webhooks->config = *config;
    webhooks->http = http;
    webhooks->timer.data = webhooks;
    webhooks->targets = targets;
    webhooks->length = config->targets->length;
    webhooks->position = config->position;
    for (size_t i = 0; i < webhooks->length; i++) {
        targets[i].config = &webhooks->configured.items[i];
        buffer_init(&targets[i].rows, WEBHOOK_ROWS_BYTES);
    }
    if (webhooks->length > 0) { /* or there may be no tables of theirs */
        keep_ask(webhooks);
    }
    webhooks_wake(webhooks);
    return webhooks;
}

void webhooks_close(struct webhooks *webhooks)
{
    if (webhooks != NULL) {
        http_close(webhooks->http);
        uv_close((uv_handle_t *)&webhooks->timer, NULL);
    }
}

void webhooks_finish(struct webhooks *webhooks)
{
    if (webhooks == NULL) {
        return;
    }
    send_finish(webhooks);
    calls_finish(webhooks);
    for (size_t i = 0; i < webhooks->length; i++) {
        schedule_finish(&webhooks->targets[i].schedule);
        buffer_finish(&webhooks->targets[i].rows);
    }
    http_finish(webhooks->http);
    webhook_targets_finish(&webhooks->configured);
    free(webhooks->targets);
    free(webhooks);
}

void webhooks_change_secrets(struct webhooks *webhooks, const struct webhook_targets *targets)
{
    for (size_t i = 0; webhooks != NULL && i < webhooks->configured.length; i++) {
        webhooks->configured.items[i].secrets = targets->items[i].secrets;
    }
}

void webhooks_drain(struct webhooks *webhooks)
{
    if (webhooks != NULL) {
        webhooks->draining = true;
        webhooks->drain_ms = now_of(webhooks) + DRAIN_MS;
        webhooks_wake(webhooks);
    }
}

bool webhooks_drained(const struct webhooks *webhooks)
{
    if (webhooks == NULL) {
        return true;
    }
    bool unread = webhooks->loading != 0;
    bool waits = webhooks->deliveries != NULL && now_of(webhooks) < webhooks->drain_ms;
    return webhooks->draining && !waits && !webhooks->keeping && (unread || !keep_any(webhooks));
}

struct target *webhooks_find(struct webhooks *webhooks, struct bytes name)
{
    for (size_t i = 0; i < webhooks->length; i++) {
        const char *one = webhooks->targets[i].config->name;
        if (bytes_equal(name, bytes_of_text(one))) {
            return &webhooks->targets[i];
        }
    }
    return NULL;
}

size_t webhooks_stats(const struct webhooks *webhooks, struct webhook_stats *stats, size_t most)
{
    for (size_t i = 0; i < webhooks->length && i < most; i++) {
        const struct target *target = &webhooks->targets[i];
        const struct schedule *schedule = &target->schedule;
        stats[i] = (struct webhook_stats){.name = target->config->name,
                                          .delivered = target->delivered,
                                          .failed = target->failed,
                                          .dead = target->dead,
                                          .owed = schedule->owed_count,
                                          .sending = schedule->sending_count,
                                          .letters = target->letters,
                                          .position = schedule->cursor.position,
                                          .behind = schedule->behind,
                                          .paused = schedule->paused,
                                          .open = schedule->open_count > 0};
    }
    return webhooks->length;
}
