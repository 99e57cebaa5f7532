#include "tests/support/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/packet.h"
#include "server/hub/access.h"
#include "server/hub/codes.h"
#include "server/storage/catalog.h"
#include "tests/support/declared.h"
#include "tests/support/json_packet.h"

enum { NOW_MS = 1000000000 };

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static _Noreturn void stop(const char *what)
{
    (void)fprintf(stderr, "world: %s\n", what);
    abort();
}

static void require(bool good, const char *what)
{
    if (!good) {
        stop(what);
    }
}

static void add_field(struct schema *schema, const char *name, const char *type, uint32_t number)
{
    struct schema_field *field = schema_add_field(schema, text_bytes(name));
    require(field != NULL, "no memory");
    declaration_init(&field->declared, protocol_codec_find(text_bytes(type)), false);
    field->number = number;
}

void world_init(struct world *world)
{
    *world = (struct world){.now_ms = NOW_MS};
    struct schema *schema = schema_set_add(&world->schemas, text_bytes("post"));
    require(schema != NULL, "no memory");
    add_field(schema, "likes", "g-counter", 0);
    add_field(schema, "stock", "pn-counter", 1);
    add_field(schema, "tags", "or-set", 2);
    hub_config_init(&world->config);
    world->config.schemas = &world->schemas;
    world->config.replica_ttl_ms = UINT64_MAX / 2;
    buffer_init(&world->appending, SIZE_MAX / 2);
    buffer_init(&world->storing, SIZE_MAX / 2);
    buffer_init(&world->verifying, SIZE_MAX / 2);
    buffer_init(&world->told, SIZE_MAX / 2);
    for (size_t i = 0; i < WORLD_CONNECTIONS; i++) {
        buffer_init(&world->connections[i].transcript, SIZE_MAX / 2);
        buffer_init(&world->connections[i].bytes, SIZE_MAX / 2);
    }
}

void world_declare(struct world *world, const char *schema, const char *field, const char *type,
                   const char *options)
{
    const struct schema *found = schema_find(&world->schemas, text_bytes(schema));
    struct schema *owner = found == NULL ? schema_set_add(&world->schemas, text_bytes(schema))
                                         : &world->schemas.schemas[found - world->schemas.schemas];
    require(owner != NULL, "no memory");
    struct schema_field *added = schema_add_field(owner, text_bytes(field));
    require(added != NULL, "no memory");
    added->declared = declared(type, options);
    added->number = (uint32_t)owner->length - 1;
}

void world_start(struct world *world)
{
    require(sqlite3_open(":memory:", &world->database) == SQLITE_OK &&
                database_exec(world->database, catalog_schema_sql) == SQLITE_OK,
            "no database");
    world->tables = tables_open_writer(world->database);
    world->hub = hub_create(&world->config);
    require(world->tables != NULL && world->hub != NULL, "no memory");
}

static void free_loads(struct world_load *loads, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        buffer_finish(&loads[i].bytes);
    }
    free(loads);
}

static void free_journal(struct world *world)
{
    for (size_t i = 0; i < world->journal_length; i++) {
        buffer_finish(&world->journal[i].bytes);
    }
    free(world->journal);
}

void world_finish(struct world *world)
{
    hub_destroy(world->hub);
    tables_close(world->tables);
    (void)sqlite3_close(world->database);
    free_journal(world);
    free_loads(world->loads, world->load_count);
    buffer_finish(&world->appending);
    buffer_finish(&world->storing);
    buffer_finish(&world->verifying);
    buffer_finish(&world->told);
    schema_set_finish(&world->schemas);
    for (size_t i = 0; i < WORLD_CONNECTIONS; i++) {
        buffer_finish(&world->connections[i].transcript);
        buffer_finish(&world->connections[i].bytes);
    }
}

