#include "tests/fuzz/served.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/grammar.h"
#include "tests/support/declared.h"
#include "tests/support/json_packet.h"

enum { NOW_MS = 1700000000 };

static void step(struct served *served, struct hub_event event);

static void report(struct served *served, const char *text)
{
    if (served->report[0] == '\0') {
        (void)snprintf(served->report, sizeof served->report, "%s", text);
    }
}

static void report_damage(struct served *served, const struct hub_effect *effect)
{
    char text[STORAGE_ERROR_BYTES];
    (void)snprintf(text, sizeof text, "document %.*s: table %s, position %" PRIu64,
                   (int)effect->bytes.length, (const char *)effect->bytes.data, effect->text,
                   effect->position);
    report(served, text);
}

static void perform(struct served *served, const struct hub_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_SEND:
        FUZZ_REQUIRE(buffer_append(&served->sent, effect->bytes.data, effect->bytes.length) ==
                     PROTOCOL_OK);
        return;
    case EFFECT_CLOSE:
        served->connected = false;
        return;
    case EFFECT_APPEND:
        FUZZ_REQUIRE(storage_append(served->storage, effect->bytes, served->now_ms));
        return;
    case EFFECT_LOAD:
        FUZZ_REQUIRE(storage_load(served->storage, effect->request, effect->bytes));
        return;
    case EFFECT_STORE:
        FUZZ_REQUIRE(storage_store(served->storage, effect->bytes));
        return;
    case EFFECT_SCRUB:
        served->failed =
            !storage_scrub(served->storage, effect->request, effect->position) || served->failed;
        return;
    case EFFECT_TRIM:
        storage_trim(served->storage, effect->position);
        return;
    case EFFECT_DAMAGED:
        report_damage(served, effect);
        return;
    case EFFECT_NONE:
    case EFFECT_PAUSE:
    case EFFECT_RESUME:
    case EFFECT_VERIFY:
    case EFFECT_CHANGED:
    case EFFECT_VALUES:
    case EFFECT_ASK:
        return;
    }
}

static void complete(struct served *served, const struct storage_completion *completion)
{
    static const enum hub_event_kind kinds[] = {
        [STORAGE_APPENDED] = EVENT_APPENDED, [STORAGE_APPEND_FAILED] = EVENT_APPEND_FAILED,
        [STORAGE_STORED] = EVENT_STORED,     [STORAGE_STORE_FAILED] = EVENT_STORE_FAILED,
        [STORAGE_LOADED] = EVENT_LOADED,     [STORAGE_LOAD_FAILED] = EVENT_LOAD_FAILED,
        [STORAGE_SCRUBBED] = EVENT_SCRUBBED, [STORAGE_SCRUB_FAILED] = EVENT_SCRUB_FAILED,
    };
    if (completion->text[0] != '\0') {
        report(served, completion->text);
    }
    step(served, (struct hub_event){.kind = kinds[completion->kind],
                                    .position = completion->position,
                                    .request = completion->request,
                                    .bytes = completion->bytes});
}

/* What was asked of the storage, until nothing is. */
static void work(struct served *served)
{
    struct storage_completion completion;
    bool worked = true;
    while (worked && !served->failed) {
        worked = storage_write_some(served->storage);
        worked = storage_read_one(served->storage) || worked;
        while (storage_poll(served->storage, &completion)) {
            complete(served, &completion);
            storage_completion_finish(&completion);
            worked = true;
        }
    }
}

static void step(struct served *served, struct hub_event event)
{
    struct hub_effects effects;
    if (served->failed) {
        return;
    }
    event.now_ms = served->now_ms;
    event.connection = event.connection == 0 ? 0 : 1;
    enum hub_status status = hub_step(served->hub, &event, &effects);
    if (status != HUB_OK) {
        FUZZ_REQUIRE(status != HUB_NO_MEMORY);
        served->failed = true;
    }
    for (size_t i = 0; i < effects.length; i++) {
        if (!served->failed || effects.items[i].kind == EFFECT_DAMAGED) {
            perform(served, &effects.items[i]);
        }
    }
    if (served->failed) {
        report(served, hub_status_text(status));
        return;
    }
    if (effects.more) {
        step(served, (struct hub_event){.kind = EVENT_TICK});
    }
}

