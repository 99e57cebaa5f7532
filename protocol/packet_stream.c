/* OPEN and OPENED, SNAPSHOT and UPDATE, PRESENCE, and the transfers that carry large ones: CHUNK,
 * END, CREDIT. */
#include "crdt/context.h"
#include "protocol/limits.h"
#include "protocol/packet_families.h"

static void read_cursor(struct reader *reader, struct packet_open *open)
{
    size_t more = read_tuple(reader, 2);
    open->journal = packet_read_journal(reader);
    open->position = read_uint(reader);
    open->has_cursor = true;
    reader_skip(reader, more);
}

static void read_mode(struct reader *reader, struct packet_open *open)
{
    struct bytes mode = read_string(reader, LIMIT_CODE_BYTES);
    open->once = packet_key_is(mode, "once");
    if (!open->once && !packet_key_is(mode, "live")) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
}

static void read_open(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    struct packet_open *open = &packet->open;
    open->name = read_string(reader, LIMIT_TEXT_BYTES);
    open->replicas = packet_read_typed(reader, READER_ARRAY);
    size_t options = read_map(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < options && reader_ok(reader); i++) {
        struct bytes key = packet_read_key(reader);
        if (packet_key_is(key, "cursor")) {
            read_cursor(reader, open);
        } else if (packet_key_is(key, "mode")) {
            read_mode(reader, open);
        } else if (packet_key_is(key, "presence")) {
            open->presence = read_bool(reader);
        } else {
            reader_skip(reader, 1);
        }
    }
}

static void write_open(struct writer *writer, const struct packet *packet)
{
    const struct packet_open *open = &packet->open;
    write_string(writer, open->name);
    write_raw(writer, open->replicas);
    write_map(writer, (size_t)open->has_cursor + open->once + open->presence);
    if (open->has_cursor) {
        write_text(writer, "cursor");
        write_array(writer, 2);
        packet_write_journal(writer, &open->journal);
        write_uint(writer, open->position);
    }
    if (open->once) {
        write_text(writer, "mode");
        write_text(writer, "once");
    }
    if (open->presence) {
        write_text(writer, "presence");
        write_bool(writer, true);
    }
}

static void read_opened(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->opened.fields = packet_read_typed(reader, READER_ARRAY);
    packet->opened.rights = read_uint(reader);
    packet->opened.position = packet_read_position(reader);
    packet->opened.ledger = packet_read_typed(reader, READER_ARRAY);
}

static void write_opened(struct writer *writer, const struct packet *packet)
{
    write_raw(writer, packet->opened.fields);
    write_uint(writer, packet->opened.rights);
    write_wide(writer, (int64_t)packet->opened.position);
    write_raw(writer, packet->opened.ledger);
}

static void read_body(struct reader *reader, struct packet_content *content, size_t left)
{
    if (reader_peek(reader) == READER_MAP) {
        content->fields = read_raw(reader);
        return;
    }
    read_nil(reader);
    if (left < 3) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    content->transfer = read_int(reader);
    content->bytes = read_uint(reader);
    if (content->transfer >= 0 || content->bytes > LIMIT_BODY_BYTES) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
}

static void read_snapshot(struct reader *reader, struct packet *packet, size_t length)
{
    packet->content.to = packet_read_position(reader);
    read_body(reader, &packet->content, length - 1);
}

static void read_update(struct reader *reader, struct packet *packet, size_t length)
{
    packet->content.from = packet_read_position(reader);
    packet->content.to = packet_read_position(reader);
    read_body(reader, &packet->content, length - 2);
}

static void write_content(struct writer *writer, const struct packet *packet)
{
    const struct packet_content *content = &packet->content;
    if (packet->kind == PACKET_UPDATE) {
        write_wide(writer, (int64_t)content->from);
    }
    write_wide(writer, (int64_t)content->to);
    if (content->fields.data != NULL) {
        write_raw(writer, content->fields);
        return;
    }
    write_nil(writer);
    write_int(writer, content->transfer);
    write_uint(writer, content->bytes);
}

static size_t written_content(const struct packet *packet)
{
    size_t length = packet->kind == PACKET_UPDATE ? 3 : 2;
    return packet->content.fields.data == NULL ? length + 2 : length;
}

/* One value, or a list's or map's head, as it is ever sent. */
static bool read_sound(struct reader *reader)
{
    int64_t number = 0;
    switch (reader_peek(reader)) {
    case READER_STRING:
        (void)read_string(reader, LIMIT_BODY_BYTES);
        return true;
    case READER_INT:
        number = read_int(reader);
        return number <= CRDT_INTEGER_MAX && number >= -CRDT_INTEGER_MAX;
    case READER_ARRAY:
        (void)read_array(reader, LIMIT_OBJECTS);
        return true;
    case READER_MAP:
        (void)read_map(reader, LIMIT_OBJECTS);
        return true;
    default:
        reader_skip(reader, 1);
        return true;
    }
}

/* What one client says goes to others as it is: it must be what each of them can read. */
static void check_passed_on(struct reader *reader, struct bytes raw)
{
    struct reader values = reader_of(raw);
    while (reader_ok(&values) && values.left.length > 0) {
        if (!read_sound(&values)) {
            reader_fail(&values, PROTOCOL_MALFORMED);
        }
    }
    reader_fail(reader, values.status);
}

static void read_presence(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->presence.peer = read_uint(reader);
    if (reader_peek(reader) == READER_NIL) {
        read_nil(reader);
    } else {
        packet->presence.data = read_raw(reader);
        check_passed_on(reader, packet->presence.data);
    }
}

static void write_presence(struct writer *writer, const struct packet *packet)
{
    write_uint(writer, packet->presence.peer);
    if (packet->presence.data.data == NULL) {
        write_nil(writer);
    } else {
        write_raw(writer, packet->presence.data);
    }
}

static void read_chunk(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->chunk.bytes = read_bin(reader, LIMIT_MESSAGE_BYTES);
}

static void write_chunk(struct writer *writer, const struct packet *packet)
{
    write_bin(writer, packet->chunk.bytes);
}

static void read_number(struct reader *reader, struct packet *packet, size_t length)
{
    (void)length;
    packet->number.value = read_uint(reader);
}

static void write_number(struct writer *writer, const struct packet *packet)
{
    write_uint(writer, packet->number.value);
}

const struct packet_layout *packet_layout_stream(uint64_t kind)
{
    static const struct packet_layout open = {3, read_open, write_open, NULL};
    static const struct packet_layout opened = {4, read_opened, write_opened, NULL};
    static const struct packet_layout snapshot = {2, read_snapshot, write_content, written_content};
    static const struct packet_layout update = {3, read_update, write_content, written_content};
    static const struct packet_layout presence = {2, read_presence, write_presence, NULL};
    static const struct packet_layout chunk = {1, read_chunk, write_chunk, NULL};
    static const struct packet_layout number = {1, read_number, write_number, NULL};
    switch (kind) {
    case PACKET_OPEN:
        return &open;
    case PACKET_OPENED:
        return &opened;
    case PACKET_SNAPSHOT:
        return &snapshot;
    case PACKET_UPDATE:
        return &update;
    case PACKET_PRESENCE:
        return &presence;
    case PACKET_CHUNK:
        return &chunk;
    case PACKET_END:
    case PACKET_CREDIT:
        return &number;
    default:
        return NULL;
    }
}
