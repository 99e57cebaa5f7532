#include "tests/simulation/host.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"
#include "tests/simulation/host_network.h"
#include "tests/simulation/memory.h"
#include "tests/simulation/reload.h"

/* Seconds behind which UUIDs and clocks make sense. */
static const uint64_t BEGIN_MS = 1700000000000;

void host_tell(const struct host *host, const char *format, ...)
{
    va_list arguments;
    if (host->out == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)fputs("            ", host->out);
    (void)vfprintf(host->out, format, arguments);
    (void)fputc('\n', host->out);
    va_end(arguments);
}

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

void host_init(struct host *host, const char *path,
               void (*declare)(struct schema_set *schemas, bool longer))
{
    *host = (struct host){.now_ms = BEGIN_MS, .declare = declare};
    (void)snprintf(host->path, sizeof host->path, "%s", path);
    hub_config_init(&host->config);
    host->config.schemas = &host->schemas[0];
    buffer_init(&host->batch, LIMIT_BODY_BYTES);
}

static int replay_batch(void *context, uint64_t position, struct bytes batch)
{
    struct host *host = context;
    bool before = memory_inside(false); /* the storage calls from within */
    host->journaled(host->context, position, batch);
    host_step(host, (struct hub_event){.kind = EVENT_REPLAY, .position = position, .bytes = batch});
    (void)memory_inside(before);
    return host->violation[0] == '\0' && !host->failed ? 0 : -1;
}

static bool replay(struct host *host, char reason[STORAGE_ERROR_BYTES])
{
    struct hub_stats stats;
    bool before = memory_inside(true);
    bool replayed = storage_replay(host->storage, replay_batch, host, reason);
    (void)memory_inside(before);
    if (!replayed) {
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

static bool open_storage(struct host *host, char reason[STORAGE_ERROR_BYTES])
{
    struct storage_info info;
    schema_set_finish(host->config.schemas);
    host->declare(host->config.schemas, host->longer);
    bool before = memory_inside(true);
    bool opened = storage_open(&host->storage, host->path, host->config.relaxed,
                               host->config.schemas, reason);
    (void)memory_inside(before);
    if (opened) {
        storage_info(host->storage, &info);
        host->opened(host->context, &info);
    }
    return opened;
}

static struct hub_ancestor *copy_ancestors(const struct storage_info *info)
{
    struct hub_ancestor *copy = disk_allocate((info->ancestor_count + 1) * sizeof *copy);
    for (size_t i = 0; i < info->ancestor_count; i++) {
        copy[i] = (struct hub_ancestor){info->ancestors[i].journal, info->ancestors[i].position};
    }
    return copy;
}

static void create_hub(struct host *host, uint64_t seed)
{
    struct storage_info info;
    storage_info(host->storage, &info);
    struct hub_ancestor *ancestors = copy_ancestors(&info);
    host->config.journal = info.journal;
    host->config.position = info.position;
    host->config.ancestors = ancestors;
    host->config.ancestor_count = info.ancestor_count;
    host->config.seed = seed;
    bool before = memory_inside(true);
    host->hub = hub_create(&host->config);
    (void)memory_inside(before);
    host->config.ancestors = NULL;
    free(ancestors);
}

bool host_start(struct host *host, uint64_t seed, char reason[STORAGE_ERROR_BYTES])
{
    if (!open_storage(host, reason)) {
        return false;
    }
    create_hub(host, seed);
    if (host->hub == NULL) {
        (void)snprintf(reason, STORAGE_ERROR_BYTES, "there is no memory for the hub");
        return false;
    }
    return replay(host, reason);
}

void host_kill(struct host *host)
{
    disk_cut();
    bool before = memory_inside(true);
    hub_destroy(host->hub);
    (void)storage_close(host->storage);
    (void)memory_inside(before);
    host->hub = NULL;
    host->storage = NULL;
    if (memory_held() != 0) {
        host_violation(host, "the hub's process leaves %zu bytes behind", memory_held());
    }
    host->appending = host->storing = host->more = host->failed = false;
    host->reload = RELOAD_NONE;
    for (size_t i = 0; i < HOST_WIRES; i++) {
        host_end_wire(&host->wires[i]);
    }
}

void host_finish(struct host *host)
{
    host_kill(host);
    for (size_t i = 0; i < HOST_WIRES; i++) {
        host->wires[i].client_is_there = false;
        host_end_wire(&host->wires[i]);
    }
    schema_set_finish(&host->schemas[0]);
    schema_set_finish(&host->schemas[1]);
    buffer_finish(&host->batch);
}

/* --- the storage --- */

bool host_write(struct host *host)
{
    bool before = memory_inside(true);
    bool written = host->hub != NULL && storage_write_some(host->storage);
    (void)memory_inside(before);
    return written;
}

bool host_read(struct host *host)
{
    bool before = memory_inside(true);
    bool read = host->hub != NULL && storage_read_one(host->storage);
    (void)memory_inside(before);
    return read;
}

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
    case STORAGE_SCRUBBED:
        return EVENT_SCRUBBED;
    case STORAGE_SCRUB_FAILED:
        return EVENT_SCRUB_FAILED;
    case STORAGE_LOAD_FAILED:
        return EVENT_LOAD_FAILED;
    case STORAGE_KEPT:
    case STORAGE_KEEP_FAILED:
    case STORAGE_CLAIMED:
    case STORAGE_CLAIM_FAILED:
    case STORAGE_DECLARED:
    case STORAGE_DECLARE_FAILED:
        break; /* nobody has asked */
    }
    abort();
}

bool host_complete(struct host *host)
{
    struct storage_completion completion;
    bool before = memory_inside(true);
    bool polled = host->hub != NULL && storage_poll(host->storage, &completion);
    (void)memory_inside(before);
    if (!polled) {
        return false;
    }
    if (completion.kind == STORAGE_DECLARED || completion.kind == STORAGE_DECLARE_FAILED) {
        reload_declared(host, &completion);
        before = memory_inside(true);
        storage_completion_finish(&completion);
        (void)memory_inside(before);
        return true;
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
    host_step(host, event);
    before = memory_inside(true);
    storage_completion_finish(&completion);
    (void)memory_inside(before);
    return true;
}

bool host_tick(struct host *host, uint64_t milliseconds)
{
    host->now_ms += milliseconds;
    bool due = host->hub != NULL && (host->more || host->now_ms >= host->wake_ms);
    if (due) {
        host_step(host, (struct hub_event){.kind = EVENT_TICK});
    }
    return due;
}
