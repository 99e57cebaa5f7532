#include "tests/memory/machine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "tests/memory/failing.h"
#include "tests/memory/machine_parts.h"

enum { REPLAY_TURNS = 10000 };

/* Behind it clocks and UUIDs make sense. */
static const uint64_t BEGIN_MS = 1700000000000;

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
    machine_step(machine, (struct hub_event){.kind = kinds[done.kind],
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
        machine_cut(&machine->lines[i]);
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
    machine_step(machine,
                 (struct hub_event){.kind = EVENT_REPLAY, .position = position, .bytes = batch});
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
    machine_step(machine, (struct hub_event){.kind = EVENT_DRAIN});
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

/* --- turns --- */

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
        busy = machine_deliver(machine, &machine->lines[i]) || busy;
    }
    if (!machine->failed) {
        busy = work(machine) || busy;
        busy = complete(machine) || busy;
    }
    if (!machine->failed && (machine->more || machine->now_ms >= machine->wake_ms)) {
        machine_step(machine, (struct hub_event){.kind = EVENT_TICK});
        busy = busy || machine->more;
    }
    return busy || machine->failed;
}

void machine_pass(struct machine *machine, uint64_t milliseconds)
{
    machine->now_ms += milliseconds;
    if (machine->hub != NULL && !machine->failed) {
        machine_step(machine, (struct hub_event){.kind = EVENT_TICK});
    }
}
