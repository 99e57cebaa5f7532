/* The stream: OPEN and what the hub answers; what is sent, and when it is sent again. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/session_state.h"

/* No more are on their way than the hub tells the refusals of again, should they be lost. */
enum { CREDIT_BYTES = 64 << 10, IN_FLIGHT_DELTAS = LIMIT_REJECTIONS };

static void drop_transfer(struct session *session)
{
    buffer_finish(&session->transfer);
    session->transferring = (struct packet_content){0};
    session->granted = 0;
    session->credit = 0;
}

void session_disconnect(struct session *session)
{
    session->stream = 0;
    session->arrived = false;
    drop_transfer(session);
}

void session_adopt_stream(struct session *session, struct session *from)
{
    session->journal = from->journal;
    session->stream = from->stream;
    session->arrived = from->arrived;
    session->named = from->named;
    session->named_length = from->named_length;
    from->named = NULL;
    from->named_length = 0;
}

bool session_is_held(const struct session *session, const struct outbox *box)
{
    bool held = box->length > 0 || replica_id_equal(&box->replica, &session->replica);
    for (size_t i = 0; !held && i < session->length; i++) {
        for (size_t k = 0; !held && k < session->outboxes[i].length; k++) {
            held = delta_has_seen(&session->outboxes[i].deltas[k], &box->replica);
        }
    }
    return held;
}

void session_drop_unheld(struct session *session)
{
    size_t kept = 0;
    for (size_t i = 0; i < session->length; i++) {
        struct outbox box = session->outboxes[i];
        if (session_is_held(session, &box)) {
            session->outboxes[kept++] = box;
        } else {
            outbox_finish(&box, session->schema.length);
        }
    }
    session->length = kept;
}

static void name_replica(struct replica_id *named, size_t *length, const struct replica_id *replica)
{
    for (size_t i = 0; i < *length; i++) {
        if (replica_id_equal(&named[i], replica)) {
            return;
        }
    }
    named[(*length)++] = *replica;
}

static size_t count_names(const struct session *session)
{
    size_t count = 1 + session->length;
    for (size_t i = 0; i < session->length; i++) {
        for (size_t k = 0; k < session->outboxes[i].length; k++) {
            count += session->outboxes[i].deltas[k].seen_length;
        }
    }
    return count;
}

/* Our own first, then every other outbox that holds something, and whom its updates had seen. */
static bool name_replicas(struct session *session)
{
    struct replica_id *named = calloc(count_names(session), sizeof *named);
    if (named == NULL) {
        return false;
    }
    size_t length = 0;
    named[length++] = session->replica;
    for (size_t i = 0; i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        if (box->length > 0) {
            name_replica(named, &length, &box->replica);
        }
        for (size_t k = 0; k < box->length; k++) {
            for (size_t n = 0; n < box->deltas[k].seen_length; n++) {
                name_replica(named, &length, &box->deltas[k].seen[n].replica);
            }
        }
    }
    free(session->named);
    session->named = named;
    session->named_length = length;
    return true;
}

void session_open(struct session *session, int64_t stream, const struct journal_id *journal,
                  struct writer *writer)
{
    struct buffer replicas;
    session_disconnect(session);
    buffer_init(&replicas, LIMIT_BODY_BYTES);
    struct writer list = writer_to(&replicas);
    if (!name_replicas(session)) {
        writer->status = PROTOCOL_NO_MEMORY;
        return;
    }
    write_array(&list, session->named_length);
    for (size_t i = 0; i < session->named_length; i++) {
        write_bin(&list, replica_id_bytes(&session->named[i]));
    }
    session->stream = stream;
    session->journal = *journal;
    struct packet packet = {.kind = PACKET_OPEN, .id = stream};
    packet.open = (struct packet_open){
        .name = bytes_of_text(session->name),
        .replicas = buffer_bytes(&replicas),
        .journal = session->cursor_journal,
        .position = session->cursor,
        .has_cursor = session->has_cursor,
    };
    packet_write(writer, &packet);
    writer->status = writer->status == PROTOCOL_OK ? list.status : writer->status;
    buffer_finish(&replicas);
}

void session_resend(struct session *session)
{
    for (size_t i = 0; i < session->length; i++) {
        outbox_rewind(&session->outboxes[i]);
    }
}

