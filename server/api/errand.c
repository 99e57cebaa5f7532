/*
 * Errands: one request's way through the hub.
 *
 *     HELLO, CALL whoami -> CALL values -> answer                                   (GET)
 *                           CALL values -> [claim the key] -> OPEN -> DELTA -> ACK
 *                                       -> CALL values -> answer                    (PATCH, POST)
 *                           CALL values -> OPEN -> UPDATE -> CALL values ...        (watch)
 *
 * Before an edit its fields are looked at, so that what cannot be is refused before anything is
 * written; the update then names the position that it has seen. The stream starts there too, so the
 * hub sends no state that nobody reads.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/api/state.h"

enum { CALL_BYTES = 64 << 10 };

/* --- saying --- */

static void step(struct errand *errand, enum hub_event_kind kind, struct bytes bytes)
{
    struct api *api = errand->api;
    struct hub_event event = {.kind = kind, .connection = errand->connection, .bytes = bytes};
    api->config.step(api->config.context, &event);
}

/* The step may send at once, which the caller is not to notice: an errand is freed when all that
 * the hub has sent was looked at. */
void errand_say(struct errand *errand, struct bytes message)
{
    if (errand->over) {
        return;
    }
    if (!errand->paused) {
        step(errand, EVENT_RECEIVED, message);
    } else if (buffer_append(&errand->pending, message.data, message.length) != PROTOCOL_OK) {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
}

static void say_packet(struct errand *errand, const struct packet *packet)
{
    struct buffer buffer;
    buffer_init(&buffer, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&buffer);
    packet_write(&writer, packet);
    if (writer.status == PROTOCOL_OK) {
        errand_say(errand, buffer_bytes(&buffer));
    } else {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    buffer_finish(&buffer);
}

static void call(struct errand *errand, const char *method, struct writer *parameters)
{
    struct packet packet = {.kind = PACKET_CALL, .id = ++errand->last_id};
    packet.call.name = bytes_of_text(method);
    packet.call.value = buffer_bytes(parameters->buffer);
    if (parameters->status == PROTOCOL_OK) {
        say_packet(errand, &packet);
    } else {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
}

void errand_call_values(struct errand *errand, bool content, uint64_t after)
{
    struct buffer buffer;
    buffer_init(&buffer, CALL_BYTES);
    struct writer writer = writer_to(&buffer);
    bool all = errand->target.action == API_WATCH ||
               (errand->target.action == API_GET && errand->target.field[0] == '\0');
    write_map(&writer, all ? 3 : 4);
    write_text(&writer, "name");
    write_text(&writer, errand->target.document);
    write_text(&writer, "content");
    write_bool(&writer, content);
    write_text(&writer, "after");
    write_uint(&writer, after);
    if (!all) {
        write_text(&writer, "fields");
        edit_write_fields(errand, &writer);
    }
    call(errand, "values", &writer);
    buffer_finish(&buffer);
}

static void call_documents(struct errand *errand)
{
    const struct api_target *target = &errand->target;
    struct buffer buffer;
    buffer_init(&buffer, CALL_BYTES);
    struct writer writer = writer_to(&buffer);
    char first[LIMIT_SCHEMA_NAME_BYTES + 2] = "";
    if (target->schema[0] != '\0') {
        size_t length = strlen(target->schema);
        memcpy(first, target->schema, length);
        memcpy(first + length, "/", 2);
    }
    write_map(&writer, 2);
    write_text(&writer, "after");
    write_text(&writer, target->after[0] != '\0' ? target->after : first);
    write_text(&writer, "limit");
    write_uint(&writer, target->limit == 0 ? 100 : target->limit);
    call(errand, "documents", &writer);
    buffer_finish(&buffer);
}

static void call_plain(struct errand *errand, const char *method)
{
    uint8_t bytes[8];
    struct buffer buffer = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&buffer);
    write_map(&writer, 0);
    call(errand, method, &writer);
}

struct replica_id errand_make_replica(const struct errand *errand)
{
    const struct api_config *config = &errand->api->config;
    uint8_t random[REPLICA_BYTES];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        abort(); /* the kernel gives so few bytes once it has started */
    }
    return replica_id_make(config->now_ms(config->context), random);
}

void errand_open(struct errand *errand)
{
    uint8_t bytes[REPLICA_BYTES + 8];
    struct buffer buffer = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&buffer);
    write_array(&writer, 1);
    write_bin(&writer, replica_id_bytes(&errand->replica));
    errand->stage = STAGE_OPEN;
    errand->stream = ++errand->last_id;
    struct packet packet = {.kind = PACKET_OPEN, .id = errand->stream};
    packet.open = (struct packet_open){.name = bytes_of_text(errand->target.document),
                                       .replicas = buffer_bytes(&buffer),
                                       .journal = errand->journal,
                                       .position = errand->position,
                                       .has_cursor = true};
    say_packet(errand, &packet);
}

