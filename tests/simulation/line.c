#include "tests/simulation/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/device.h"
#include "tests/simulation/rights.h"
#include "tests/simulation/visitor.h"

enum { SHORT_MS = 5000, LONG_MS = 12 * 60 * 60 * 1000, TOLD_BYTES = 110 };

void line_init(struct line *line, unsigned number, struct host *host)
{
    *line = (struct line){.number = number, .host = host, .wire = HOST_WIRES};
}

void line_add(struct line *line, struct device *device) { line->devices[line->length++] = device; }

unsigned line_person(const struct line *line) { return line->number % PEOPLE; }

bool line_is_up(const struct line *line) { return line->wire != HOST_WIRES; }

void line_say(struct line *line, struct bytes message)
{
    if (line_is_up(line) && message.length > 0) {
        host_say(line->host, line->wire, message);
    }
}

void line_say_packet(struct line *line, const struct packet *packet)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    packet_write(&writer, packet);
    line_say(line, buffer_bytes(&bytes));
    buffer_finish(&bytes);
}

/* --- tokens --- */

static struct token make_token(const struct line *line, struct random *random)
{
    struct token token = {.until_ms = line->host->now_ms + LONG_MS * 100ULL};
    if (random != NULL) {
        uint64_t length = random_once_in(random, 3) ? SHORT_MS : LONG_MS;
        token.until_ms = line->host->now_ms + random_below(random, length);
        token.forged = random_once_in(random, 16);
    }
    person_name(line_person(line), token.principal, sizeof token.principal);
    return token;
}

