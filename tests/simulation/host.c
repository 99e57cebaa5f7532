#include "tests/simulation/host.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"

/* Seconds behind which UUIDs and clocks make sense. */
static const uint64_t BEGIN_MS = 1700000000000;

struct host_event {
    struct host_event *next;
    struct hub_event event;
    uint8_t bytes[];
};

void host_violation(struct host *host, const char *format, ...)
{
    va_list arguments;
    if (host->violation[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(host->violation, sizeof host->violation, format, arguments);
    va_end(arguments);
}

static void note(struct host *host, const void *data, size_t length)
{
    host->hash = bytes_hash((struct bytes){data, length}, host->hash);
}

/* --- effects --- */

static struct wire *wire_of(struct host *host, uint64_t connection)
{
    for (size_t i = 0; i < HOST_WIRES; i++) {
        if (host->wires[i].connection == connection && host->wires[i].hub_is_there) {
            return &host->wires[i];
        }
    }
    return NULL;
}

static void step(struct host *host, struct hub_event event);

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
    wire_push(&wire->to_client, effect->bytes);
    if (wire->to_client.bytes > WIRE_ROOM_BYTES) {
        wire->blocked = true;
        host->blocks++;
        step(host, (struct hub_event){.kind = EVENT_BLOCKED, .connection = effect->connection});
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
        host->pauses += paused;
    }
}

static void keep_batch(struct host *host, struct bytes batch)
{
    buffer_clear(&host->batch);
    if (buffer_append(&host->batch, batch.data, batch.length) != PROTOCOL_OK) {
        host_violation(host, "the simulation has no memory left");
    }
}

static bool ask(struct host *host, const struct hub_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_APPEND:
        if (host->appending) {
            host_violation(host, "two appends are under way");
        }
        host->appending = true;
        keep_batch(host, effect->bytes);
        return storage_append(host->storage, effect->bytes, host->now_ms);
    case EFFECT_STORE:
        if (host->storing) {
            host_violation(host, "two stores are under way");
        }
        host->storing = true;
        return storage_store(host->storage, effect->bytes);
    case EFFECT_LOAD:
        return storage_load(host->storage, effect->request, effect->bytes);
    default:
        return true;
    }
}

static void perform(struct host *host, const struct hub_effect *effect)
{
    note(host, &effect->kind, sizeof effect->kind);
    note(host, effect->bytes.data, effect->bytes.length);
    switch (effect->kind) {
    case EFFECT_NONE:
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
        if (!ask(host, effect)) {
            host_violation(host, "the storage has no memory");
        }
        return;
    case EFFECT_TRIM:
        storage_trim(host->storage, effect->position);
        return;
    case EFFECT_DAMAGED:
        host_violation(host, "the rows of %.*s make no sense", (int)effect->bytes.length,
                       (const char *)effect->bytes.data);
        return;
    case EFFECT_VERIFY:
        host_violation(host, "nobody has a token");
        return;
    }
}

/* --- events --- */