void errand_send_update(struct errand *errand)
{
    uint8_t bytes[64];
    struct buffer context = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&context);
    packet_write_context(&writer, errand->position, NULL, 0, NULL);
    errand->stage = STAGE_ACK;
    struct packet packet = {.kind = PACKET_DELTA, .id = errand->stream};
    packet.update = (struct packet_update){.replica = {.own = true},
                                           .first = 1,
                                           .last = 1,
                                           .context = buffer_bytes(&context),
                                           .fields = buffer_bytes(&errand->changes)};
    say_packet(errand, &packet);
}

/* --- what comes back --- */

static void answer_values(struct errand *errand, struct bytes result)
{
    uint64_t position = 0;
    struct buffer json;
    buffer_init(&json, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&json);
    if (answer_write_values(errand, result, &writer, &position)) {
        errand_answer(errand, buffer_bytes(&json), position);
    } else {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    buffer_finish(&json);
}

static void answer_list(struct errand *errand, struct bytes result)
{
    struct buffer json;
    buffer_init(&json, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&json);
    if (answer_write_list(result, errand->target.schema, &writer)) {
        errand_answer(errand, buffer_bytes(&json), UINT64_MAX);
    } else {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    buffer_finish(&json);
}

static void answer_description(struct errand *errand, struct bytes result)
{
    char *json = openapi_write(result);
    if (json == NULL) {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
        return;
    }
    errand_answer(errand, bytes_of_text(json), UINT64_MAX);
    free(json);
}

/* Who asks is known: on to what is asked for. */
static void greeted(struct errand *errand, struct bytes whoami)
{
    struct reader reader = reader_of(whoami);
    (void)read_map(&reader, LIMIT_OBJECTS);
    (void)read_string(&reader, LIMIT_TEXT_BYTES); /* `principal` comes first */
    struct bytes principal = {0};
    if (reader_peek(&reader) == READER_STRING) {
        principal = read_string(&reader, LIMIT_PRINCIPAL_BYTES);
    }
    if (principal.length > 0) {
        memcpy(errand->principal, principal.data, principal.length);
    }
    errand->stage = STAGE_VALUES;
    switch (errand->target.action) {
    case API_DESCRIBE:
        call_plain(errand, "schema");
        return;
    case API_LIST:
        call_documents(errand);
        return;
    case API_WATCH:
        watch_begin(errand);
        return;
    case API_GET:
        errand_call_values(errand, false, 0);
        return;
    case API_PATCH:
    case API_POST:
    case API_NOTHING:
        errand_call_values(errand, true, 0);
        return;
    }
}

static void values_told(struct errand *errand, struct bytes result)
{
    switch (errand->target.action) {
    case API_DESCRIBE:
        answer_description(errand, result);
        return;
    case API_LIST:
        answer_list(errand, result);
        return;
    case API_WATCH:
        watch_take_values(errand, result);
        return;
    case API_GET:
        answer_values(errand, result);
        return;
    case API_PATCH:
    case API_POST:
    case API_NOTHING:
        break;
    }
    if (!edit_prepare(errand, result)) {
        return;
    }
    errand->replica = errand_make_replica(errand);
    if (errand->key[0] != '\0') {
        key_claim(errand);
    } else {
        errand_open(errand);
    }
}

static void take_result(struct errand *errand, struct bytes value)
{
    switch (errand->stage) {
    case STAGE_HELLO:
        greeted(errand, value);
        return;
    case STAGE_VALUES:
        values_told(errand, value);
        return;
    case STAGE_RESULT:
        answer_values(errand, value);
        return;
    case STAGE_OPEN:
    case STAGE_WATCHING:
        watch_take_values(errand, value);
        return;
    case STAGE_CLAIM:
    case STAGE_ACK:
        return;
    }
}

/* Of a replica that only this request knows: once it has counted, it is not sent again. */
static void take_opened(struct errand *errand, const struct packet *packet)
{
    struct reader reader = reader_of(packet->opened.ledger);
    (void)read_array(&reader, 1);
    (void)read_tuple(&reader, 2);
    if (reader_peek(&reader) == READER_NIL) {
        read_nil(&reader);
    } else {
        (void)read_uint(&reader);
    }
    uint64_t seq = read_uint(&reader);
    if (errand->target.action == API_WATCH) {
        errand->stage = STAGE_WATCHING;
    } else if (seq >= 1) {
        errand->repeat = true;
        errand->acknowledged = true; /* a REJECT of it would follow in the same message */
    } else {
        errand_send_update(errand);
    }
}

static void take_number(struct errand *errand, enum packet_kind kind, int64_t id, uint64_t value)
{
    struct packet packet = {.kind = kind, .id = id, .number = {value}};
    say_packet(errand, &packet);
}

static void take_packet(struct errand *errand, const struct packet *packet)
{
    static const struct bytes none;
    switch (packet->kind) {
    case PACKET_WELCOME:
        errand->journal = packet->welcome.journal;
        if (packet->welcome.schema.length >= sizeof errand->schema) {
            memcpy(errand->schema, packet->welcome.schema.data, sizeof errand->schema);
        }
        errand->message_bytes = packet->welcome.message_bytes;
        return;
    case PACKET_RESULT:
        take_result(errand, packet->call.value);
        return;
    case PACKET_OPENED:
        take_opened(errand, packet);
        return;
    case PACKET_ACK:
        errand->acknowledged = errand->stage == STAGE_ACK;
        return;
    case PACKET_REJECT:
        errand_refuse_code(errand, packet->reject.code, packet->reject.text,
                           packet->reject.details);
        return;
    case PACKET_ERROR:
        errand_refuse_code(errand, packet->error.code, packet->error.text, packet->error.details);
        return;
    case PACKET_CLOSE:
        errand_refuse_code(errand, packet->error.code, packet->error.text, none);
        return;
    case PACKET_PING:
        take_number(errand, PACKET_PONG, 0, packet->number.value);
        break;
    case PACKET_CHUNK:
        take_number(errand, PACKET_CREDIT, packet->id, packet->chunk.bytes.length);
        return;
    default:
        break;
    }
    if (errand->target.action == API_WATCH) {
        watch_take_packet(errand, packet);
    }
}

static void take_message(struct errand *errand, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct packet packet;
    while (!errand->over && packet_read(&reader, &packet)) {
        take_packet(errand, &packet);
    }
    bool counted =
        errand->acknowledged && (errand->stage == STAGE_ACK || errand->stage == STAGE_OPEN);
    if (!errand->over && counted) {
        errand->stage = STAGE_RESULT;
        errand_call_values(errand, false, 0);
    }
}

/* What ERROR has not explained: the hub is full, stops, or took a packet for a mistake. */
static void take_close(struct errand *errand, const struct hub_effect *effect)
{
    errand_refuse(errand, PROBLEM_UNAVAILABLE, effect->text);
}

void errand_take(struct errand *errand, const struct hub_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_SEND:
        take_message(errand, effect->bytes);
        return;
    case EFFECT_CLOSE:
        take_close(errand, effect);
        return;
    case EFFECT_PAUSE:
        errand->paused = true;
        return;
    case EFFECT_RESUME:
        errand->paused = false;
        if (errand->pending.length > 0) {
            struct buffer said = errand->pending;
            buffer_init(&errand->pending, said.limit);
            errand_say(errand, buffer_bytes(&said));
            buffer_finish(&said);
        }
        return;
    default:
        return;
    }
}

/* --- the beginning --- */

void errand_hello(struct errand *errand, struct bytes token)
{
    struct buffer buffer;
    buffer_init(&buffer, 2 * LIMIT_TOKEN_BYTES);
    struct writer writer = writer_to(&buffer);
    struct packet hello = {.kind = PACKET_HELLO};
    hello.hello = (struct packet_hello){.version = PROTOCOL_VERSION,
                                        .token = token,
                                        .client = bytes_of_text(errand->request_id),
                                        .correlation = bytes_of_text(errand->request_id),
                                        .agent = bytes_of_text("http")};
    packet_write(&writer, &hello);
    bool good = writer.status == PROTOCOL_OK;
    step(errand, EVENT_CONNECTED, (struct bytes){0});
    if (good) {
        errand_say(errand, buffer_bytes(&buffer));
        call_plain(errand, "whoami");
    } else {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    buffer_finish(&buffer);
}
