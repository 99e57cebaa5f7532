#include "tests/memory/machine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "server/hub/access.h"
#include "tests/memory/failing.h"

enum { SOCKET_BYTES = 2048, REPLAY_TURNS = 10000, RELOAD_TURNS = 10000, VALUES_BYTES = 4096 };

static const uint8_t nil[] = {0xc0};

/* Behind it clocks and UUIDs make sense. */
static const uint64_t BEGIN_MS = 1700000000000;

struct machine_event {
    struct machine_event *next;
    struct hub_event event;
    uint8_t bytes[];
};

void machine_violation(struct machine *machine, const char *format, ...)
{
    va_list arguments;
    if (machine->violation[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(machine->violation, sizeof machine->violation, format, arguments);
    va_end(arguments);
}

/* --- messages --- */

static void push(struct buffer *queue, struct bytes message)
{
    if (buffer_append(queue, &message.length, sizeof message.length) != PROTOCOL_OK ||
        buffer_append(queue, message.data, message.length) != PROTOCOL_OK) {
        abort();
    }
}

static bool pop(struct buffer *queue, struct buffer *message)
{
    size_t length;
    if (queue->length == 0) {
        return false;
    }
    memcpy(&length, queue->data, sizeof length);
    if (buffer_append(message, queue->data + sizeof length, length) != PROTOCOL_OK) {
        abort();
    }
    queue->length -= sizeof length + length;
    memmove(queue->data, queue->data + sizeof length + length, queue->length);
    return true;
}

/* --- effects --- */

static void step(struct machine *machine, struct hub_event event);

static struct machine_line *line_of(struct machine *machine, uint64_t connection)
{
    for (size_t i = 0; i < MACHINE_LINES; i++) {
        if (machine->lines[i].connection == connection && machine->lines[i].hub_is_there) {
            return &machine->lines[i];
        }
    }
    return NULL;
}

static void send(struct machine *machine, struct machine_line *line,
                 const struct hub_effect *effect)
{
    if (line->blocked || line->closing) {
        machine_violation(machine, "the hub sends to a line that takes no more");
    }
    push(&line->to_client, effect->bytes);
    if (line->to_client.length > SOCKET_BYTES) {
        line->blocked = true;
        step(machine, (struct hub_event){.kind = EVENT_BLOCKED, .connection = line->connection});
    }
}

/* A token is its principal's name; that of an operator begins with "admin". */
static void verify(struct machine *machine, const struct hub_effect *effect)
{
    static const uint8_t everything[] = {0x93, 0xa0, 0xc3, ACCESS_USE}; /* a grant to all names */
    step(machine, (struct hub_event){.kind = EVENT_VERIFIED,
                                     .connection = effect->connection,
                                     .request = effect->request,
                                     .bytes = effect->bytes,
                                     .verdict = VERDICT_ACCEPTED,
                                     .grants = {everything, sizeof everything},
                                     .expires_ms = UINT64_MAX,
                                     .admin = effect->bytes.length >= 5 &&
                                              memcmp(effect->bytes.data, "admin", 5) == 0});
}

static bool ask(struct machine *machine, const struct hub_effect *effect)
{
    bool asked = true;
    enum failing_room left = failing_enter(ROOM_STORAGE);
    if (effect->kind == EFFECT_APPEND) {
        asked = storage_append(machine->storage, effect->bytes, machine->now_ms);
    } else if (effect->kind == EFFECT_STORE) {
        asked = storage_store(machine->storage, effect->bytes);
    } else if (effect->kind == EFFECT_LOAD) {
        asked = storage_load(machine->storage, effect->request, effect->bytes);
    } else if (effect->kind == EFFECT_SCRUB) {
        asked = storage_scrub(machine->storage, effect->request, effect->position);
    } else {
        storage_trim(machine->storage, effect->position);
    }
    (void)failing_enter(left);
    return asked;
}

/* Who asks too early, or while memory fails, is refused. */
static void take_values(struct machine *machine, const struct hub_effect *effect)
{
    bool refused = effect->code != 0;
    uint8_t first = effect->truncated ? '[' : '{';
    machine->values_answered++;
    if (effect->request == 0 || effect->request > machine->values_asked) {
        machine_violation(machine, "values that nobody has asked for");
    } else if (refused && failing_failed() == 0) {
        machine_violation(machine, "values are refused with code %d", effect->code);
    } else if (!refused && (effect->bytes.length < 2 || effect->bytes.data[0] != first)) {
        machine_violation(machine, "values that are none: %.*s", (int)effect->bytes.length,
                          (const char *)effect->bytes.data);
    }
    buffer_clear(&machine->values);
    if (!refused &&
        buffer_append(&machine->values, effect->bytes.data, effect->bytes.length) != PROTOCOL_OK) {
        abort();
    }
}

static void perform(struct machine *machine, const struct hub_effect *effect)
{
    struct machine_line *line = line_of(machine, effect->connection);
    switch (effect->kind) {
    case EFFECT_NONE:
        return;
    case EFFECT_CHANGED:
        step(machine, (struct hub_event){.kind = EVENT_VALUES,
                                         .request = ++machine->values_asked,
                                         .bytes = effect->bytes,
                                         .position = effect->position - 1,
                                         .limit = VALUES_BYTES});
        return;
    case EFFECT_VALUES:
        take_values(machine, effect);
        return;
    case EFFECT_ASK:
        step(machine, (struct hub_event){.kind = EVENT_ANSWER,
                                         .request = effect->request,
                                         .bytes = {nil, sizeof nil}});
        return;
    case EFFECT_SEND:
        if (line != NULL) {
            send(machine, line, effect);
        }
        return;
    case EFFECT_CLOSE:
        if (line != NULL) {
            line->closing = true;
        }
        return;
    case EFFECT_PAUSE:
    case EFFECT_RESUME:
        if (line != NULL) {
            line->paused = effect->kind == EFFECT_PAUSE;
        }
        return;
    case EFFECT_APPEND:
    case EFFECT_STORE:
    case EFFECT_LOAD:
    case EFFECT_TRIM:
    case EFFECT_SCRUB:
        machine->failed = machine->failed || !ask(machine, effect);
        return;
    case EFFECT_VERIFY:
        verify(machine, effect);
        return;
    case EFFECT_DAMAGED:
        machine_violation(machine, "the rows of %.*s make no sense", (int)effect->bytes.length,
                          (const char *)effect->bytes.data);
        return;
    }
}

/* --- events --- */

static void take(struct machine *machine, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = machine->now_ms;
    enum failing_room left = failing_enter(ROOM_HUB);
    enum hub_status status = hub_step(machine->hub, &event, &effects);
    (void)failing_enter(left);
    if (status != HUB_OK) {
        machine->failed = true;
        if (status != HUB_NO_MEMORY || failing_failed() == 0) {
            machine_violation(machine, "the hub fails: %s", hub_status_text(status));
        }
        return;
    }
    for (size_t i = 0; i < effects.length && !machine->failed; i++) {
        perform(machine, &effects.items[i]);
    }
    machine->more = effects.more;
    machine->wake_ms = effects.wake_ms;
}

/* A socket that is full is told of before all else, as in server/loop.c. */
static void queue(struct machine *machine, const struct hub_event *event)
{
    struct machine_event *queued = malloc(sizeof *queued + event->bytes.length);
    if (queued == NULL) {
        abort();
    }
    *queued = (struct machine_event){.event = *event};
    if (event->bytes.length > 0) {
        memcpy(queued->bytes, event->bytes.data, event->bytes.length);
    }
    queued->event.bytes.data = queued->bytes;
    if (event->kind == EVENT_BLOCKED || machine->first == NULL) {
        queued->next = machine->first;
        machine->last = machine->first == NULL ? queued : machine->last;
        machine->first = queued;
        return;
    }
    machine->last->next = queued;
    machine->last = queued;
}

static void step(struct machine *machine, struct hub_event event)
{
    queue(machine, &event);
    if (machine->stepping) {
        return;
    }
    machine->stepping = true;
    while (machine->first != NULL) {
        struct machine_event *taken = machine->first;
        machine->first = taken->next;
        machine->last = machine->first == NULL ? NULL : machine->last;
        if (!machine->failed && machine->hub != NULL) {
            take(machine, taken->event);
        }
        free(taken);
    }
    machine->stepping = false;
}

/* --- the storage's answers --- */

static bool work(struct machine *machine)
{
    enum failing_room left = failing_enter(ROOM_STORAGE);
    bool wrote = storage_write_some(machine->storage);
    bool read = storage_read_one(machine->storage);
    (void)failing_enter(left);
    return wrote || read;
}

static bool complete(struct machine *machine)
{
    static const enum hub_event_kind kinds[] = {
        [STORAGE_APPENDED] = EVENT_APPENDED, [STORAGE_APPEND_FAILED] = EVENT_APPEND_FAILED,
        [STORAGE_STORED] = EVENT_STORED,     [STORAGE_STORE_FAILED] = EVENT_STORE_FAILED,
        [STORAGE_LOADED] = EVENT_LOADED,     [STORAGE_LOAD_FAILED] = EVENT_LOAD_FAILED,
        [STORAGE_SCRUBBED] = EVENT_SCRUBBED, [STORAGE_SCRUB_FAILED] = EVENT_SCRUB_FAILED,
    };
    struct storage_completion done;
    if (!storage_poll(machine->storage, &done)) {
        return false;
    }
    if (done.kind == STORAGE_DECLARED || done.kind == STORAGE_DECLARE_FAILED) {
        machine->declared = done.kind == STORAGE_DECLARED ? DECLARED_YES : DECLARED_NO;
        storage_completion_finish(&done);
        return true;
    }
    bool failed = done.kind == STORAGE_APPEND_FAILED || done.kind == STORAGE_STORE_FAILED ||
                  done.kind == STORAGE_LOAD_FAILED;
    if (failed && (failing_failed() == 0 || done.text[0] == '\0')) {
        machine_violation(machine, "the storage fails without a cause: %s", done.text);
    }
    step(machine, (struct hub_event){.kind = kinds[done.kind],
                                     .position = done.position,
                                     .request = done.request,
                                     .bytes = done.bytes});
    storage_completion_finish(&done);
    return true;
}

/* --- life --- */

void machine_init(struct machine *machine, const char *path,
                  void (*declare)(struct schema_set *schemas))
{
    *machine = (struct machine){.now_ms = BEGIN_MS, .declare = declare};
    (void)snprintf(machine->path, sizeof machine->path, "%s", path);
    hub_config_init(&machine->config);
    buffer_init(&machine->values, SIZE_MAX / 2);
    for (size_t i = 0; i < MACHINE_LINES; i++) {
        buffer_init(&machine->lines[i].to_hub, SIZE_MAX / 2);
        buffer_init(&machine->lines[i].to_client, SIZE_MAX / 2);
    }
}

static void cut(struct machine_line *line)
{
    line->hub_is_there = line->blocked = line->paused = line->closing = false;
    buffer_clear(&line->to_hub);
}

static void end(struct machine *machine)
{
    enum failing_room left = failing_enter(ROOM_STORAGE);
    (void)storage_close(machine->storage);
    (void)failing_enter(ROOM_HUB);
    hub_destroy(machine->hub);
    (void)failing_enter(left);
    machine->storage = NULL;
    machine->hub = NULL;
    machine->failed = machine->more = false;
    machine->values_asked = machine->values_answered = 0;
    for (size_t i = 0; i < 2; i++) {
        schema_set_finish(&machine->schemas[i]);
        machine->schemas[i] = (struct schema_set){0};
    }
    for (size_t i = 0; i < MACHINE_LINES; i++) {
        cut(&machine->lines[i]);
    }
}

void machine_finish(struct machine *machine)
{
    end(machine);
    for (size_t i = 0; i < MACHINE_LINES; i++) {
        buffer_finish(&machine->lines[i].to_hub);
        buffer_finish(&machine->lines[i].to_client);
    }
    buffer_finish(&machine->values);
}

static int replay_batch(void *context, uint64_t position, struct bytes batch)
{
    struct machine *machine = context;
    enum failing_room left = failing_enter(ROOM_TEST);
    step(machine, (struct hub_event){.kind = EVENT_REPLAY, .position = position, .bytes = batch});
    (void)failing_enter(left);
    return machine->failed ? -1 : 0;
}

/* False: no memory, and `reason` says so. */
static bool open_all(struct machine *machine, char reason[STORAGE_ERROR_BYTES])
{
    struct storage_info info;
    struct hub_ancestor none = {0};
    struct schema_set *schemas = &machine->schemas[machine->current];
    machine->declare(schemas);
    machine->config.schemas = schemas;
    enum failing_room left = failing_enter(ROOM_STORAGE);
    bool opened = storage_open(&machine->storage, machine->path, true, schemas, reason);
    (void)failing_enter(left);
    if (!opened) {
        machine->storage = NULL;
        return false;
    }
    storage_info(machine->storage, &info);
    machine->config.journal = info.journal;
    machine->config.position = info.position;
    machine->config.ancestors = &none;
    assert(info.ancestor_count == 0); /* nothing was restored */
    (void)failing_enter(ROOM_HUB);
    machine->hub = hub_create(&machine->config);
    (void)failing_enter(ROOM_STORAGE);
    bool good =
        machine->hub != NULL && storage_replay(machine->storage, replay_batch, machine, reason);
    (void)failing_enter(left);
    if (machine->hub == NULL || machine->failed) {
        (void)snprintf(reason, STORAGE_ERROR_BYTES, "out of memory"); /* as server/serve.c says */
    }
    return good;
}

static bool replay(struct machine *machine)
{
    struct hub_stats stats;
    hub_stats(machine->hub, &stats);
    for (int i = 0; stats.replaying && !machine->failed && i < REPLAY_TURNS; i++) {
        if (!work(machine) && !complete(machine)) {
            machine_pass(machine, 1);
        }
        hub_stats(machine->hub, &stats);
    }
    if (stats.replaying && !machine->failed) {
        machine_violation(machine, "the replay does not end");
    }
    return !machine->failed;
}

bool machine_start(struct machine *machine)
{
    char reason[STORAGE_ERROR_BYTES] = "";
    uint64_t before = failing_failed();
    if (open_all(machine, reason) && replay(machine)) {
        return true;
    }
    if (failing_failed() == before || (!machine->failed && strstr(reason, "memory") == NULL)) {
        machine_violation(machine, "the hub does not start: %s", reason);
    }
    end(machine);
    machine->stops++;
    return false;
}

void machine_stop(struct machine *machine)
{
    step(machine, (struct hub_event){.kind = EVENT_DRAIN});
    while (machine->hub != NULL && !machine->failed && (work(machine) || complete(machine))) {
    }
    end(machine);
}

static void copy_file(const char *from, const char *to)
{
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX / 2);
    FILE *out = fopen(to, "wb");
    if (out == NULL || file_read(from, &bytes) != 0 ||
        fwrite(bytes.data, 1, bytes.length, out) != bytes.length || fclose(out) != 0) {
        abort();
    }
    buffer_finish(&bytes);
}

void machine_kill(struct machine *machine)
{
    char wal[80];
    char kept[80];
    char kept_wal[80];
    (void)snprintf(wal, sizeof wal, "%s-wal", machine->path);
    (void)snprintf(kept, sizeof kept, "%s.kept", machine->path);
    (void)snprintf(kept_wal, sizeof kept_wal, "%s.kept-wal", machine->path);
    copy_file(machine->path, kept);
    copy_file(wal, kept_wal);
    end(machine);
    if (rename(kept, machine->path) != 0 || rename(kept_wal, wal) != 0) {
        abort();
    }
}

/* --- from outside --- */

bool machine_is_answered(const struct machine *machine)
{
    return machine->values_answered == machine->values_asked;
}

/* False: the hub has stopped, or refused. */
static bool ask_values(struct machine *machine, const char *name)
{
    unsigned stops = machine->stops;
    struct bytes document = {(const uint8_t *)name, strlen(name)};
    step(machine, (struct hub_event){.kind = EVENT_VALUES,
                                     .request = ++machine->values_asked,
                                     .bytes = document,
                                     .whole = true,
                                     .limit = LIMIT_BODY_BYTES});
    while (!machine_is_answered(machine) && machine_turn(machine)) {
    }
    return machine->stops == stops && !machine->failed && machine_is_answered(machine) &&
           machine->values.length > 0;
}

void machine_values(struct machine *machine, const char *name, struct buffer *text)
{
    bool told = false;
    for (int i = 0; i < REPLAY_TURNS && !told && machine->violation[0] == '\0'; i++) {
        (void)machine_turn(machine);
        machine_pass(machine, 1);
        told = machine->hub != NULL && !machine->failed && machine_is_answered(machine) &&
               ask_values(machine, name);
    }
    if (!told || buffer_append(text, machine->values.data, machine->values.length) != PROTOCOL_OK ||
        buffer_append(text, "\n", 1) != PROTOCOL_OK) {
        machine_violation(machine, "nobody is told what stands in %s", name);
    }
}

/* False: the hub has stopped; or it does not settle. */
static bool settle(struct machine *machine, unsigned stops)
{
    for (int i = 0; i < RELOAD_TURNS && machine->stops == stops; i++) {
        if (machine->hub != NULL && !machine->failed && hub_settled(machine->hub)) {
            return true;
        }
        (void)machine_turn(machine);
        machine_pass(machine, 1);
    }
    if (machine->stops == stops) {
        machine_violation(machine, "the hub is held, and does not settle");
    }
    return false;
}

static bool declare_in_file(struct machine *machine, struct schema_set *next)
{
    unsigned stops = machine->stops;
    enum failing_room left = failing_enter(ROOM_STORAGE);
    machine->declared = DECLARED_NOT_YET;
    bool asked = storage_declare(machine->storage, next);
    (void)failing_enter(left);
    while (asked && machine->declared == DECLARED_NOT_YET && machine_turn(machine)) {
    }
    return asked && machine->stops == stops && machine->declared == DECLARED_YES;
}

/* As server/reload.c does it. False: not yet. */
static bool reload(struct machine *machine)
{
    unsigned stops = machine->stops;
    struct schema_set *next = &machine->schemas[1 - machine->current];
    struct hub_config config = machine->config;
    step(machine, (struct hub_event){.kind = EVENT_SETTLE});
    if (!settle(machine, stops)) {
        return false;
    }
    machine->declare(next);
    if (!declare_in_file(machine, next) || !settle(machine, stops)) {
        bool stopped = machine->stops != stops; /* then they have gone, with the hub */
        if (!stopped) {
            schema_set_finish(next);
            *next = (struct schema_set){0};
            step(machine, (struct hub_event){.kind = EVENT_GO_ON});
        }
        return stopped;
    }
    config.schemas = next;
    step(machine, (struct hub_event){.kind = EVENT_RECONFIGURE, .config = &config});
    if (!machine->failed) {
        schema_set_finish(&machine->schemas[machine->current]);
        machine->schemas[machine->current] = (struct schema_set){0};
        machine->current = 1 - machine->current;
        machine->config.schemas = next;
    }
    return true;
}

void machine_reload(struct machine *machine, void (*declare)(struct schema_set *schemas))
{
    uint64_t failed;
    unsigned stops = machine->stops;
    machine->declare = declare;
    do {
        failed = failing_failed();
        if (machine->stops != stops || machine->hub == NULL || machine->failed || reload(machine)) {
            return;
        }
    } while (failing_failed() != failed);
    machine_violation(machine, "other schemas are not taken, though memory does not fail");
}

/* --- the network --- */

size_t machine_connect(struct machine *machine)
{
    for (size_t i = 0; i < MACHINE_LINES && machine->hub != NULL; i++) {
        struct machine_line *line = &machine->lines[i];
        if (line->connection == 0) {
            line->connection = ++machine->connections;
            line->hub_is_there = true;
            step(machine,
                 (struct hub_event){.kind = EVENT_CONNECTED, .connection = line->connection});
            return i;
        }
    }
    return MACHINE_LINES;
}

void machine_say(struct machine *machine, size_t index, struct bytes message)
{
    if (machine->lines[index].hub_is_there) {
        push(&machine->lines[index].to_hub, message);
    }
}

bool machine_hear(struct machine *machine, size_t index, struct buffer *message)
{
    struct machine_line *line = &machine->lines[index];
    bool heard = pop(&line->to_client, message);
    if (line->blocked && line->to_client.length < SOCKET_BYTES / 2) {
        line->blocked = false;
        step(machine, (struct hub_event){.kind = EVENT_WRITABLE, .connection = line->connection});
    }
    return heard;
}

void machine_leave(struct machine *machine, size_t index)
{
    struct machine_line *line = &machine->lines[index];
    if (line->hub_is_there) {
        step(machine,
             (struct hub_event){.kind = EVENT_DISCONNECTED, .connection = line->connection});
    }
    cut(line);
    buffer_clear(&line->to_client);
    line->connection = 0;
}

static bool deliver(struct machine *machine, struct machine_line *line)
{
    struct buffer message;
    if (!line->hub_is_there || line->paused) {
        return false;
    }
    if (line->closing) {
        step(machine,
             (struct hub_event){.kind = EVENT_DISCONNECTED, .connection = line->connection});
        cut(line);
        return true;
    }
    buffer_init(&message, SIZE_MAX / 2);
    bool popped = pop(&line->to_hub, &message);
    if (popped) {
        step(machine, (struct hub_event){.kind = EVENT_RECEIVED,
                                         .connection = line->connection,
                                         .bytes = buffer_bytes(&message)});
    }
    buffer_finish(&message);
    return popped;
}

bool machine_turn(struct machine *machine)
{
    if (machine->failed) {
        end(machine);
        machine->stops++;
    }
    if (machine->hub == NULL) {
        return machine_start(machine);
    }
    bool busy = false;
    for (size_t i = 0; i < MACHINE_LINES && !machine->failed; i++) {
        busy = deliver(machine, &machine->lines[i]) || busy;
    }
    if (!machine->failed) {
        busy = work(machine) || busy;
        busy = complete(machine) || busy;
    }
    if (!machine->failed && (machine->more || machine->now_ms >= machine->wake_ms)) {
        step(machine, (struct hub_event){.kind = EVENT_TICK});
        busy = busy || machine->more;
    }
    return busy || machine->failed;
}

void machine_pass(struct machine *machine, uint64_t milliseconds)
{
    machine->now_ms += milliseconds;
    if (machine->hub != NULL && !machine->failed) {
        step(machine, (struct hub_event){.kind = EVENT_TICK});
    }
}
