/*
 * CALL `values`: what stands in a document's fields, for who wants no copy of its state: the HTTP
 * API, and whoever looks once. The document comes from the database on demand, as for OPEN, and by
 * the same rights. And CALL `whoami`.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

enum {
    BUSY_RETRY_MS = 1000,
    ANSWER_BYTES_MAX = 3 << 20 /* less than a connection's answers may take together */
};

struct value_call {
    struct waiter waiter;
    uint64_t connection; /* it may be gone by then */
    int64_t id;
    uint64_t after;
    bool content;         /* as in a SNAPSHOT, not as JSON */
    struct buffer wanted; /* raw list of fields' names; empty: all */
};

/* --- parameters --- */

struct parameters {
    struct bytes name;
    uint64_t after;
    bool content;
    struct bytes wanted;
};

static bool is_key(struct bytes key, const char *name)
{
    return key.length == strlen(name) && memcmp(key.data, name, key.length) == 0;
}

static bool read_parameters(struct bytes raw, struct parameters *parameters)
{
    struct reader reader = reader_of(raw);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes key = read_string(&reader, LIMIT_TEXT_BYTES);
        if (is_key(key, "name")) {
            parameters->name = read_string(&reader, LIMIT_DOCUMENT_NAME_BYTES);
        } else if (is_key(key, "after")) {
            parameters->after = read_uint(&reader);
        } else if (is_key(key, "content")) {
            parameters->content = read_bool(&reader);
        } else if (is_key(key, "fields")) {
            parameters->wanted = read_raw(&reader);
        } else {
            reader_skip(&reader, 1);
        }
    }
    return reader_ok(&reader);
}

static bool is_wanted(struct bytes wanted, const struct schema_field *field)
{
    struct reader reader = reader_of(wanted);
    size_t length = wanted.length == 0 ? 0 : read_array(&reader, LIMIT_FIELDS);
    bool found = wanted.length == 0;
    for (size_t i = 0; i < length && !found; i++) {
        found = is_key(read_string(&reader, LIMIT_SCHEMA_NAME_BYTES), field->name);
    }
    return found;
}

/* CODE_NONE: each is a field's name. */
static enum hub_code check_wanted(struct bytes wanted, const struct schema *schema)
{
    struct reader reader = reader_of(wanted);
    size_t length = wanted.length == 0 ? 0 : read_array(&reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes name = read_string(&reader, LIMIT_SCHEMA_NAME_BYTES);
        if (reader_ok(&reader) && schema_field_by_name(schema, name) == NULL) {
            return CODE_UNKNOWN_FIELD;
        }
    }
    return wanted.length == 0 || reader_ok(&reader) ? CODE_NONE : CODE_BAD_PARAMETERS;
}

/* --- the answer --- */

static void write_value(struct writer *writer, const struct schema_field *declared,
                        const struct crdt_field *field, bool content)
{
    const struct protocol_codec *codec = declared->declared.codec;
    if (content) {
        codec->write_content(writer, field, 0);
        return;
    }
    struct buffer json;
    buffer_init(&json, ANSWER_BYTES_MAX);
    struct writer text = writer_to(&json);
    codec->write_json(&text, field);
    write_string(writer, buffer_bytes(&json));
    writer->status = writer->status == PROTOCOL_OK ? text.status : writer->status;
    buffer_finish(&json);
}

static bool is_told(const struct value_call *call, size_t index)
{
    const struct document *document = call->waiter.document;
    bool changed = call->after == 0 || document->fields[index]->position > call->after;
    return changed && is_wanted(buffer_bytes(&call->wanted), &document->schema->fields[index]);
}

static void write_values(struct writer *writer, const struct value_call *call)
{
    const struct document *document = call->waiter.document;
    size_t told = 0;
    for (size_t i = 0; i < document->schema->length; i++) {
        told += is_told(call, i);
    }
    write_map(writer, 2);
    write_text(writer, "position");
    write_wide(writer, (int64_t)document->position);
    write_text(writer, "fields");
    write_array(writer, told);
    for (size_t i = 0; i < document->schema->length; i++) {
        const struct schema_field *field = &document->schema->fields[i];
        if (is_told(call, i)) {
            write_array(writer, 6);
            write_uint(writer, field->number);
            write_text(writer, field->name);
            declaration_write(writer, &field->declared);
            write_wide(writer, (int64_t)document->fields[i]->position);
            write_value(writer, field, document->fields[i], call->content);
        }
    }
}