static void write_delta(const struct session *session, const struct outbox *box,
                        const struct delta *delta, struct writer *writer)
{
    struct packet_replica name = {.id = box->replica,
                                  .own = replica_id_equal(&box->replica, &session->named[0])};
    bool foreign = delta->position != 0 &&
                   memcmp(delta->journal.bytes, session->journal.bytes, JOURNAL_ID_BYTES) != 0;
    size_t changes = 0;
    for (size_t i = 0; i < session->schema.length; i++) {
        changes += delta->changes[i] != NULL;
    }
    write_array(writer, 7);
    write_uint(writer, PACKET_DELTA);
    write_int(writer, session->stream);
    packet_write_name(writer, &name);
    write_uint(writer, delta->first);
    write_uint(writer, delta->last);
    packet_write_context(writer, delta->position, delta->seen, delta->seen_length,
                         foreign ? &delta->journal : NULL);
    write_map(writer, changes);
    for (size_t i = 0; i < session->schema.length; i++) {
        if (delta->changes[i] != NULL) {
            write_uint(writer, session->schema.fields[i].number);
            session->schema.fields[i].declared.codec->write_change(writer, delta->changes[i]);
        }
    }
}

/* False: the message is full. */
static bool send_box(struct session *session, struct outbox *box, size_t *room,
                     struct writer *writer)
{
    for (size_t i = 0; i<box->length && * room> 0; i++) {
        struct delta *delta = &box->deltas[i];
        if (delta->first != box->next) {
            continue;
        }
        if (delta->rejected) { /* a restored hub may have lost that: it is to say so */
            box->next = delta->last + 1;
            continue;
        }
        if (writer->buffer->length > SESSION_DELTA_BYTES) {
            return false;
        }
        write_delta(session, box, delta, writer);
        delta->sent = true;
        box->next = delta->last + 1;
        (*room)--;
    }
    return true;
}

bool session_send(struct session *session, struct writer *writer)
{
    if (session->credit > 0) {
        struct packet packet = {.kind = PACKET_CREDIT, .id = session->transferring.transfer};
        packet.number.value = session->credit;
        packet_write(writer, &packet);
        session->credit = 0;
    }
    if (!session->arrived) {
        return false;
    }
    size_t room = IN_FLIGHT_DELTAS;
    for (size_t i = 0; i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        for (size_t k = 0; k < box->length && room > 0; k++) {
            room -= box->deltas[k].sent && box->deltas[k].last < box->next &&
                    box->deltas[k].last > box->acked;
        }
    }
    bool fits = true;
    for (size_t i = 0; fits && i < session->length; i++) {
        fits = send_box(session, &session->outboxes[i], &room, writer);
    }
    return !fits;
}

struct outbox *session_box(struct session *session, const struct packet_replica *replica)
{
    const struct replica_id *id = replica->own ? &session->named[0] : &replica->id;
    for (size_t i = 0; i < session->length; i++) {
        if (replica_id_equal(&session->outboxes[i].replica, id)) {
            return &session->outboxes[i];
        }
    }
    return NULL;
}

/* Drops what the confirmed state includes, and outboxes that nobody needs then. */
static void settle(struct session *session)
{
    for (size_t i = 0; i < session->length; i++) {
        struct outbox *box = &session->outboxes[i];
        while (box->length > 0 && box->deltas[0].last <= box->acked &&
               box->acked_position <= session->cursor) {
            outbox_settle_first(box, session->schema.length);
        }
    }
    session_drop_unheld(session);
}

static void acknowledge(struct outbox *box, uint64_t seq, uint64_t position)
{
    box->asked = seq > box->acked ? 0 : box->asked;
    if (seq >= box->acked) {
        box->acked = seq;
        box->acked_position = position;
    }
    box->next = seq + 1 > box->next ? seq + 1 : box->next;
}

static void take_index(struct outbox *box, uint64_t index)
{
    box->indexed = true;
    box->index = (crdt_replica_id)index;
}

static enum session_status on_opened(struct session *session, const struct packet_opened *opened)
{
    enum session_status status = session_declare(session, opened->fields);
    struct reader reader = reader_of(opened->ledger);
    size_t length = read_array(&reader, LIMIT_NAMED_REPLICAS);
    for (size_t i = 0; status == SESSION_OK && i < length && i < session->named_length; i++) {
        struct packet_replica name = {.id = session->named[i]};
        struct outbox *box = session_box(session, &name);
        size_t more = read_tuple(&reader, 2);
        bool indexed = reader_peek(&reader) != READER_NIL;
        uint64_t index = indexed ? read_uint(&reader) : 0;
        if (!indexed) {
            read_nil(&reader);
        }
        uint64_t seq = read_uint(&reader);
        reader_skip(&reader, more);
        if (box == NULL || !reader_ok(&reader)) {
            continue;
        }
        box->acked = seq;
        box->acked_position = opened->position;
        box->asked = 0;
        outbox_rewind(box);
        if (indexed) {
            take_index(box, index);
        }
    }
    return status == SESSION_OK && !reader_ok(&reader) ? SESSION_PROTOCOL : status;
}

