/*
 * CALL `values`: what stands in a document's fields, for who wants no copy of its state: the HTTP
 * API, and whoever looks once. The document comes from the database on demand, as for OPEN, and by
 * the same rights. And CALL `whoami`.
 */
#include <stdlib.h>
#include <string.h>

#include "server/hub/state.h"

enum {
    BUSY_RETRY_MS = 1000,
    ANSWER_BYTES_MAX = 3 << 20 /* less than a connection's answers may take together */
};

/* A call that waits for its document's rows, or is answered at once. */
struct values_request {
    struct values_request *next;
    uint64_t connection;
    int64_t id;
    uint64_t load; /* its number */
    uint64_t after;
    bool content;         /* as in a SNAPSHOT, not as JSON */
    struct buffer wanted; /* raw list of fields' names; empty: all */
    struct document *document;
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

static bool is_told(const struct values_request *request, size_t index)
{
    const struct document *document = request->document;
    bool changed = request->after == 0 || document->fields[index]->position > request->after;
    return changed && is_wanted(buffer_bytes(&request->wanted), &document->schema->fields[index]);
}

static void write_values(struct writer *writer, const struct values_request *request)
{
    const struct document *document = request->document;
    size_t told = 0;
    for (size_t i = 0; i < document->schema->length; i++) {
        told += is_told(request, i);
    }
    write_map(writer, 2);
    write_text(writer, "position");
    write_wide(writer, (int64_t)document->position);
    write_text(writer, "fields");
    write_array(writer, told);
    for (size_t i = 0; i < document->schema->length; i++) {
        const struct schema_field *field = &document->schema->fields[i];
        if (is_told(request, i)) {
            write_array(writer, 6);
            write_uint(writer, field->number);
            write_text(writer, field->name);
            declaration_write(writer, &field->declared);
            write_wide(writer, (int64_t)document->fields[i]->position);
            write_value(writer, field, document->fields[i], request->content);
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

static void finish(struct hub *hub, struct values_request *request)
{
    struct connection *connection = connection_find(hub, request->connection);
    if (connection != NULL && request->document->ready) {
        buffer_clear(&hub->scratch);
        struct writer writer = writer_to(&hub->scratch);
        write_values(&writer, request);
        send(hub, connection, request->id, &writer);
    } else if (connection != NULL) {
        connection_error(hub, connection, request->id, CODE_UNAVAILABLE, 0);
    }
    document_unpin(hub, request->document);
    buffer_finish(&request->wanted);
    free(request);
}

/* --- the way to the rows --- */

static struct values_request *begin(struct hub *hub, struct connection *connection, int64_t id,
                                    const struct parameters *parameters)
{
    struct values_request *request =
        hub->values_request_count < LIMIT_VALUE_CALLS ? calloc(1, sizeof *request) : NULL;
    if (request == NULL) {
        return NULL;
    }
    *request = (struct values_request){.connection = connection->id,
                                       .id = id,
                                       .after = parameters->after,
                                       .content = parameters->content};
    buffer_init(&request->wanted, parameters->wanted.length);
    if (buffer_append(&request->wanted, parameters->wanted.data, parameters->wanted.length) !=
        PROTOCOL_OK) {
        free(request);
        return NULL;
    }
    return request;
}

static void wait_for(struct hub *hub, struct values_request *request, const struct load *load)
{
    request->load = load->request;
    request->next = hub->values_requests;
    hub->values_requests = request;
    hub->values_request_count++;
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
    struct values_request *request =
        code == CODE_NONE ? begin(hub, connection, packet->id, &parameters) : NULL;
    if (request == NULL) {
        code = code == CODE_NONE ? CODE_BUSY : code;
        connection_error(hub, connection, packet->id, code, code == CODE_BUSY ? BUSY_RETRY_MS : 0);
        document_unpin(hub, document);
        return;
    }
    request->document = document;
    const struct load *load = document_load(hub, document, NULL, 0, NULL);
    if (load == NULL) {
        finish(hub, request);
    } else {
        wait_for(hub, request, load);
    }
}

void values_loaded(struct hub *hub, uint64_t load)
{
    struct values_request **at = &hub->values_requests;
    while (*at != NULL && (*at)->load != load) {
        at = &(*at)->next;
    }
    struct values_request *found = *at;
    if (found != NULL) {
        *at = found->next;
        hub->values_request_count--;
        finish(hub, found);
    }
}

void values_finish(struct hub *hub)
{
    while (hub->values_requests != NULL) {
        struct values_request *request = hub->values_requests;
        hub->values_requests = request->next;
        buffer_finish(&request->wanted);
        free(request);
    }
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