static void keep_packets(struct world_connection *connection, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct writer writer = writer_to(&connection->transcript);
    require(buffer_append(&connection->bytes, message.data, message.length) == PROTOCOL_OK,
            "no memory");
    while (reader_ok(&reader) && reader.left.length > 0) {
        packet_write_json(&writer, read_raw(&reader));
        write_raw(&writer, text_bytes("\n"));
    }
    require(reader_ok(&reader) && writer.status == PROTOCOL_OK, "the hub sent a bad packet");
}

static void answer_load(struct world *world, uint64_t request, struct bytes bytes)
{
    struct buffer rows;
    buffer_init(&rows, SIZE_MAX / 2);
    require(tables_load(world->tables, bytes, &rows) == SQLITE_OK, "rows cannot be loaded");
    world_event(world, (struct hub_event){
                           .kind = EVENT_LOADED, .request = request, .bytes = buffer_bytes(&rows)});
    buffer_finish(&rows);
}

static void keep(struct buffer *buffer, struct bytes bytes)
{
    buffer_clear(buffer);
    require(buffer_append(buffer, bytes.data, bytes.length) == PROTOCOL_OK, "no memory");
}

/* A line for what is told to others than clients. */
__attribute__((format(printf, 2, 3))) static void tell(struct world *world, const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    require(length >= 0 && (size_t)length < sizeof line, "a line is too long for the test");
    require(buffer_append(&world->told, line, (size_t)length) == PROTOCOL_OK, "out of memory");
}

static void perform(struct world *world, const struct hub_effect *effect)
{
    struct world_connection *connection =
        &world->connections[effect->connection % WORLD_CONNECTIONS];
    switch (effect->kind) {
    case EFFECT_SEND:
        require(!connection->blocked, "the hub sent to a blocked connection");
        world->sent_bytes += effect->bytes.length;
        keep_packets(connection, effect->bytes);
        return;
    case EFFECT_CLOSE:
        connection->closed = effect->code;
        return;
    case EFFECT_PAUSE:
        connection->paused = true;
        return;
    case EFFECT_RESUME:
        connection->paused = false;
        return;
    case EFFECT_APPEND:
        require(!world->has_append, "two appends at once");
        world->has_append = true;
        keep(&world->appending, effect->bytes);
        return;
    case EFFECT_VERIFY:
        world->verify_connection = effect->connection;
        world->verify_request = effect->request;
        keep(&world->verifying, effect->bytes);
        return;
    case EFFECT_STORE:
        require(!world->has_store, "two stores at once");
        world->has_store = true;
        keep(&world->storing, effect->bytes);
        return;
    case EFFECT_SCRUB: /* these tests do not look at deleted bytes */
        world->scrub = effect->request;
        return;
    case EFFECT_TRIM:
        world->trimmed = effect->position;
        return;
    case EFFECT_DAMAGED:
        world->damaged++;
        return;
    case EFFECT_CHANGED:
        tell(world, "changed %.*s %" PRIu64 "\n", (int)effect->bytes.length,
             (const char *)effect->bytes.data, effect->position);
        return;
    case EFFECT_VALUES:
        tell(world, "values %" PRIu64 " %s %" PRIu64 " %s%.*s\n", effect->request,
             hub_code_name((enum hub_code)effect->code), effect->position,
             effect->truncated ? "truncated " : "", (int)effect->bytes.length,
             (const char *)effect->bytes.data);
        return;
    case EFFECT_ASK:
        world->asked = effect->request;
        tell(world, "ask %s %zu\n", effect->text, effect->bytes.length);
        return;
    case EFFECT_NONE:
    case EFFECT_LOAD:
        return;
    }
}

static void keep_loads(struct world *world, const struct hub_effects *effects)
{
    struct world_load *grown =
        realloc(world->loads, (world->load_count + effects->length + 1) * sizeof *grown);
    if (grown == NULL) {
        stop("no memory");
    }
    world->loads = grown;
    for (size_t i = 0; i < effects->length; i++) {
        if (effects->items[i].kind == EFFECT_LOAD) {
            struct world_load *load = &grown[world->load_count++];
            load->request = effects->items[i].request;
            buffer_init(&load->bytes, SIZE_MAX / 2);
            keep(&load->bytes, effects->items[i].bytes);
        }
    }
}