static enum session_status read_content(struct session *session, struct bytes raw, bool snapshot,
                                        uint64_t position)
{
    struct reader reader = reader_of(raw);
    size_t length = read_map(&reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        const struct schema_field *field =
            schema_field_by_number(&session->schema, read_uint(&reader));
        struct reader value = reader_of(read_raw(&reader));
        if (field == NULL || !reader_ok(&reader)) {
            continue;
        }
        struct crdt_field **slot = &session->confirmed[field - session->schema.fields];
        if (snapshot) {
            struct crdt_field *fresh = field->declared.crdt.type->create(&field->declared.crdt, 0);
            if (fresh == NULL) {
                return SESSION_NO_MEMORY;
            }
            (*slot)->type->destroy(*slot);
            *slot = fresh;
        }
        field->declared.codec->read_content(&value, &field->declared, *slot, position);
        reader_fail(&reader, value.status);
        /* What is un-shown once is forgotten: a client needs no log. */
        if (reader_ok(&reader)) {
            crdt_field_trim(*slot, 0);
        }
    }
    return session_status_of(&reader);
}

static enum session_status on_content(struct session *session, const struct packet_content *content,
                                      bool snapshot, struct session_news *news)
{
    if (!session->declared || session->stream == 0) {
        return SESSION_PROTOCOL;
    }
    if (content->fields.data == NULL) {
        drop_transfer(session);
        session->transferring = *content;
        session->transfer_update = !snapshot;
        return SESSION_OK;
    }
    if (!snapshot && content->from != session->cursor) {
        return SESSION_PROTOCOL;
    }
    enum session_status status = read_content(session, content->fields, snapshot, content->to);
    if (status == SESSION_OK) {
        session->cursor = content->to;
        session->cursor_journal = session->journal;
        session->has_cursor = true;
        session->arrived = true;
        news->changed = true;
        settle(session);
    }
    return status;
}

static enum session_status on_chunk(struct session *session, int64_t id, struct bytes bytes)
{
    struct buffer *transfer = &session->transfer;
    if (id != session->transferring.transfer || id == 0 ||
        bytes.length > session->transferring.bytes - transfer->length) {
        return SESSION_PROTOCOL;
    }
    if (buffer_append(transfer, bytes.data, bytes.length) != PROTOCOL_OK) {
        return SESSION_NO_MEMORY;
    }
    if (transfer->length - session->granted >= CREDIT_BYTES) {
        session->credit += transfer->length - session->granted;
        session->granted = transfer->length;
    }
    return SESSION_OK;
}

static enum session_status on_end(struct session *session, int64_t id, struct session_news *news)
{
    if (id != session->transferring.transfer || id == 0) {
        return SESSION_PROTOCOL;
    }
    struct packet_content content = session->transferring;
    content.fields = buffer_bytes(&session->transfer);
    enum session_status status = on_content(session, &content, !session->transfer_update, news);
    drop_transfer(session);
    return status;
}

static void on_close(struct session *session, const struct packet_error *close,
                     struct session_news *news)
{
    session_disconnect(session);
    news->closed = true;
    session_copy_text(news->code, close->code);
    session_copy_text(news->text, close->text);
}

static void on_error(struct session *session, const struct packet_error *error,
                     struct session_news *news)
{
    struct reader reader = reader_of(error->details);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    news->error = true;
    session_copy_text(news->code, error->code);
    session_copy_text(news->text, error->text);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes key = read_string(&reader, LIMIT_TEXT_BYTES);
        if (bytes_equal(key, (struct bytes){(const uint8_t *)"retry_ms", 8})) {
            news->retry_ms = read_uint(&reader);
        } else {
            reader_skip(&reader, 1);
        }
    }
    if (!session->arrived) {
        session_disconnect(session);
    }
}

enum session_status session_receive(struct session *session, const struct packet *packet,
                                    struct session_news *news)
{
    *news = (struct session_news){0};
    switch (packet->kind) {
    case PACKET_OPENED:
        return on_opened(session, &packet->opened);
    case PACKET_ACK: {
        struct outbox *box = session_box(session, &packet->ack.replica);
        if (box != NULL) {
            take_index(box, packet->ack.index);
            acknowledge(box, packet->ack.seq, packet->ack.position);
            settle(session);
        }
        return SESSION_OK;
    }
    case PACKET_REJECT:
        session_rejected(session, &packet->reject, news);
        return SESSION_OK;
    case PACKET_GAP:
        session_turned_away(session, &packet->gap, news);
        return SESSION_OK;
    case PACKET_SNAPSHOT:
    case PACKET_UPDATE:
        return on_content(session, &packet->content, packet->kind == PACKET_SNAPSHOT, news);
    case PACKET_CHUNK:
        return on_chunk(session, packet->id, packet->chunk.bytes);
    case PACKET_END:
        return on_end(session, packet->id, news);
    case PACKET_CLOSE:
        on_close(session, &packet->error, news);
        return SESSION_OK;
    case PACKET_ERROR:
        on_error(session, &packet->error, news);
        return SESSION_OK;
    default:
        return SESSION_PROTOCOL;
    }
}
