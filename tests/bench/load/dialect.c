#include "tests/bench/load/dialect.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "tests/bench/load/fail.h"
#include "tests/bench/load/yjs.h"

static void add_ack(struct heard *heard, const struct heard_ack *ack)
{
    if (heard->ack_length == heard->ack_capacity) {
        heard->ack_capacity = heard->ack_capacity * 2 + 16;
        heard->acks = reallocate(heard->acks, heard->ack_capacity * sizeof *heard->acks);
    }
    heard->acks[heard->ack_length++] = *ack;
}

static void answer(struct heard *heard, const struct packet *packet)
{
    struct buffer buffer = {.data = heard->answer,
                            .length = heard->answer_length,
                            .capacity = sizeof heard->answer,
                            .limit = sizeof heard->answer};
    struct writer writer = writer_to(&buffer);
    packet_write(&writer, packet);
    heard->answer_length = buffer.length;
}

static void hear_packet(const struct packet *packet, struct heard *heard)
{
    switch (packet->kind) {
    case PACKET_WELCOME:
    case PACKET_OPENED:
        heard->joined++;
        return;
    case PACKET_SNAPSHOT:
    case PACKET_UPDATE:
        heard->updates++;
        heard->position = packet->content.to;
        heard->joined -= packet->content.fields.data == NULL;
        return;
    case PACKET_END:
        heard->joined++;
        return;
    case PACKET_ACK:
        add_ack(heard, &(struct heard_ack){packet->id, packet->ack.seq, packet->ack.position});
        return;
    case PACKET_CHUNK:
        answer(heard, &(struct packet){.kind = PACKET_CREDIT,
                                       .id = packet->id,
                                       .number = {packet->chunk.bytes.length}});
        return;
    case PACKET_PING:
        answer(heard, &(struct packet){.kind = PACKET_PONG, .number = packet->number});
        return;
    case PACKET_REJECT:
    case PACKET_GAP:
    case PACKET_ERROR:
    case PACKET_CLOSE:
        heard->refused++;
        return;
    default:
        return;
    }
}

static void hear_syncline(struct bytes message, struct heard *heard)
{
    struct reader reader = reader_of(message);
    struct packet packet;
    while (packet_read(&reader, &packet)) {
        hear_packet(&packet, heard);
    }
    if (!reader_ok(&reader)) {
        fail("the hub sends what is no packet");
    }
}

/* peers/messages.mjs has the table. */
static void hear_y(struct bytes message, struct heard *heard)
{
    enum { SYNC = 0, SYNC_STATE = 1, SYNC_UPDATE = 2, CLOSED = 7, CONFIRMED = 8 };
    if (message.length < 2) {
        fail("a peer sends what is no message");
    }
    unsigned type = message.data[0];
    unsigned detail = message.data[1];
    heard->joined += type == SYNC && detail == SYNC_STATE;
    heard->updates += type == SYNC && detail == SYNC_UPDATE
                          ? yjs_count_edits((struct bytes){message.data + 2, message.length - 2})
                          : 0;
    heard->confirmed += type == CONFIRMED && detail == 1;
    heard->refused += type == CLOSED || (type == CONFIRMED && detail == 0);
}

/* The document's name comes first. */
static struct bytes skip_name(struct bytes message)
{
    size_t name = message.length == 0 ? 0 : 1 + (size_t)message.data[0];
    if (name == 0 || name > message.length || name > 128) {
        fail("a peer sends a message without a document's name");
    }
    return (struct bytes){message.data + name, message.length - name};
}

static bool is_last(const struct heard *heard, struct bytes message)
{
    return heard->last_length == message.length &&
           memcmp(heard->last, message.data, message.length) == 0;
}

static void keep(struct heard *heard, struct bytes message)
{
    if (message.length > heard->last_capacity) {
        heard->last = reallocate(heard->last, message.length);
        heard->last_capacity = message.length;
    }
    memcpy(heard->last, message.data, message.length);
    heard->last_length = message.length;
}

void dialect_hear(enum dialect dialect, struct bytes message, struct heard *heard)
{
    if (dialect == DIALECT_COUNT) {
        heard->updates = 1;
        return;
    }
    if (is_last(heard, message)) {
        return;
    }
    heard->joined = 0;
    heard->updates = heard->confirmed = 0;
    heard->ack_length = heard->answer_length = 0;
    heard->position = heard->refused = 0;
    keep(heard, message);
    if (dialect == DIALECT_SYNCLINE) {
        hear_syncline(message, heard);
    } else {
        hear_y(dialect == DIALECT_HOCUSPOCUS ? skip_name(message) : message, heard);
    }
}

void heard_finish(struct heard *heard)
{
    free(heard->acks);
    free(heard->last);
}

bool dialect_echoes(enum dialect dialect) { return dialect != DIALECT_COUNT; }

bool dialect_acknowledges(enum dialect dialect)
{
    return dialect == DIALECT_SYNCLINE || dialect == DIALECT_HOCUSPOCUS;
}
