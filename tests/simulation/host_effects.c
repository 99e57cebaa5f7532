/* What the hub wants done, and what it is told, one after the other. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"
#include "tests/simulation/host.h"
#include "tests/simulation/memory.h"
#include "tests/simulation/reload.h"
#include "tests/simulation/tokens.h"

struct host_event {
    struct host_event *next;
    struct hub_event event;
    uint8_t bytes[];
};

static void note(struct host *host, const void *data, size_t length)
{
    host->hash = bytes_hash((struct bytes){data, length}, host->hash);
}

static struct wire *wire_of(struct host *host, uint64_t connection)
{
    for (size_t i = 0; i < HOST_WIRES; i++) {
        if (host->wires[i].connection == connection && host->wires[i].hub_is_there) {
            return &host->wires[i];
        }
    }
    return NULL;
}

static void send(struct host *host, const struct hub_effect *effect)
{
    struct wire *wire = wire_of(host, effect->connection);
    if (wire == NULL) {
        return;
    }
    if (wire->blocked) {
        host_violation(host, "the hub sends %zu bytes to a socket that takes no more",
                       effect->bytes.length);
    }
    if (wire->closing) {
        host_violation(host, "the hub sends behind its close");
    }
    tokens_check(host, wire, effect->bytes);
    wire_push(&wire->to_client, effect->bytes);
    if (wire->to_client.bytes > WIRE_ROOM_BYTES) {
        wire->blocked = true;
        host->happened[HAPPENED_BLOCKED]++;
        host_step(host,
                  (struct hub_event){.kind = EVENT_BLOCKED, .connection = effect->connection});
    }
}

static void close(struct host *host, const struct hub_effect *effect)
{
    struct wire *wire = wire_of(host, effect->connection);
    if (wire != NULL) {
        wire->closing = true;
    }
}

static void pause(struct host *host, const struct hub_effect *effect, bool paused)
{
    struct wire *wire = wire_of(host, effect->connection);
    if (wire != NULL) {
        wire->paused = paused;
        host->happened[HAPPENED_PAUSED] += paused;
    }
}

static void keep_batch(struct host *host, struct bytes batch)
{
    buffer_clear(&host->batch);
    if (buffer_append(&host->batch, batch.data, batch.length) != PROTOCOL_OK) {
        host_violation(host, "the simulation has no memory left");
    }
}

/* One of each is under way at a time. */
static void note_asked(struct host *host, const struct hub_effect *effect)
{
    bool *under_way = effect->kind == EFFECT_APPEND ? &host->appending : &host->storing;
    if (effect->kind == EFFECT_LOAD) {
        return;
    }
    if (*under_way) {
        host_violation(host, "two %s are under way",
                       effect->kind == EFFECT_APPEND ? "appends" : "stores");
    }
    *under_way = true;
    if (effect->kind == EFFECT_APPEND) {
        keep_batch(host, effect->bytes);
    }
}

static bool ask_storage(struct host *host, const struct hub_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_APPEND:
        return storage_append(host->storage, effect->bytes, host->now_ms);
    case EFFECT_STORE:
        return storage_store(host->storage, effect->bytes);
    default:
        return storage_load(host->storage, effect->request, effect->bytes);
    }
}

static void ask(struct host *host, const struct hub_effect *effect)
{
    note_asked(host, effect);
    bool before = memory_inside(true);
    bool asked = ask_storage(host, effect);
    (void)memory_inside(before);
    host->failed = !asked;
    if (!asked && !memory_has_failed()) {
        host_violation(host, "the storage says that it has no memory");
    }
}

static void perform(struct host *host, const struct hub_effect *effect)
{
    note(host, &effect->kind, sizeof effect->kind);
    note(host, effect->bytes.data, effect->bytes.length);
    switch (effect->kind) {
    case EFFECT_NONE:
    case EFFECT_CHANGED:
    case EFFECT_VALUES:
    case EFFECT_ASK:
        return;
    case EFFECT_SEND:
        send(host, effect);
        return;
    case EFFECT_CLOSE:
        close(host, effect);
        return;
    case EFFECT_PAUSE:
    case EFFECT_RESUME:
        pause(host, effect, effect->kind == EFFECT_PAUSE);
        return;
    case EFFECT_APPEND:
    case EFFECT_STORE:
    case EFFECT_LOAD:
        ask(host, effect);
        return;
    case EFFECT_SCRUB:
        host_violation(host, "something is erased, and nobody has asked for it");
        return;
    case EFFECT_TRIM:
        storage_trim(host->storage, effect->position);
        return;
    case EFFECT_DAMAGED:
        host_violation(host, "the rows of %.*s make no sense", (int)effect->bytes.length,
                       (const char *)effect->bytes.data);
        return;
    case EFFECT_VERIFY:
        tokens_ask(host, effect);
        return;
    }
}

/* --- events --- */

static void take(struct host *host, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = host->now_ms;
    bool before = memory_inside(true);
    enum hub_status status = hub_step(host->hub, &event, &effects);
    (void)memory_inside(before);
    host->failed = status != HUB_OK;
    if (host->failed && !disk_has_failed() && !memory_has_failed()) {
        host_violation(host, "the hub fails: %s", hub_status_text(status));
    }
    for (size_t i = 0; i < effects.length && !host->failed; i++) {
        perform(host, &effects.items[i]);
    }
    host->more = effects.more;
    host->wake_ms = effects.wake_ms;
}

/* A socket that is full is told of before all else, as in server/loop.c. */
static void queue(struct host *host, const struct hub_event *event)
{
    struct host_event *queued = disk_allocate(sizeof *queued + event->bytes.length);
    queued->event = *event;
    if (event->bytes.length > 0) {
        memcpy(queued->bytes, event->bytes.data, event->bytes.length);
    }
    queued->event.bytes.data = queued->bytes;
    if (event->kind == EVENT_BLOCKED || host->first == NULL) {
        queued->next = host->first;
        host->last = host->first == NULL ? queued : host->last;
        host->first = queued;
        return;
    }
    host->last->next = queued;
    host->last = queued;
}

void host_step(struct host *host, struct hub_event event)
{
    queue(host, &event);
    if (host->stepping) {
        return;
    }
    host->stepping = true;
    while (host->first != NULL) {
        struct host_event *taken = host->first;
        host->first = taken->next;
        host->last = host->first == NULL ? NULL : host->last;
        if (host->violation[0] == '\0' && !host->failed) {
            take(host, taken->event);
        }
        free(taken);
    }
    host->stepping = false;
    reload_go_on(host);
}
