/* HELLO and WELCOME, AUTH, CALL and RESULT, EVENT, CLOSE, ERROR, PING and PONG. */
#include "protocol/limits.h"
#include "protocol/packet_families.h"

static void read_hello(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    struct packet_hello *hello = &packet->hello;
    hello->version = read_uint(reader);
    size_t options = read_map(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < options && reader_ok(reader); i++) {
        struct bytes key = packet_read_key(reader);
        if (packet_key_is(key, "token")) {
            hello->token = read_string(reader, LIMIT_TOKEN_BYTES);
        } else if (packet_key_is(key, "client")) {
            hello->client = read_string(reader, LIMIT_TOKEN_BYTES);
        } else if (packet_key_is(key, "agent")) {
            hello->agent = read_string(reader, LIMIT_TOKEN_BYTES);
        } else if (packet_key_is(key, "correlation")) {
            hello->correlation = read_string(reader, LIMIT_TOKEN_BYTES);
        } else {
            reader_skip(reader, 1);
        }
    }
}

static void write_option(struct writer *writer, const char *key, struct bytes text)
{
    if (text.data != NULL) {
        write_text(writer, key);
        write_string(writer, text);
    }
}

static void write_hello(struct writer *writer, const struct packet *packet)
{
    const struct packet_hello *hello = &packet->hello;
    write_uint(writer, hello->version);
    write_map(writer, (size_t)(hello->token.data != NULL) + (hello->client.data != NULL) +
                          (hello->agent.data != NULL) + (hello->correlation.data != NULL));
    write_option(writer, "token", hello->token);
    write_option(writer, "client", hello->client);
    write_option(writer, "agent", hello->agent);
    write_option(writer, "correlation", hello->correlation);
}

static struct packet_rate read_rate(struct reader *reader)
{
    size_t more = read_tuple(reader, 2);
    struct packet_rate rate = {.amount = read_uint(reader)};
    rate.per_ms = read_uint(reader);
    reader_skip(reader, more);
    return rate;
}

static void write_rate(struct writer *writer, const char *key, const struct packet_rate *rate)
{
    if (rate->amount > 0) {
        write_text(writer, key);
        write_array(writer, 2);
        write_uint(writer, rate->amount);
        write_uint(writer, rate->per_ms);
    }
}

static void read_limits(struct reader *reader, struct packet_welcome *welcome)
{
    size_t length = read_map(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct bytes key = packet_read_key(reader);
        if (packet_key_is(key, "message_bytes")) {
            welcome->message_bytes = read_uint(reader);
        } else if (packet_key_is(key, "streams")) {
            welcome->streams = read_uint(reader);
        } else if (packet_key_is(key, "replicas")) {
            welcome->replicas = read_uint(reader);
        } else if (packet_key_is(key, "updates")) {
            welcome->updates = read_rate(reader);
        } else if (packet_key_is(key, "bytes")) {
            welcome->bytes = read_rate(reader);
        } else if (packet_key_is(key, "principal_updates")) {
            welcome->principal_updates = read_rate(reader);
        } else if (packet_key_is(key, "principal_bytes")) {
            welcome->principal_bytes = read_rate(reader);
        } else if (packet_key_is(key, "principal_streams")) {
            welcome->principal_streams = read_uint(reader);
        } else {
            reader_skip(reader, 1);
        }
    }
}

static void read_welcome_key(struct reader *reader, struct bytes key,
                             struct packet_welcome *welcome)
{
    if (packet_key_is(key, "hub")) {
        welcome->hub = read_string(reader, LIMIT_TEXT_BYTES);
    } else if (packet_key_is(key, "journal")) {
        welcome->journal = packet_read_journal(reader);
    } else if (packet_key_is(key, "schema")) {
        welcome->schema = read_bin(reader, LIMIT_CODE_BYTES);
    } else if (packet_key_is(key, "limits")) {
        read_limits(reader, welcome);
    } else if (packet_key_is(key, "ping_ms")) {
        welcome->ping_ms = read_uint(reader);
    } else if (packet_key_is(key, "resume_ms")) {
        welcome->resume_ms = read_uint(reader);
    } else if (packet_key_is(key, "durability")) {
        welcome->relaxed = packet_key_is(read_string(reader, LIMIT_CODE_BYTES), "relaxed");
    } else if (packet_key_is(key, "correlation")) {
        welcome->correlation = read_string(reader, LIMIT_CODE_BYTES);
    } else {
        reader_skip(reader, 1);
    }
}

static void read_welcome(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    size_t keys = read_map(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < keys && reader_ok(reader); i++) {
        struct bytes key = packet_read_key(reader);
        read_welcome_key(reader, key, &packet->welcome);
    }
}