void world_load(struct world *world, bool good)
{
    struct world_load *loads = world->loads;
    size_t length = world->load_count;
    world->loads = NULL;
    world->load_count = 0;
    for (size_t i = 0; i < length; i++) {
        if (good) {
            answer_load(world, loads[i].request, buffer_bytes(&loads[i].bytes));
        } else {
            world_event(world,
                        (struct hub_event){.kind = EVENT_LOAD_FAILED, .request = loads[i].request});
        }
    }
    free_loads(loads, length);
}

void world_event(struct world *world, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = world->now_ms;
    event.now_us = world->now_us;
    require(hub_step(world->hub, &event, &effects) == HUB_OK, "the hub failed");
    for (size_t i = 0; i < effects.length; i++) {
        perform(world, &effects.items[i]);
    }
    hub_sent(world->hub, world->now_us + world->step_us);
    bool more = effects.more;
    world->wake_ms = effects.wake_ms;
    keep_loads(world, &effects);
    if (!world->holds_loads) {
        world_load(world, true);
    }
    if (!world->manual) {
        while (world_commit(world) || world_store(world)) {
        }
    }
    if (more) {
        world_event(world, (struct hub_event){.kind = EVENT_TICK});
    }
}

static void append(struct world *world, uint64_t position)
{
    struct world_batch *grown =
        realloc(world->journal, (world->journal_length + 1) * sizeof *grown);
    if (grown == NULL) {
        stop("no memory");
    }
    world->journal = grown;
    struct world_batch *batch = &grown[world->journal_length++];
    batch->position = position;
    buffer_init(&batch->bytes, SIZE_MAX / 2);
    keep(&batch->bytes, buffer_bytes(&world->appending));
}

bool world_commit(struct world *world)
{
    if (!world->has_append) {
        return false;
    }
    world->has_append = false;
    append(world, ++world->last_position);
    world_event(world,
                (struct hub_event){.kind = EVENT_APPENDED, .position = world->last_position});
    return true;
}

bool world_fail_append(struct world *world)
{
    bool had = world->has_append;
    world->has_append = false;
    if (had) {
        world_event(world, (struct hub_event){.kind = EVENT_APPEND_FAILED});
    }
    return had;
}

bool world_store(struct world *world)
{
    if (!world->has_store) {
        return false;
    }
    world->has_store = false;
    require(tables_store(world->tables, buffer_bytes(&world->storing)) == SQLITE_OK,
            "rows cannot be stored");
    world_event(world, (struct hub_event){.kind = EVENT_STORED});
    return true;
}

static void verified(struct world *world, struct hub_event event, const char *pattern,
                     unsigned rights)
{
    struct buffer grants;
    struct bytes name = text_bytes(pattern);
    bool prefix = name.length > 0 && name.data[name.length - 1] == '*';
    name.length -= prefix;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    struct writer writer = writer_to(&grants);
    access_grant(&writer, name, prefix, rights);
    require(world->verify_request != 0, "there is no token to look at");
    event.kind = EVENT_VERIFIED;
    event.connection = world->verify_connection;
    event.request = world->verify_request;
    event.grants = buffer_bytes(&grants);
    world->verify_request = 0;
    world_event(world, event);
    buffer_finish(&grants);
}

void world_verify(struct world *world, enum hub_verdict verdict, const char *principal,
                  uint64_t expires_ms)
{
    struct hub_event event = {
        .verdict = verdict,
        .bytes = text_bytes(principal),
        .expires_ms = expires_ms == UINT64_MAX ? UINT64_MAX : world->now_ms + expires_ms,
    };
    verified(world, event, "*", ACCESS_USE);
}

