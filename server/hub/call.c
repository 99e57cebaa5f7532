/* HELLO and CALL. */
#include <stdlib.h>

#include "protocol/packet.h"
#include "server/hub/connections.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

void call_hello(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    if (packet->kind != PACKET_HELLO) {
        connection_close(hub, connection, CLOSE_POLICY, "HELLO comes first");
        return;
    }
    if (packet->hello.version != PROTOCOL_VERSION) {
        connection_close(hub, connection, CLOSE_POLICY, "the hub speaks version 1 only");
        return;
    }
    operator_greeted(connection, &packet->hello);
    token_hello(hub, connection, packet->hello.token);
}

static struct packet_rate rate_of(const struct hub_rate *rate)
{
    return (struct packet_rate){rate->amount, rate->per_ms};
}

void call_welcome(struct hub *hub, struct connection *connection)
{
    char correlation[HUB_CORRELATION_BYTES];
    connection->greeted = true;
    struct packet answer = {.kind = PACKET_WELCOME};
    answer.welcome = (struct packet_welcome){
        .hub = bytes_of_text(HUB_NAME),
        .journal = hub->config.journal,
        .schema = {(const uint8_t *)&hub->schema_hash, sizeof hub->schema_hash},
        .message_bytes = hub->config.message_bytes,
        .streams = hub->config.streams_max,
        .replicas = LIMIT_NAMED_REPLICAS,
        .ping_ms = hub->config.ping_ms,
        .resume_ms = hub->config.idle_ms,
        .relaxed = hub->config.relaxed,
        .correlation = connection_correlation(hub, connection, correlation),
        .updates = rate_of(&hub->config.connection_rates.updates),
        .bytes = rate_of(&hub->config.connection_rates.bytes),
        .principal_updates = rate_of(&hub->config.principal_rates.updates),
        .principal_bytes = rate_of(&hub->config.principal_rates.bytes),
        .principal_streams = hub->config.principal_streams,
    };
    connection_answer(hub, connection, &answer);
    note_greeted(hub, connection);
}

void write_fields(struct writer *writer, const struct schema *schema)
{
    write_array(writer, schema->length);
    for (size_t i = 0; i < schema->length; i++) {
        const struct schema_field *field = &schema->fields[i];
        write_array(writer, 4);
        write_uint(writer, field->number);
        write_text(writer, field->name);
        declaration_write(writer, &field->declared);
    }
}

static void answer_schema(struct hub *hub, struct connection *connection, int64_t id)
{
    const struct schema_set *schemas = hub->config.schemas;
    buffer_clear(&hub->scratch);
    struct writer writer = writer_to(&hub->scratch);
    write_map(&writer, schemas->length);
    for (size_t i = 0; i < schemas->length; i++) {
        write_text(&writer, schemas->schemas[i].name);
        write_fields(&writer, &schemas->schemas[i]);
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    struct packet packet = {.kind = PACKET_RESULT, .id = id};
    packet.call.value = buffer_bytes(&hub->scratch);
    connection_answer(hub, connection, &packet);
}

void call_method(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    if (bytes_equal(packet->call.name, bytes_of_text("schema"))) {
        answer_schema(hub, connection, packet->id);
    } else if (!values_call(hub, connection, packet) && !operator_call(hub, connection, packet)) {
        connection_error(hub, connection, packet->id, CODE_UNKNOWN_METHOD, 0);
    }
}
