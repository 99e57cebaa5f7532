/* An operator's calls: who may make them, what their parameters are, and the form of an answer. */
#include "server/hub/operator.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "server/hub/connections.h"
#include "server/hub/effects.h"
#include "server/hub/state.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* The greatest whole number that every client can write. */
#define ID_MAX (((uint64_t)1 << 53) - 1)

#define WEBHOOK_EXPECTED "target is a webhook's name, as `webhooks` lists it."

static const struct operator_method methods[] = {
    {.name = "stats", .run = operator_stats},
    {.name = "backup", .run = operator_backup},
    {.name = "connections",
     .parameters = {{"after", OPERATOR_NUMBER, false, 0, ID_MAX,
                     "after is a connection's id, as `next` of the page before gives it."},
                    {"limit", OPERATOR_NUMBER, false, 1, LIMIT_LISTED,
                     "limit is a whole number from 1 to 1000."}},
     .parameter_count = 2,
     .run = operator_connections},
    {.name = "connection",
     .parameters = {{"id", OPERATOR_NUMBER, true, 0, ID_MAX,
                     "id is a connection's id, as `connections` gives it."}},
     .parameter_count = 1,
     .run = operator_connection},
    {.name = "documents",
     .parameters = {{"search", OPERATOR_TEXT, false, 0, LIMIT_DOCUMENT_NAME_BYTES,
                     "search is a part of a name, at most 256 bytes."},
                    {"after", OPERATOR_TEXT, false, 0, LIMIT_DOCUMENT_NAME_BYTES,
                     "after is a document's name, as `next` of the page before gives it."},
                    {"limit", OPERATOR_NUMBER, false, 1, LIMIT_LISTED,
                     "limit is a whole number from 1 to 1000."}},
     .parameter_count = 3,
     .run = operator_documents},
    {.name = "document",
     .parameters = {{"name", OPERATOR_TEXT, true, 1, LIMIT_DOCUMENT_NAME_BYTES,
                     "name is a document's name: schema/key, at most 256 bytes."}},
     .parameter_count = 1,
     .run = operator_document},
    {.name = "erase",
     .parameters = {{"name", OPERATOR_TEXT, true, 1, LIMIT_DOCUMENT_NAME_BYTES,
                     "name is a document's name: schema/key, at most 256 bytes."},
                    {"field", OPERATOR_TEXT, false, 1, LIMIT_SCHEMA_NAME_BYTES,
                     "field is the name of a set: or-set, g-set or 2p-set."},
                    {"element", OPERATOR_BYTES, false, 1, LIMIT_ELEMENT_BYTES,
                     "element is an element's canonical msgpack."}},
     .parameter_count = 3,
     .run = operator_erase},
    {.name = "export",
     .parameters = {{"name", OPERATOR_TEXT, true, 1, LIMIT_DOCUMENT_NAME_BYTES,
                     "name is a document's name: schema/key, at most 256 bytes."}},
     .parameter_count = 1,
     .run = operator_export},
    {.name = "import",
     .parameters = {{"bytes", OPERATOR_BYTES, true, 1, LIMIT_MESSAGE_BYTES,
                     "bytes are a part of what `export` gave."},
                    {"more", OPERATOR_NUMBER, false, 0, 1,
                     "more is 1 if another part follows, else 0."}},
     .parameter_count = 2,
     .run = operator_import},
    {.name = "retire",
     .parameters = {{"idle_ms", OPERATOR_NUMBER, false, 1000, ID_MAX,
                     "idle_ms is how long a replica was silent, 1000 or more."},
                    {"dry", OPERATOR_NUMBER, false, 0, 1, "dry is 1 to count only, else 0."}},
     .parameter_count = 2,
     .run = operator_retire},
    {.name = "rejected",
     .parameters = {{"after", OPERATOR_NUMBER, false, 0, ID_MAX,
                     "after is a refused update's id, as `next` of the page before gives it."},
                    {"limit", OPERATOR_NUMBER, false, 1, LIMIT_LISTED_REJECTED,
                     "limit is a whole number from 1 to 500."}},
     .parameter_count = 2,
     .run = operator_rejected},
    {.name = "webhooks", .run = operator_ask},
    {.name = "webhooks_dead",
     .parameters = {{"target", OPERATOR_TEXT, true, 1, LIMIT_SCHEMA_NAME_BYTES, WEBHOOK_EXPECTED},
                    {"after", OPERATOR_NUMBER, false, 0, ID_MAX,
                     "after is a dead letter's id, as `next` of the page before gives it."},
                    {"limit", OPERATOR_NUMBER, false, 1, LIMIT_LISTED_LETTERS,
                     "limit is a whole number from 1 to 500."}},
     .parameter_count = 3,
     .run = operator_ask},
    {.name = "webhooks_resend",
     .parameters = {{"target", OPERATOR_TEXT, true, 1, LIMIT_SCHEMA_NAME_BYTES, WEBHOOK_EXPECTED},
                    {"id", OPERATOR_NUMBER, false, 1, ID_MAX,
                     "id is a dead letter's id, as `webhooks_dead` gives it."}},
     .parameter_count = 2,
     .run = operator_ask},
    {.name = "webhooks_pause",
     .parameters = {{"target", OPERATOR_TEXT, true, 1, LIMIT_SCHEMA_NAME_BYTES, WEBHOOK_EXPECTED}},
     .parameter_count = 1,
     .run = operator_ask},
    {.name = "webhooks_resume",
     .parameters = {{"target", OPERATOR_TEXT, true, 1, LIMIT_SCHEMA_NAME_BYTES, WEBHOOK_EXPECTED}},
     .parameter_count = 1,
     .run = operator_ask},
};