static void write_limits(struct writer *writer, const struct packet_welcome *welcome)
{
    write_map(writer, 3 + (size_t)(welcome->updates.amount > 0) + (welcome->bytes.amount > 0) +
                          (welcome->principal_updates.amount > 0) +
                          (welcome->principal_bytes.amount > 0) + (welcome->principal_streams > 0));
    write_text(writer, "message_bytes");
    write_uint(writer, welcome->message_bytes);
    write_text(writer, "streams");
    write_uint(writer, welcome->streams);
    write_text(writer, "replicas");
    write_uint(writer, welcome->replicas);
    write_rate(writer, "updates", &welcome->updates);
    write_rate(writer, "bytes", &welcome->bytes);
    write_rate(writer, "principal_updates", &welcome->principal_updates);
    write_rate(writer, "principal_bytes", &welcome->principal_bytes);
    if (welcome->principal_streams > 0) {
        write_text(writer, "principal_streams");
        write_uint(writer, welcome->principal_streams);
    }
}

static void write_welcome(struct writer *writer, const struct packet *packet)
{
    const struct packet_welcome *welcome = &packet->welcome;
    write_map(writer, 7 + (size_t)(welcome->correlation.length > 0));
    write_text(writer, "hub");
    write_string(writer, welcome->hub);
    write_text(writer, "journal");
    packet_write_journal(writer, &welcome->journal);
    write_text(writer, "schema");
    write_bin(writer, welcome->schema);
    write_text(writer, "limits");
    write_limits(writer, welcome);
    write_text(writer, "ping_ms");
    write_uint(writer, welcome->ping_ms);
    write_text(writer, "resume_ms");
    write_uint(writer, welcome->resume_ms);
    write_text(writer, "durability");
    write_text(writer, welcome->relaxed ? "relaxed" : "full");
    if (welcome->correlation.length > 0) {
        write_option(writer, "correlation", welcome->correlation);
    }
}

static void read_auth(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->call.name = read_string(reader, LIMIT_TOKEN_BYTES);
}

static void write_auth(struct writer *writer, const struct packet *packet)
{
    write_string(writer, packet->call.name);
}

static void read_call(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->call.name = read_string(reader, LIMIT_CODE_BYTES);
    packet->call.value = read_raw(reader);
}

static void write_call(struct writer *writer, const struct packet *packet)
{
    write_string(writer, packet->call.name);
    write_raw(writer, packet->call.value);
}

static void read_result(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->call.value = read_raw(reader);
}

static void write_result(struct writer *writer, const struct packet *packet)
{
    write_raw(writer, packet->call.value);
}

static void read_close(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->error.code = read_string(reader, LIMIT_CODE_BYTES);
    packet->error.text = read_string(reader, LIMIT_TEXT_BYTES);
}

static void write_close(struct writer *writer, const struct packet *packet)
{
    write_string(writer, packet->error.code);
    write_string(writer, packet->error.text);
}

static void read_error(struct reader *reader, struct packet *packet, size_t length)
{
    read_close(reader, packet, length);
    packet->error.details = packet_read_typed(reader, READER_MAP);
}

static void write_error(struct writer *writer, const struct packet *packet)
{
    write_close(writer, packet);
    write_raw(writer, packet->error.details);
}

static void read_token(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->number.value = read_uint(reader);
}

static void write_token(struct writer *writer, const struct packet *packet)
{
    write_uint(writer, packet->number.value);
}

const struct packet_layout *packet_layout_connection(uint64_t kind)
{
    static const struct packet_layout hello = {2, read_hello, write_hello, NULL};
    static const struct packet_layout welcome = {1, read_welcome, write_welcome, NULL};
    static const struct packet_layout auth = {1, read_auth, write_auth, NULL};
    static const struct packet_layout call = {2, read_call, write_call, NULL};
    static const struct packet_layout result = {1, read_result, write_result, NULL};
    static const struct packet_layout close = {2, read_close, write_close, NULL};
    static const struct packet_layout error = {3, read_error, write_error, NULL};
    static const struct packet_layout token = {1, read_token, write_token, NULL};
    switch (kind) {
    case PACKET_HELLO:
        return &hello;
    case PACKET_WELCOME:
        return &welcome;
    case PACKET_AUTH:
        return &auth;
    case PACKET_CALL:
    case PACKET_EVENT:
        return &call;
    case PACKET_RESULT:
        return &result;
    case PACKET_CLOSE:
        return &close;
    case PACKET_ERROR:
        return &error;
    case PACKET_PING:
    case PACKET_PONG:
        return &token;
    default:
        return NULL;
    }
}
