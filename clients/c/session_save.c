/*
 * What is kept of a session: `[fields, cursor | nil, {field: content}, [outbox, ...], lease]`. An
 * outbox is
 * `[replica, index | nil, seq, acked, [[number, claimed up, down, settled up, down], ...], [delta,
 * ...]]`, a delta
 * `[first, last, context, sent, rejected, {number: change}]`. The session that loads it is a new
 * one, with a replica of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "clients/c/session_state.h"

static void write_number_map(const struct session *session, const struct delta *delta,
                             struct writer *writer)
{
    size_t count = 0;
    for (size_t i = 0; i < session->schema.length; i++) {
        count += delta->changes[i] != NULL;
    }
    write_map(writer, count);
    for (size_t i = 0; i < session->schema.length; i++) {
        if (delta->changes[i] != NULL) {
            write_uint(writer, session->schema.fields[i].number);
            session->schema.fields[i].declared.codec->write_change(writer, delta->changes[i]);
        }
    }
}

static void write_delta(const struct session *session, const struct delta *delta,
                        struct writer *writer)
{
    write_array(writer, 6);
    write_uint(writer, delta->first);
    write_uint(writer, delta->last);
    packet_write_context(writer, delta->position, delta->seen, delta->seen_length, &delta->journal);
    write_bool(writer, delta->sent);
    write_bool(writer, delta->rejected);
    write_number_map(session, delta, writer);
}

static void write_outbox(const struct session *session, const struct outbox *box,
                         struct writer *writer)
{
    write_array(writer, 6);
    write_bin(writer, replica_id_bytes(&box->replica));
    if (box->indexed) {
        write_uint(writer, box->index);
    } else {
        write_nil(writer);
    }
    write_uint(writer, box->seq);
    write_uint(writer, box->acked);
    write_array(writer, session->schema.length);
    for (size_t i = 0; i < session->schema.length; i++) {
        write_array(writer, 5);
        write_uint(writer, session->schema.fields[i].number);
        write_uint(writer, box->claimed[i].up);
        write_uint(writer, box->claimed[i].down);
        write_uint(writer, box->settled[i].up);
        write_uint(writer, box->settled[i].down);
    }
    write_array(writer, box->length);
    for (size_t i = 0; i < box->length; i++) {
        write_delta(session, &box->deltas[i], writer);
    }
}

void session_write_fields(const struct session *session, struct writer *writer)
{
    write_array(writer, session->schema.length);
    for (size_t i = 0; i < session->schema.length; i++) {
        const struct schema_field *field = &session->schema.fields[i];
        write_array(writer, field->aside ? 5 : 4);
        write_uint(writer, field->number);
        write_text(writer, field->name);
        declaration_write(writer, &field->declared);
        if (field->aside) {
            write_bool(writer, true);
        }
    }
}

/* Our own is kept while the session lasts: its seqs are never used twice. */
static bool is_kept(const struct session *session, const struct outbox *box)
{
    bool is_own = replica_id_equal(&box->replica, &session->replica);
    return is_own ? box->seq > 0 : session_is_held(session, box);
}

static void mark_stored(struct outbox *box)
{
    for (size_t i = 0; i < box->length; i++) {
        box->deltas[i].stored = true;
    }
}

void session_save(struct session *session, struct writer *writer)
{
    write_array(writer, 5);
    session_write_fields(session, writer);
    if (session->has_cursor) {
        write_array(writer, 2);
        write_bin(writer, (struct bytes){session->cursor_journal.bytes, JOURNAL_ID_BYTES});
        write_uint(writer, session->cursor);
    } else {
        write_nil(writer);
    }
    write_map(writer, session->schema.length);
    for (size_t i = 0; i < session->schema.length; i++) {
        write_uint(writer, session->schema.fields[i].number);
        session->schema.fields[i].declared.codec->write_content(writer, session->confirmed[i], 0);
    }
    size_t held = 0;
    for (size_t i = 0; i < session->length; i++) {
        held += is_kept(session, &session->outboxes[i]);
    }
    write_array(writer, held);
    for (size_t i = 0; i < session->length; i++) {
        if (is_kept(session, &session->outboxes[i])) {
            write_outbox(session, &session->outboxes[i], writer);
            mark_stored(&session->outboxes[i]);
        }
    }
    write_bin(writer, (struct bytes){session->lease_key, session->lease_length});
}

static void read_cursor(struct reader *reader, struct session *session)
{
    if (reader_peek(reader) == READER_NIL) {
        read_nil(reader);
        return;
    }
    (void)read_tuple(reader, 2);
    struct bytes journal = read_bin(reader, JOURNAL_ID_BYTES);
    session->cursor = read_uint(reader);
    session->has_cursor = journal.length == JOURNAL_ID_BYTES;
    if (session->has_cursor) {
        memcpy(session->cursor_journal.bytes, journal.data, JOURNAL_ID_BYTES);
    }
}

static size_t place_of(const struct session *session, uint64_t number)
{
    const struct schema_field *field = schema_field_by_number(&session->schema, number);
    return field == NULL ? SIZE_MAX : (size_t)(field - session->schema.fields);
}