bool connection_is_operator(const struct hub *hub, const struct connection *connection)
{
    bool answered = connection->inside ? hub->config.operators_inside : hub->config.operators;
    return answered && (!hub->config.tokens || connection->admin);
}

/* --- what HELLO says --- */

/* The text's beginning, ending with a whole character. */
static struct bytes cut(struct bytes text)
{
    if (text.length > LIMIT_AGENT_BYTES) {
        text.length = LIMIT_AGENT_BYTES;
        while (text.length > 0 && (text.data[text.length] & 0xc0) == 0x80) {
            text.length--;
        }
    }
    return text;
}

/* It stands in logs and headers as it is: what is not short, visible ASCII is none. */
static struct bytes correlation_of(struct bytes text)
{
    bool good = text.length <= LIMIT_CORRELATION_BYTES;
    for (size_t i = 0; good && i < text.length; i++) {
        good = text.data[i] > 0x20 && text.data[i] < 0x7f;
    }
    return good ? text : (struct bytes){0};
}

static void copy(uint8_t *to, struct bytes text)
{
    if (text.length > 0) {
        memcpy(to, text.data, text.length);
    }
}

void operator_greeted(struct connection *connection, const struct packet_hello *hello)
{
    struct bytes agent = cut(hello->agent);
    struct bytes client = cut(hello->client);
    struct bytes correlation = correlation_of(hello->correlation);
    _Static_assert(LIMIT_AGENT_BYTES <= UINT8_MAX, "lengths are bytes");
    if (agent.length + client.length + correlation.length == 0) {
        return;
    }
    struct greeting *greeting =
        malloc(sizeof *greeting + agent.length + client.length + correlation.length);
    if (greeting == NULL) {
        return; /* without memory it is not shown */
    }
    greeting->agent_length = (uint8_t)agent.length;
    greeting->client_length = (uint8_t)client.length;
    greeting->correlation_length = (uint8_t)correlation.length;
    copy(greeting->texts, agent);
    copy(greeting->texts + agent.length, client);
    copy(greeting->texts + agent.length + client.length, correlation);
    connection->greeting = greeting;
}

/* --- parameters --- */

static const struct operator_method *find_method(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (bytes_equal(name, bytes_of_text(methods[i].name))) {
            return &methods[i];
        }
    }
    return NULL;
}

static size_t find_parameter(const struct operator_method *method, struct bytes name)
{
    size_t i = 0;
    while (i < method->parameter_count &&
           !bytes_equal(name, bytes_of_text(method->parameters[i].name))) {
        i++;
    }
    return i;
}