void world_verify_for(struct world *world, const char *principal, const char *pattern,
                      unsigned rights)
{
    struct hub_event event = {
        .verdict = VERDICT_ACCEPTED, .bytes = text_bytes(principal), .expires_ms = UINT64_MAX};
    verified(world, event, pattern, rights);
}

void world_crash(struct world *world)
{
    hub_destroy(world->hub);
    free_loads(world->loads, world->load_count);
    world->loads = NULL;
    world->load_count = 0;
    world->has_append = false;
    world->has_store = false;
    world->config.position = world->last_position;
    world->hub = hub_create(&world->config);
    require(world->hub != NULL, "no memory");
    for (size_t i = 0; i < WORLD_CONNECTIONS; i++) {
        world->connections[i].closed = 0;
        world->connections[i].paused = false;
        world->connections[i].blocked = false;
        buffer_clear(&world->connections[i].transcript);
    }
    for (size_t i = 0; i < world->journal_length; i++) {
        if (world->journal[i].position > world->trimmed) {
            world_event(world, (struct hub_event){.kind = EVENT_REPLAY,
                                                  .position = world->journal[i].position,
                                                  .bytes = buffer_bytes(&world->journal[i].bytes)});
        }
    }
}

void world_connect(struct world *world, uint64_t connection)
{
    struct world_connection *state = &world->connections[connection % WORLD_CONNECTIONS];
    state->closed = 0;
    state->paused = false;
    state->blocked = false;
    buffer_clear(&state->transcript);
    world_event(world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    world_send(world, connection, "[\"HELLO\",0,1,{}]");
    (void)world_read(world, connection);
}

void world_disconnect(struct world *world, uint64_t connection)
{
    world_event(world, (struct hub_event){.kind = EVENT_DISCONNECTED, .connection = connection});
}

void world_send_bytes(struct world *world, uint64_t connection, struct bytes bytes)
{
    world_event(world, (struct hub_event){
                           .kind = EVENT_RECEIVED, .connection = connection, .bytes = bytes});
}

void world_send(struct world *world, uint64_t connection, const char *json)
{
    struct buffer message;
    buffer_init(&message, SIZE_MAX / 2);
    struct writer writer = writer_to(&message);
    require(json_packet_write(&writer, json), json);
    world_send_bytes(world, connection, buffer_bytes(&message));
    buffer_finish(&message);
}

void world_tick(struct world *world, uint64_t milliseconds)
{
    world->now_ms += milliseconds;
    world_event(world, (struct hub_event){.kind = EVENT_TICK});
}

const char *world_read(struct world *world, uint64_t connection)
{
    struct buffer *transcript = &world->connections[connection % WORLD_CONNECTIONS].transcript;
    require(buffer_append(transcript, "", 1) == PROTOCOL_OK, "no memory");
    buffer_clear(transcript);
    return (const char *)transcript->data;
}

const char *world_told(struct world *world)
{
    require(buffer_append(&world->told, "", 1) == PROTOCOL_OK, "no memory");
    buffer_clear(&world->told);
    return (const char *)world->told.data;
}

const char *world_replica(unsigned number)
{
    static char texts[8][64];
    static unsigned next;
    char *text = texts[next++ % 8];
    uint8_t random[REPLICA_BYTES] = {0};
    random[15] = (uint8_t)number;
    random[14] = (uint8_t)(number >> 8);
    random[13] = (uint8_t)(number >> 16);
    struct replica_id id = replica_id_make(NOW_MS, random);
    size_t at = (size_t)snprintf(text, 64, "{\"$bytes\":\"");
    for (size_t i = 0; i < REPLICA_BYTES; i++) {
        at += (size_t)snprintf(text + at, 64 - at, "%02x", id.bytes[i]);
    }
    (void)snprintf(text + at, 64 - at, "\"}");
    return text;
}