static int on_batch(void *context, uint64_t position, struct bytes batch)
{
    struct served *served = context;
    step(served, (struct hub_event){.kind = EVENT_REPLAY, .position = position, .bytes = batch});
    return served->failed ? -1 : 0;
}

static void declare(struct schema_set *schemas)
{
    struct schema *schema =
        schema_set_add(schemas, (struct bytes){(const uint8_t *)"all", strlen("all")});
    for (size_t i = 0; schema != NULL && i < GRAMMAR_FIELDS; i++) {
        struct bytes name = {(const uint8_t *)grammar_fields[i].name,
                             strlen(grammar_fields[i].name)};
        struct schema_field *field = schema_add_field(schema, name);
        FUZZ_REQUIRE(field != NULL);
        field->declared = declared(grammar_fields[i].type, grammar_fields[i].options);
    }
    FUZZ_REQUIRE(schema != NULL);
}

static bool open_hub(struct served *served)
{
    struct storage_info info;
    struct hub_config config;
    storage_info(served->storage, &info);
    hub_config_init(&config);
    config.schemas = &served->schemas;
    config.journal = info.journal;
    config.position = info.position;
    config.ancestors = (const struct hub_ancestor *)(const void *)info.ancestors;
    config.ancestor_count = info.ancestor_count;
    config.operators = true;
    config.ping_ms = UINT64_MAX / 4;
    config.replica_ttl_ms = UINT64_MAX / 2;
    served->hub = hub_create(&config);
    return served->hub != NULL;
}

static bool replay(struct served *served)
{
    char error[STORAGE_ERROR_BYTES] = "";
    if (!storage_replay(served->storage, on_batch, served, error)) {
        served->report[0] = '\0'; /* it says more than the hub has said */
        report(served, error);
        return false;
    }
    work(served);
    return !served->failed;
}

bool served_open(struct served *served, const char *path)
{
    char error[STORAGE_ERROR_BYTES] = "";
    *served = (struct served){.now_ms = NOW_MS};
    buffer_init(&served->sent, LIMIT_BODY_BYTES);
    declare(&served->schemas);
    if (!storage_open(&served->storage, path, false, &served->schemas, error)) {
        report(served, error);
        return false;
    }
    FUZZ_REQUIRE(open_hub(served));
    if (!replay(served)) {
        return false;
    }
    served->connected = true;
    step(served, (struct hub_event){.kind = EVENT_CONNECTED, .connection = 1});
    (void)served_say(served, "[\"HELLO\",0,1,{}]");
    return !served->failed;
}

static void drain(struct served *served)
{
    struct hub_stats stats = {0};
    step(served, (struct hub_event){.kind = EVENT_DRAIN});
    for (size_t i = 0; i < 16 && !served->failed && !stats.drained; i++) {
        work(served);
        served_tick(served, 1000);
        hub_stats(served->hub, &stats);
    }
    FUZZ_REQUIRE(served->failed || stats.drained);
}

void served_close(struct served *served, bool clean)
{
    if (clean && served->hub != NULL) {
        drain(served);
    }
    hub_destroy(served->hub);
    (void)storage_close(served->storage);
    schema_set_finish(&served->schemas);
    buffer_finish(&served->sent);
}

struct bytes served_say(struct served *served, const char *json)
{
    struct buffer message;
    buffer_init(&message, LIMIT_MESSAGE_BYTES);
    buffer_clear(&served->sent);
    struct writer writer = writer_to(&message);
    FUZZ_REQUIRE(json_packet_write(&writer, json));
    if (served->connected) {
        step(served, (struct hub_event){
                         .kind = EVENT_RECEIVED, .connection = 1, .bytes = buffer_bytes(&message)});
        work(served);
    }
    buffer_finish(&message);
    return buffer_bytes(&served->sent);
}

void served_tick(struct served *served, uint64_t milliseconds)
{
    served->now_ms += milliseconds;
    step(served, (struct hub_event){.kind = EVENT_TICK});
    work(served);
}