/* False: not of its type, or out of its bounds. */
static bool read_value(struct bytes raw, const struct operator_parameter *parameter,
                       struct operator_value *value)
{
    struct reader reader = reader_of(raw);
    if (reader_peek(&reader) == READER_NIL) {
        *value = (struct operator_value){.given = false};
        return true;
    }
    *value = (struct operator_value){.given = true};
    if (parameter->type == OPERATOR_NUMBER) {
        value->number = read_uint(&reader);
    } else if (parameter->type == OPERATOR_BYTES) {
        value->text = read_bin(&reader, (size_t)parameter->max);
    } else {
        value->text = read_string(&reader, (size_t)parameter->max);
    }
    uint64_t size =
        parameter->type == OPERATOR_NUMBER ? value->number : (uint64_t)value->text.length;
    return reader_ok(&reader) && size >= parameter->min && size <= parameter->max;
}

/* NULL: the values are good; else what is wrong, in a sentence. */
static const char *read_values(struct bytes raw, const struct operator_method *method,
                               struct operator_value values[OPERATOR_PARAMETERS])
{
    struct reader reader = reader_of(raw);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct reader key = reader_of(read_raw(&reader));
        struct bytes value = read_raw(&reader);
        size_t at = find_parameter(method, read_string(&key, LIMIT_TEXT_BYTES));
        if (at == method->parameter_count || !reader_ok(&key)) {
            continue; /* that a later version knows */
        }
        if (!read_value(value, &method->parameters[at], &values[at])) {
            return method->parameters[at].expected;
        }
    }
    for (size_t i = 0; i < method->parameter_count && reader_ok(&reader); i++) {
        if (method->parameters[i].required && !values[i].given) {
            return method->parameters[i].expected;
        }
    }
    return reader_ok(&reader) ? NULL : "Parameters are a map.";
}

uint64_t operator_number(const struct operator_value *value, uint64_t absent)
{
    return value->given ? value->number : absent;
}

bool operator_call(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    const struct operator_method *method = find_method(packet->call.name);
    struct operator_call call = {
        .hub = hub, .connection = connection, .id = packet->id, .parameters = packet->call.value};
    if (method == NULL) {
        return false;
    }
    call.method = method->name;
    if (!connection_is_operator(hub, connection)) {
        operator_refuse(hub, connection, packet->id, CODE_FORBIDDEN,
                        "This call is an operator's, and this connection is not one's.");
        return true;
    }
    const char *wrong = read_values(packet->call.value, method, call.values);
    if (wrong != NULL) {
        operator_refuse(hub, connection, packet->id, CODE_BAD_PARAMETERS, wrong);
    } else {
        method->run(&call);
    }
    return true;
}

/* --- answers --- */

struct writer operator_begin(struct hub *hub)
{
    buffer_clear(&hub->scratch);
    return writer_to(&hub->scratch);
}

void operator_answer(struct hub *hub, struct connection *connection, int64_t id,
                     const struct writer *writer)
{
    if (writer->status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    struct packet packet = {.kind = PACKET_RESULT, .id = id};
    packet.call.value = buffer_bytes(&hub->scratch);
    connection_answer(hub, connection, &packet);
}

void operator_refuse(struct hub *hub, struct connection *connection, int64_t id, enum hub_code code,
                     const char *text)
{
    connection_refuse(hub, connection, id, code, text, 0);
}

void write_pair_uint(struct writer *writer, const char *key, uint64_t value)
{
    write_text(writer, key);
    write_uint(writer, value);
}

void write_pair_bool(struct writer *writer, const char *key, bool value)
{
    write_text(writer, key);
    write_bool(writer, value);
}

void write_pair_position(struct writer *writer, const char *key, uint64_t position)
{
    write_text(writer, key);
    write_wide(writer, (int64_t)position);
}

void write_pair_text(struct writer *writer, const char *key, struct bytes text)
{
    write_text(writer, key);
    if (text.length == 0) {
        write_nil(writer);
    } else {
        write_string(writer, text);
    }
}

void write_pair_id(struct writer *writer, const char *key, uint64_t id)
{
    write_text(writer, key);
    if (id == 0) {
        write_nil(writer);
    } else {
        write_uint(writer, id);
    }
}