static void send(struct hub *hub, struct connection *connection, int64_t id,
                 const struct writer *writer)
{
    struct packet packet = {.kind = PACKET_RESULT, .id = id};
    if (writer->status == PROTOCOL_NO_MEMORY) {
        connection_error(hub, connection, id, CODE_BUSY, BUSY_RETRY_MS);
    } else if (writer->status != PROTOCOL_OK || hub->scratch.length > ANSWER_BYTES_MAX) {
        connection_error(hub, connection, id, CODE_TOO_LARGE, 0);
    } else {
        packet.call.value = buffer_bytes(&hub->scratch);
        connection_answer(hub, connection, &packet);
    }
}

static void answer(struct hub *hub, struct waiter *waiter)
{
    const struct value_call *call = CONTAINER(waiter, struct value_call, waiter);
    struct connection *connection = connection_find(hub, call->connection);
    if (connection != NULL && waiter->document->ready) {
        buffer_clear(&hub->scratch);
        struct writer writer = writer_to(&hub->scratch);
        write_values(&writer, call);
        send(hub, connection, call->id, &writer);
    } else if (connection != NULL) {
        connection_error(hub, connection, call->id, CODE_UNAVAILABLE, 0);
    }
}

/* --- the way to the rows --- */

static void destroy(struct hub *hub, struct waiter *waiter)
{
    struct value_call *call = CONTAINER(waiter, struct value_call, waiter);
    hub->value_calls--;
    buffer_finish(&call->wanted);
    free(call);
}

/* NULL: no memory. */
static struct value_call *create(struct hub *hub, const struct connection *connection, int64_t id,
                                 const struct parameters *parameters)
{
    struct value_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    *call = (struct value_call){.waiter = {.ready = answer, .destroy = destroy},
                                .connection = connection->id,
                                .id = id,
                                .after = parameters->after,
                                .content = parameters->content};
    buffer_init(&call->wanted, parameters->wanted.length);
    if (buffer_append(&call->wanted, parameters->wanted.data, parameters->wanted.length) !=
        PROTOCOL_OK) {
        free(call);
        return NULL;
    }
    hub->value_calls++;
    return call;
}

static bool is_busy(struct hub *hub, const struct connection *connection)
{
    bool busy = hub->value_calls >= LIMIT_VALUE_CALLS;
    if (busy) {
        limit_hit(hub, connection, HUB_LIMIT_VALUE_CALLS);
    }
    return busy;
}

static void call_values(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    struct parameters parameters = {.name = {0}};
    if (!read_parameters(packet->call.value, &parameters)) {
        connection_error(hub, connection, packet->id, CODE_BAD_PARAMETERS, 0);
        return;
    }
    struct packet open = {.kind = PACKET_OPEN, .id = packet->id, .open = {.name = parameters.name}};
    struct document *document = stream_document(hub, connection, &open);
    if (document == NULL) {
        return;
    }
    document_pin(document);
    enum hub_code code = check_wanted(parameters.wanted, document->schema);
    struct value_call *call = code == CODE_NONE && !is_busy(hub, connection)
                                  ? create(hub, connection, packet->id, &parameters)
                                  : NULL;
    if (call != NULL) {
        waiter_begin(hub, &call->waiter, document);
    } else if (code != CODE_NONE) {
        connection_error(hub, connection, packet->id, code, 0);
    } else {
        connection_error(hub, connection, packet->id, CODE_BUSY, BUSY_RETRY_MS);
    }
    document_unpin(hub, document);
}

/* --- who asks --- */

static void call_whoami(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    buffer_clear(&hub->scratch);
    struct writer writer = writer_to(&hub->scratch);
    struct bytes principal = buffer_bytes(&connection->token.principal);
    write_map(&writer, 2);
    write_text(&writer, "principal");
    if (principal.length == 0) {
        write_nil(&writer);
    } else {
        write_string(&writer, principal);
    }
    write_text(&writer, "admin");
    write_bool(&writer, connection->admin);
    send(hub, connection, packet->id, &writer);
}

bool values_call(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    if (is_key(packet->call.name, "values")) {
        call_values(hub, connection, packet);
        return true;
    }
    if (is_key(packet->call.name, "whoami")) {
        call_whoami(hub, connection, packet);
        return true;
    }
    return false;
}
