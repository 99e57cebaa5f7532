#include "tests/simulation/visitor.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "tests/simulation/device.h"

enum { SAID_MAX = 1000000, LIKES_MAX = 3, RECEIVED_MAX = 4 };

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void visitor_init(struct visitor *visitor, unsigned number, struct host *host,
                  struct history *history, struct random *random)
{
    *visitor = (struct visitor){.number = number, .host = host, .history = history};
    visitor->random = (struct random){random_next(random)};
    line_init(&visitor->line, number, host);
    visitor->line.visitor = visitor;
}

/* --- saying --- */

static void say(struct visitor *visitor, struct buffer *bytes)
{
    line_say(&visitor->line, buffer_bytes(bytes));
    buffer_finish(bytes);
}

void visitor_welcomed(struct visitor *visitor)
{
    uint8_t bytes[REPLICA_BYTES];
    struct buffer list;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)random_next(&visitor->random);
    }
    visitor->replica = replica_id_make(visitor->host->now_ms, bytes);
    visitor->stream = ++visitor->line.last_id;
    buffer_init(&list, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&list);
    write_array(&writer, 1);
    write_bin(&writer, replica_id_bytes(&visitor->replica));
    struct packet packet = {.kind = PACKET_OPEN, .id = visitor->stream};
    packet.open = (struct packet_open){
        .name = text_bytes("all/1"), .replicas = buffer_bytes(&list), .presence = true};
    line_say_packet(&visitor->line, &packet);
    buffer_finish(&list);
}

static void say_presence(struct visitor *visitor, uint64_t said)
{
    uint8_t bytes[16];
    struct buffer data = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&data);
    struct packet packet = {.kind = PACKET_PRESENCE, .id = visitor->stream};
    write_uint(&writer, said);
    if (said != 0) {
        packet.presence.data = buffer_bytes(&data);
    }
    visitor->said = said;
    visitor->host->happened[HAPPENED_PRESENCE]++;
    line_say_packet(&visitor->line, &packet);
}

/* All the likes that it has ever given on this stream: what was lost before, or comes twice, is in
 * it. */
static void send_state(struct visitor *visitor)
{
    struct buffer bytes;
    struct packet_replica own = {.own = true};
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    write_array(&writer, 6);
    write_uint(&writer, PACKET_STATE);
    write_int(&writer, visitor->stream);
    packet_write_name(&writer, &own);
    write_uint(&writer, visitor->seq);
    packet_write_context(&writer, 0, NULL, 0, NULL);
    write_map(&writer, 1);
    write_uint(&writer, 0);
    write_array(&writer, 1);
    write_array(&writer, 2);
    write_nil(&writer);
    write_uint(&writer, visitor->likes);
    visitor->host->happened[HAPPENED_STATE]++;
    history_sends(visitor->history, line_person(&visitor->line), &visitor->replica, visitor->seq);
    say(visitor, &bytes);
}

static void give_likes(struct visitor *visitor, struct random *random)
{
    if (visitor->seq == 0 || !random_once_in(random, 3)) {
        struct history_edit edit = {.replica = visitor->replica,
                                    .seq = ++visitor->seq,
                                    .kind = HISTORY_LIKES,
                                    .amount = (int64_t)random_below(random, LIKES_MAX) + 1};
        visitor->likes += (uint64_t)edit.amount;
        history_add(visitor->history, &edit, NULL, 0);
    }
    send_state(visitor);
}

static void ask(struct visitor *visitor, struct random *random)
{
    static const char *const methods[] = {"stats",    "connections", "documents", "document",
                                          "rejected", "schema",      "no-such"};
    struct buffer parameters;
    buffer_init(&parameters, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&parameters);
    write_map(&writer, 1);
    write_text(&writer, "name");
    write_text(&writer, "all/2");
    struct packet packet = {.kind = PACKET_CALL, .id = ++visitor->line.last_id};
    packet.call.name = text_bytes(methods[random_below(random, sizeof methods / sizeof *methods)]);
    packet.call.value = buffer_bytes(&parameters);
    visitor->call = packet.id;
    visitor->asks_schema = bytes_equal(packet.call.name, text_bytes("schema"));
    visitor->host->happened[HAPPENED_CALL]++;
    line_say_packet(&visitor->line, &packet);
    buffer_finish(&parameters);
}