static void read_confirmed(struct reader *reader, struct session *session)
{
    size_t length = read_map(reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        size_t place = place_of(session, read_uint(reader));
        struct reader value = reader_of(read_raw(reader));
        if (place != SIZE_MAX && reader_ok(reader)) {
            const struct declaration *declared = &session->schema.fields[place].declared;
            declared->codec->read_content(&value, declared, session->confirmed[place],
                                          session->cursor == 0 ? 1 : session->cursor);
            reader_fail(reader, value.status);
        }
    }
}

static void read_entries(struct reader *reader, const struct session *session, struct outbox *box)
{
    size_t length = read_array(reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        (void)read_tuple(reader, 5);
        size_t place = place_of(session, read_uint(reader));
        struct crdt_entry claimed = {.up = read_uint(reader)};
        claimed.down = read_uint(reader);
        struct crdt_entry settled = {.up = read_uint(reader)};
        settled.down = read_uint(reader);
        if (place != SIZE_MAX) {
            box->claimed[place] = claimed;
            box->settled[place] = settled;
        }
    }
}

static void read_context(struct reader *reader, struct delta *delta)
{
    struct packet_context context;
    packet_read_context(reader, &context);
    delta->position = context.position;
    delta->journal = context.journal;
    delta->seen = calloc(context.length + 1, sizeof *delta->seen);
    if (delta->seen == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < context.length; i++) {
        delta->seen[delta->seen_length++] = packet_read_seen(&context.seen);
    }
}

static void read_delta(struct reader *reader, const struct session *session, struct outbox *box)
{
    struct delta *delta = outbox_push(box, session->schema.length);
    if (delta == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return;
    }
    (void)read_tuple(reader, 6);
    delta->first = read_uint(reader);
    delta->last = read_uint(reader);
    read_context(reader, delta);
    delta->sent = read_bool(reader);
    delta->rejected = read_bool(reader);
    size_t length = read_map(reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        size_t place = place_of(session, read_uint(reader));
        struct reader value = reader_of(read_raw(reader));
        if (place != SIZE_MAX && reader_ok(reader)) {
            const struct schema_field *field = &session->schema.fields[place];
            delta->changes[place] = field->declared.codec->read_change(&value, &field->declared);
            reader_fail(reader, value.status);
        }
    }
    delta->sent = true; /* its session is over: nothing joins it any more */
}

static bool has_outbox(const struct session *session, const struct replica_id *replica)
{
    bool found = false;
    for (size_t i = 0; i < session->length; i++) {
        found = found || replica_id_equal(&session->outboxes[i].replica, replica);
    }
    return found;
}

static void read_outbox(struct reader *reader, struct session *session)
{
    (void)read_tuple(reader, 6);
    struct replica_id replica = packet_read_replica(reader);
    if (has_outbox(session, &replica)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
        return;
    }
    struct outbox *grown =
        realloc(session->outboxes, (session->length + 1) * sizeof *session->outboxes);
    if (grown == NULL || !reader_ok(reader)) {
        session->outboxes = grown == NULL ? session->outboxes : grown;
        reader_fail(reader, PROTOCOL_NO_MEMORY); /* unless it has failed already */
        return;
    }
    session->outboxes = grown;
    struct outbox *box = &grown[session->length];
    if (!outbox_init(box, &replica, session->schema.length)) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return;
    }
    session->length++;
    box->indexed = reader_peek(reader) == READER_INT;
    box->index = (crdt_replica_id)OUTBOX_LOCAL_INDEX + session->local_indexes++;
    if (box->indexed) {
        box->index = (crdt_replica_id)read_uint(reader);
    } else {
        read_nil(reader);
    }
    box->seq = read_uint(reader);
    box->acked = read_uint(reader);
    box->next = box->acked + 1;
    read_entries(reader, session, box);
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_delta(reader, session, box);
    }
}

enum session_status session_status_of(const struct reader *reader)
{
    if (reader_ok(reader)) {
        return SESSION_OK;
    }
    return reader->status == PROTOCOL_NO_MEMORY ? SESSION_NO_MEMORY : SESSION_PROTOCOL;
}

enum session_status session_restore(struct session *session, struct bytes saved)
{
    struct reader reader = reader_of(saved);
    (void)read_tuple(&reader, 5);
    reader_skip(&reader, 1); /* the fields, declared by now */
    read_cursor(&reader, session);
    read_confirmed(&reader, session);
    size_t length = read_array(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        read_outbox(&reader, session);
    }
    struct bytes lease = read_bin(&reader, LIMIT_LEASE_KEY_BYTES);
    if (reader_ok(&reader)) {
        session_set_lease(session, lease);
    }
    return session_status_of(&reader);
}

enum session_status session_load(struct session *session, struct bytes saved)
{
    struct reader reader = reader_of(saved);
    (void)read_tuple(&reader, 5);
    struct bytes fields = read_raw(&reader);
    if (!reader_ok(&reader)) {
        return SESSION_PROTOCOL;
    }
    struct reader list = reader_of(fields);
    if (read_array(&list, LIMIT_FIELDS) == 0 && reader_ok(&list)) {
        return SESSION_OK; /* kept before the fields were known, so nothing was held */
    }
    enum session_status status = session_remember(session, fields);
    return status == SESSION_OK ? session_restore(session, saved) : status;
}
