/* DELTA, STATE, and the hub's answers to them: ACK, REJECT, GAP. */
#include "protocol/limits.h"
#include "protocol/packet_families.h"

static void read_update(struct reader *reader, struct packet *packet, bool has_first)
{
    struct packet_update *update = &packet->update;
    update->replica = packet_read_name(reader);
    update->first = has_first ? read_uint(reader) : 0;
    update->last = read_uint(reader);
    update->context = packet_read_typed(reader, READER_ARRAY);
    update->fields = packet_read_typed(reader, READER_MAP);
    if (update->last == 0 || (has_first && (update->first == 0 || update->first > update->last))) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
}

static void read_delta(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    read_update(reader, packet, true);
}

static void read_state(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    read_update(reader, packet, false);
}

static void write_update(struct writer *writer, const struct packet *packet)
{
    const struct packet_update *update = &packet->update;
    packet_write_name(writer, &update->replica);
    if (packet->kind == PACKET_DELTA) {
        write_uint(writer, update->first);
    }
    write_uint(writer, update->last);
    write_raw(writer, update->context);
    write_raw(writer, update->fields);
}

static void read_ack(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->ack.replica = packet_read_name(reader);
    packet->ack.seq = read_uint(reader);
    packet->ack.position = packet_read_position(reader);
    packet->ack.index = read_uint(reader);
}

static void write_ack(struct writer *writer, const struct packet *packet)
{
    packet_write_name(writer, &packet->ack.replica);
    write_uint(writer, packet->ack.seq);
    write_wide(writer, (int64_t)packet->ack.position);
    write_uint(writer, packet->ack.index);
}

static void read_reject(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->reject.replica = packet_read_name(reader);
    packet->reject.seq = read_uint(reader);
    packet->reject.code = read_string(reader, LIMIT_CODE_BYTES);
    packet->reject.text = read_string(reader, LIMIT_TEXT_BYTES);
    packet->reject.details = packet_read_typed(reader, READER_MAP);
}

static void write_reject(struct writer *writer, const struct packet *packet)
{
    packet_write_name(writer, &packet->reject.replica);
    write_uint(writer, packet->reject.seq);
    write_string(writer, packet->reject.code);
    write_string(writer, packet->reject.text);
    write_raw(writer, packet->reject.details);
}

static void read_gap(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->gap.replica = packet_read_name(reader);
    packet->gap.next = read_uint(reader);
}

static void write_gap(struct writer *writer, const struct packet *packet)
{
    packet_write_name(writer, &packet->gap.replica);
    write_uint(writer, packet->gap.next);
}

const struct packet_layout *packet_layout_update(uint64_t kind)
{
    static const struct packet_layout delta = {5, read_delta, write_update, NULL};
    static const struct packet_layout state = {4, read_state, write_update, NULL};
    static const struct packet_layout ack = {4, read_ack, write_ack, NULL};
    static const struct packet_layout reject = {5, read_reject, write_reject, NULL};
    static const struct packet_layout gap = {2, read_gap, write_gap, NULL};
    switch (kind) {
    case PACKET_DELTA:
        return &delta;
    case PACKET_STATE:
        return &state;
    case PACKET_ACK:
        return &ack;
    case PACKET_REJECT:
        return &reject;
    case PACKET_GAP:
        return &gap;
    default:
        return NULL;
    }
}