void visitor_act(struct visitor *visitor, struct random *random)
{
    if (!line_is_up(&visitor->line)) {
        line_connect(&visitor->line, random);
        return;
    }
    switch (random_below(random, 10)) {
    case 0:
        line_leave(&visitor->line, random_once_in(random, 2));
        return;
    case 1:
    case 2:
        if (visitor->opened) {
            say_presence(visitor, random_below(random, SAID_MAX));
        }
        return;
    case 3:
        if (visitor->opened) {
            give_likes(visitor, random);
        }
        return;
    case 4:
        if (visitor->line.welcomed && visitor->call == 0) {
            ask(visitor, random);
        }
        return;
    default:
        for (size_t i = random_below(random, RECEIVED_MAX) + 1; i > 0; i--) {
            (void)line_receive(&visitor->line);
        }
    }
}

void visitor_settle(struct visitor *visitor)
{
    line_connect(&visitor->line, NULL);
    while (line_receive(&visitor->line)) {
    }
}

/* --- hearing --- */

static void forget(struct visitor *visitor, uint64_t peer)
{
    size_t kept = 0;
    for (size_t i = 0; i < visitor->length; i++) {
        if (peer != 0 && visitor->peers[i].peer != peer) {
            visitor->peers[kept++] = visitor->peers[i];
        }
    }
    visitor->length = kept;
}

static void on_presence(struct visitor *visitor, const struct packet_presence *presence)
{
    struct reader reader = reader_of(presence->data);
    forget(visitor, presence->peer);
    if (presence->data.data != NULL && visitor->length < VISITOR_PEERS_MAX) {
        visitor->peers[visitor->length++] =
            (struct visitor_peer){.peer = presence->peer, .said = read_uint(&reader)};
    }
}

/* Operators are asked for by their tokens, where there are any. */
static bool is_operator(const struct visitor *visitor)
{
    return visitor->host->config.operators &&
           (!visitor->host->config.tokens || token_is_admin(&visitor->line.token));
}

static void on_answer(struct visitor *visitor, const struct packet *packet)
{
    bool allowed = visitor->asks_schema || is_operator(visitor);
    bool forbidden =
        packet->kind == PACKET_ERROR && bytes_equal(packet->error.code, text_bytes("FORBIDDEN"));
    visitor->call = 0;
    visitor->host->happened[HAPPENED_FORBIDDEN] += forbidden;
    if (packet->kind == PACKET_RESULT && !allowed) {
        host_violation(visitor->host, "an operator's call is answered to anybody");
    } else if (forbidden && allowed) {
        host_violation(visitor->host, "an operator's call is refused to one");
    }
}

void visitor_take(struct visitor *visitor, const struct packet *packet)
{
    if (packet->id == visitor->call &&
        (packet->kind == PACKET_RESULT || packet->kind == PACKET_ERROR)) {
        on_answer(visitor, packet);
    } else if (packet->id != visitor->stream) {
        return; /* a transfer, which it does not look at */
    } else if (packet->kind == PACKET_OPENED) {
        visitor->opened = true;
    } else if (packet->kind == PACKET_PRESENCE) {
        on_presence(visitor, &packet->presence);
    } else if (packet->kind == PACKET_ACK) {
        history_acked(visitor->history, &visitor->line.journal, &visitor->replica, packet->ack.seq);
    } else if (packet->kind == PACKET_CLOSE || packet->kind == PACKET_ERROR) {
        line_leave(&visitor->line, false); /* and comes again */
    }
}

void visitor_gone(struct visitor *visitor)
{
    visitor->stream = 0;
    visitor->opened = false;
    visitor->said = 0;
    visitor->length = 0;
    visitor->seq = 0;
    visitor->likes = 0;
    visitor->call = 0;
}

/* --- at rest --- */

static size_t count_told(const struct visitor *visitor, uint64_t said)
{
    size_t count = 0;
    for (size_t i = 0; i < visitor->length; i++) {
        count += visitor->peers[i].said == said;
    }
    return count;
}

static size_t count_here(const struct visitor *visitor, const struct visitor visitors[VISITORS],
                         uint64_t said)
{
    size_t count = 0;
    for (size_t i = 0; i < VISITORS; i++) {
        count += &visitors[i] != visitor && visitors[i].said == said;
    }
    return count;
}

const char *visitor_broken(const struct visitor *visitor, const struct visitor visitors[VISITORS])
{
    size_t here = VISITORS - 1 - count_here(visitor, visitors, 0);
    for (size_t i = 0; i < VISITORS; i++) {
        uint64_t said = visitors[i].said;
        if (&visitors[i] != visitor && said != 0 &&
            count_told(visitor, said) != count_here(visitor, visitors, said)) {
            return "a visitor is not told who is here";
        }
    }
    return visitor->length != here ? "a visitor is told of somebody who is not here"
           : visitor->call != 0    ? "a call has no answer"
                                   : NULL;
}