static void take(struct host *host, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = host->now_ms;
    enum hub_status status = hub_step(host->hub, &event, &effects);
    host->failed = status != HUB_OK;
    if (host->failed && !disk_has_failed()) {
        host_violation(host, "the hub fails: %s", hub_status_text(status));
    }
    if (host->failed) {
        return;
    }
    for (size_t i = 0; i < effects.length; i++) {
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

static void step(struct host *host, struct hub_event event)
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
}

/* --- life --- */

void host_init(struct host *host, const char *path, void (*declare)(struct schema_set *schemas))
{
    *host = (struct host){.now_ms = BEGIN_MS, .declare = declare};
    (void)snprintf(host->path, sizeof host->path, "%s", path);
    hub_config_init(&host->config);
    host->config.schemas = &host->schemas;
    buffer_init(&host->batch, LIMIT_BODY_BYTES);
}

static int replay_batch(void *context, uint64_t position, struct bytes batch)
{
    struct host *host = context;
    host->journaled(host->context, position, batch);
    step(host, (struct hub_event){.kind = EVENT_REPLAY, .position = position, .bytes = batch});
    return host->violation[0] == '\0' && !host->failed ? 0 : -1;
}

static bool replay(struct host *host, char reason[STORAGE_ERROR_BYTES])
{
    struct hub_stats stats;
    if (!storage_replay(host->storage, replay_batch, host, reason)) {
        return false;
    }
    hub_stats(host->hub, &stats);
    while (stats.replaying && host->violation[0] == '\0' && !host->failed) {
        if (!host_read(host) && !host_write(host) && !host_complete(host) && !host_tick(host, 1)) {
            host_violation(host, "the replay waits for nothing");
        }
        hub_stats(host->hub, &stats);
    }
    return !host->failed;
}

bool host_start(struct host *host, uint64_t seed, char reason[STORAGE_ERROR_BYTES])
{
    struct storage_info info;
    schema_set_finish(&host->schemas);
    host->schemas = (struct schema_set){0};
    host->declare(&host->schemas);
    if (!storage_open(&host->storage, host->path, host->config.relaxed, &host->schemas, reason)) {
        return false;
    }
    storage_info(host->storage, &info);
    struct hub_ancestor ancestors[16] = {0};
    size_t count = info.ancestor_count < 16 ? info.ancestor_count : 16;
    for (size_t i = 0; i < count; i++) {
        ancestors[i] = (struct hub_ancestor){info.ancestors[i].journal, info.ancestors[i].position};
    }
    host->config.journal = info.journal;
    host->config.position = info.position;
    host->config.ancestors = ancestors;
    host->config.ancestor_count = count;
    host->config.seed = seed;
    host->hub = hub_create(&host->config);
    host->config.ancestors = NULL;
    if (host->hub == NULL) {
        host_violation(host, "the hub has no memory");
        return false;
    }
    return replay(host, reason);
}

static void end_wire(struct wire *wire)
{
    wire_clear(&wire->to_hub);
    wire->hub_is_there = false;
    wire->blocked = wire->paused = false;
    if (!wire->client_is_there) {
        wire_clear(&wire->to_client);
        *wire = (struct wire){0};
    }
}

void host_kill(struct host *host)
{
    disk_cut();
    hub_destroy(host->hub);
    host->hub = NULL;
    (void)storage_close(host->storage);
    host->storage = NULL;
    host->appending = host->storing = host->more = host->failed = false;
    for (size_t i = 0; i < HOST_WIRES; i++) {
        end_wire(&host->wires[i]);
    }
}

void host_finish(struct host *host)
{
    host_kill(host);
    for (size_t i = 0; i < HOST_WIRES; i++) {
        host->wires[i].client_is_there = false;
        end_wire(&host->wires[i]);
    }
    schema_set_finish(&host->schemas);
    buffer_finish(&host->batch);
}

/* --- the network --- */

size_t host_connect(struct host *host)
{
    size_t i = 0;
    while (i < HOST_WIRES && host->wires[i].connection != 0) {
        i++;
    }
    if (i < HOST_WIRES && host->hub != NULL) {
        struct wire *wire = &host->wires[i];
        *wire = (struct wire){
            .connection = ++host->connections, .client_is_there = true, .hub_is_there = true};
        step(host, (struct hub_event){.kind = EVENT_CONNECTED, .connection = wire->connection});
        return i;
    }
    return HOST_WIRES;
}

void host_say(struct host *host, size_t index, struct bytes message)
{
    if (host->wires[index].hub_is_there) {
        wire_push(&host->wires[index].to_hub, message);
    }
}

bool host_hear(struct host *host, size_t index, struct bytes *message)
{
    return wire_peek(&host->wires[index].to_client, message);
}

void host_heard(struct host *host, size_t index)
{
    struct wire *wire = &host->wires[index];
    wire_pop(&wire->to_client);
    if (wire->blocked && wire->hub_is_there && wire->to_client.bytes < WIRE_ROOM_BYTES / 2) {
        wire->blocked = false;
        step(host, (struct hub_event){.kind = EVENT_WRITABLE, .connection = wire->connection});
    }
}

void host_leave(struct host *host, size_t index, bool loses)
{
    struct wire *wire = &host->wires[index];
    if (loses) {
        wire_clear(&wire->to_hub);
    }
    wire->client_is_there = false;
    wire_clear(&wire->to_client);
    if (!wire->hub_is_there) {
        end_wire(wire);
    }
}

bool host_deliver(struct host *host, size_t index)
{
    struct wire *wire = &host->wires[index];
    struct bytes message;
    if (!wire->hub_is_there || (wire->paused && wire->client_is_there && !wire->closing)) {
        return false;
    }
    if (!wire->closing && !wire->paused && wire_peek(&wire->to_hub, &message)) {
        step(host, (struct hub_event){
                       .kind = EVENT_RECEIVED, .connection = wire->connection, .bytes = message});
        wire_pop(&wire->to_hub);
        return true;
    }
    if (wire->client_is_there && !wire->closing) {
        return false;
    }
    step(host, (struct hub_event){.kind = EVENT_DISCONNECTED, .connection = wire->connection});
    end_wire(wire);
    return true;
}

/* --- the storage --- */

bool host_write(struct host *host)
{
    return host->hub != NULL && storage_write_some(host->storage);
}

bool host_read(struct host *host) { return host->hub != NULL && storage_read_one(host->storage); }

static enum hub_event_kind event_of(enum storage_completion_kind kind)
{
    switch (kind) {
    case STORAGE_APPENDED:
        return EVENT_APPENDED;
    case STORAGE_APPEND_FAILED:
        return EVENT_APPEND_FAILED;
    case STORAGE_STORED:
        return EVENT_STORED;
    case STORAGE_STORE_FAILED:
        return EVENT_STORE_FAILED;
    case STORAGE_LOADED:
        return EVENT_LOADED;
    case STORAGE_LOAD_FAILED:
        return EVENT_LOAD_FAILED;
    }
    abort();
}

bool host_complete(struct host *host)
{
    struct storage_completion completion;
    if (host->hub == NULL || !storage_poll(host->storage, &completion)) {
        return false;
    }
    struct hub_event event = {.kind = event_of(completion.kind),
                              .position = completion.position,
                              .request = completion.request,
                              .bytes = completion.bytes};
    host->appending =
        host->appending && event.kind != EVENT_APPENDED && event.kind != EVENT_APPEND_FAILED;
    host->storing = host->storing && event.kind != EVENT_STORED && event.kind != EVENT_STORE_FAILED;
    if (event.kind == EVENT_APPENDED) {
        host->journaled(host->context, event.position, buffer_bytes(&host->batch));
    }
    step(host, event);
    storage_completion_finish(&completion);
    return true;
}

bool host_tick(struct host *host, uint64_t milliseconds)
{
    host->now_ms += milliseconds;
    bool due = host->hub != NULL && (host->more || host->now_ms >= host->wake_ms);
    if (due) {
        step(host, (struct hub_event){.kind = EVENT_TICK});
    }
    return due;
}