static struct bytes token_bytes(const struct token *token, char text[WIRE_TOKEN_BYTES])
{
    token_write(token, text);
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void line_renew(struct line *line, struct random *random)
{
    char text[WIRE_TOKEN_BYTES];
    if (!line->welcomed || line->auth != 0) {
        return;
    }
    line->fresh = make_token(line, random);
    if (random_once_in(random, 8)) {
        line->fresh.principal[7]++; /* another's */
    }
    struct packet packet = {.kind = PACKET_AUTH, .id = ++line->last_id};
    packet.call.name = token_bytes(&line->fresh, text);
    line->auth = packet.id;
    line_say_packet(line, &packet);
}

static bool is_code(struct bytes code, const char *text)
{
    return bytes_equal(code, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static bool is_good(const struct line *line, const struct token *token)
{
    return !token->forged && strcmp(token->principal, line->token.principal) == 0;
}

/* The hub's answer to a fresh token. */
static void on_renewed(struct line *line, const struct packet *packet)
{
    const struct token *fresh = &line->fresh;
    bool taken = packet->kind == PACKET_RESULT;
    bool tokens = line->host->config.tokens;
    line->auth = 0;
    if (taken && tokens && !is_good(line, fresh)) {
        host_violation(line->host, "the hub takes a token that is no good");
    } else if (taken) {
        line->host->happened[HAPPENED_TOKEN_RENEWED] += tokens;
        line->token = *fresh;
    } else if (!is_code(packet->error.code, "TOO_OFTEN") &&
               !(is_code(packet->error.code, "TOKEN_INVALID") && !is_good(line, fresh)) &&
               !(is_code(packet->error.code, "TOKEN_EXPIRED") &&
                 fresh->until_ms <= line->host->now_ms)) {
        host_violation(line->host, "the hub refuses a token that is good: %.*s",
                       (int)packet->error.code.length, (const char *)packet->error.code.data);
    }
}

/* The hub ends the connection. */
static void on_expelled(struct line *line, const struct packet_error *error)
{
    uint64_t now_ms = line->host->now_ms;
    /* A fresh one may be taken and end before the hub can say that it is taken. */
    bool ended =
        is_code(error->code, "TOKEN_EXPIRED") &&
        (line->token.until_ms <= now_ms ||
         (line->auth != 0 && is_good(line, &line->fresh) && line->fresh.until_ms <= now_ms));
    if (!ended && !(is_code(error->code, "TOKEN_INVALID") && line->token.forged)) {
        host_violation(line->host, "line %u is refused: %.*s", line->number,
                       (int)error->code.length, (const char *)error->code.data);
    }
    line->host->happened[HAPPENED_TOKEN_EXPIRED] += ended;
    line_leave(line, false);
}

/* --- the connection --- */

void line_connect(struct line *line, struct random *random)
{
    char text[WIRE_TOKEN_BYTES];
    static const char agent[] = "simulated";
    struct packet hello = {.kind = PACKET_HELLO, .hello = {.version = PROTOCOL_VERSION}};
    hello.hello.agent = (struct bytes){(const uint8_t *)agent, sizeof agent - 1};
    if (line_is_up(line)) {
        return;
    }
    line->wire = host_connect(line->host);
    if (line_is_up(line)) {
        line->last_id = 0;
        line->auth = 0;
        line->token = make_token(line, random);
        if (line->host->config.tokens) {
            hello.hello.token = token_bytes(&line->token, text);
        }
        line_say_packet(line, &hello);
    }
}

void line_leave(struct line *line, bool loses)
{
    if (!line_is_up(line)) {
        return;
    }
    host_leave(line->host, line->wire, loses);
    line->wire = HOST_WIRES;
    line->welcomed = false;
    for (size_t i = 0; i < line->length; i++) {
        device_disconnected(line->devices[i]);
    }
    if (line->visitor != NULL) {
        visitor_gone(line->visitor);
    }
}

static void on_welcome(struct line *line, const struct packet_welcome *welcome)
{
    line->journal = welcome->journal;
    line->welcomed = true;
    for (size_t i = 0; i < line->length; i++) {
        device_open(line->devices[i]);
    }
    if (line->visitor != NULL) {
        visitor_welcomed(line->visitor);
    }
}

static void on_connection(struct line *line, const struct packet *packet)
{
    const struct packet pong = {.kind = PACKET_PONG, .number = packet->number};
    switch (packet->kind) {
    case PACKET_WELCOME:
        on_welcome(line, &packet->welcome);
        return;
    case PACKET_PING:
        line_say_packet(line, &pong);
        return;
    case PACKET_ERROR:
        on_expelled(line, &packet->error);
        return;
    default:
        host_violation(line->host, "line %u is sent a strange packet", line->number);
    }
}

/* What comes late for a stream that was closed is nobody's. */
static void on_packet(struct line *line, const struct packet *packet)
{
    if (packet->id == 0) {
        on_connection(line, packet);
    } else if (packet->id == line->auth) {
        on_renewed(line, packet);
    } else if (packet->kind == PACKET_EVENT) {
        line->host->happened[HAPPENED_TOKEN_ASKED]++;
    } else if (line->visitor != NULL) {
        visitor_take(line->visitor, packet);
    } else if (packet_kind_text(packet->kind) != NULL) {
        for (size_t i = 0; i < line->length && line_is_up(line); i++) {
            if (device_has_stream(line->devices[i], packet->id)) {
                device_take(line->devices[i], packet);
                return;
            }
        }
    }
}

/* As JSON, cut to a line. */
static void tell(const struct line *line, struct bytes raw)
{
    struct buffer text;
    if (line->host->out == NULL) {
        return;
    }
    buffer_init(&text, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&text);
    packet_write_json(&writer, raw);
    host_tell(line->host, "%.*s", text.length < TOLD_BYTES ? (int)text.length : TOLD_BYTES,
              (const char *)text.data);
    buffer_finish(&text);
}

bool line_receive(struct line *line)
{
    struct bytes message;
    struct packet packet;
    if (!line_is_up(line)) {
        return false;
    }
    if (!host_hear(line->host, line->wire, &message)) {
        if (!line->host->wires[line->wire].hub_is_there) {
            line_leave(line, false);
        }
        return false;
    }
    struct reader reader = reader_of(message);
    const uint8_t *start = reader.left.data;
    while (line_is_up(line) && packet_read(&reader, &packet)) {
        tell(line, (struct bytes){start, (size_t)(reader.left.data - start)});
        start = reader.left.data;
        on_packet(line, &packet);
    }
    if (!line_is_up(line)) {
        return true;
    }
    if (!reader_ok(&reader)) {
        host_violation(line->host, "line %u is sent what is no packet", line->number);
    }
    host_heard(line->host, line->wire);
    return true;
}
