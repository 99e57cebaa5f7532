/* Edits on their way into an outbox. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/edits.h"
#include "clients/c/session_state.h"

enum { STORED_MAX = 64 };

struct outbox *session_own(struct session *session)
{
    if (session->length > 0) {
        struct outbox *last = &session->outboxes[session->length - 1];
        if (replica_id_equal(&last->replica, &session->replica)) {
            return last;
        }
    }
    struct outbox *grown =
        realloc(session->outboxes, (session->length + 1) * sizeof *session->outboxes);
    if (grown == NULL) {
        return NULL;
    }
    session->outboxes = grown;
    struct outbox *own = &grown[session->length];
    if (!outbox_init(own, &session->replica, session->schema.length)) {
        return NULL;
    }
    own->index = (crdt_replica_id)OUTBOX_LOCAL_INDEX + session->local_indexes++;
    session->length++;
    return own;
}

/* The last dots of the other outboxes: an edit has seen what they hold. */
static bool seen_others(const struct session *session, const struct outbox *own,
                        struct packet_seen **seen, size_t *length)
{
    *length = 0;
    *seen = calloc(session->length + 1, sizeof **seen);
    for (size_t i = 0; *seen != NULL && i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        if (box != own && box->length > 0) {
            (*seen)[(*length)++] = (struct packet_seen){.replica = box->replica,
                                                        .seq = box->deltas[box->length - 1].last};
        }
    }
    return *seen != NULL;
}

/* An update is rejected as a whole, so not every edit may share one. */
static bool keeps_company(const struct session *session, const struct delta *delta, size_t index)
{
    for (size_t i = 0; i < session->schema.length; i++) {
        enum crdt_company company =
            crdt_declaration_company(&session->schema.fields[i].declared.crdt);
        bool there = delta->changes[i] != NULL || i == index;
        if (there && (company == CRDT_ALONE ||
                      (company == CRDT_WITH_FIELD && (i != index || !delta->changes[i])))) {
            return false;
        }
    }
    return true;
}

/* How much of a message the change takes; SIZE_MAX: more than there is. */
static size_t bytes_of(const struct session *session, size_t index,
                       const struct crdt_change *change)
{
    struct buffer buffer;
    buffer_init(&buffer, LIMIT_MESSAGE_BYTES);
    struct writer writer = writer_to(&buffer);
    session->schema.fields[index].declared.codec->write_change(&writer, change);
    size_t bytes = writer.status == PROTOCOL_OK ? buffer.length : SIZE_MAX;
    buffer_finish(&buffer);
    return bytes;
}

/* A quarter of a message: several deltas travel in one. */
static bool has_room(const struct delta *delta, size_t bytes)
{
    return delta->bytes < SESSION_DELTA_BYTES && bytes < SESSION_DELTA_BYTES - delta->bytes;
}

/*
 * No copy of the store may have sent the delta without what joins it: the hub could not tell the
 * two apart. Offline for long, a document would have a delta for each time that it was stored:
 * beyond so many, they join.
 */
static bool is_open(const struct outbox *own, const struct delta *delta)
{
    return !delta->sent && !delta->rejected && (!delta->stored || own->length >= STORED_MAX);
}

/* A position means something else in another journal, which follows a restored backup. */
static bool knows_the_same(const struct session *session, const struct delta *delta)
{
    uint64_t position = session->has_cursor ? session->cursor : 0;
    return delta->position == position &&
           (position == 0 ||
            memcmp(delta->journal.bytes, session->cursor_journal.bytes, JOURNAL_ID_BYTES) == 0);
}

static bool gathers(const struct session *session, const struct outbox *own, size_t index,
                    size_t bytes, const struct packet_seen *seen, size_t length)
{
    const struct delta *delta = &own->deltas[own->length - 1];
    bool same = is_open(own, delta) && has_room(delta, bytes) && knows_the_same(session, delta) &&
                delta->seen_length == length && keeps_company(session, delta, index);
    for (size_t i = 0; same && i < length; i++) {
        same = delta->seen[i].seq == seen[i].seq &&
               replica_id_equal(&delta->seen[i].replica, &seen[i].replica);
    }
    return same;
}

/* The delta that the next edit joins: the last one, or a new one. */
static struct delta *take_delta(struct session *session, struct outbox *own, size_t index,
                                size_t bytes)
{
    struct packet_seen *seen;
    size_t length;
    if (!seen_others(session, own, &seen, &length)) {
        return NULL;
    }
    if (own->length > 0 && gathers(session, own, index, bytes, seen, length)) {
        free(seen);
        return &own->deltas[own->length - 1];
    }
    struct delta *delta = outbox_push(own, session->schema.length);
    if (delta == NULL) {
        free(seen);
        return NULL;
    }
    delta->seen = seen;
    delta->seen_length = length;
    delta->position = session->has_cursor ? session->cursor : 0;
    delta->journal = session->cursor_journal;
    return delta;
}

static enum session_status gather(struct session *session, size_t index, struct crdt_change *made,
                                  struct crdt_entry entry)
{
    struct outbox *own = session_own(session);
    size_t bytes = bytes_of(session, index, made);
    struct delta *delta = own == NULL ? NULL : take_delta(session, own, index, bytes);
    if (delta == NULL) {
        made->type->change_destroy(made);
        return SESSION_NO_MEMORY;
    }
    own->claimed[index] = entry;
    own->seq++;
    delta->last = own->seq;
    delta->bytes = has_room(delta, bytes) ? delta->bytes + bytes : SESSION_DELTA_BYTES;
    struct crdt_change *held = delta->changes[index];
    if (held == NULL) {
        delta->changes[index] = made;
        return SESSION_OK;
    }
    enum crdt_status status = made->type->gather(held, made);
    made->type->change_destroy(made);
    return status == CRDT_OK ? SESSION_OK : SESSION_NO_MEMORY;
}

/* What the hub would refuse by what is seen now. */
static enum session_status check_edit(const struct session *session, const struct outbox *own,
                                      const struct crdt_field *view, size_t index,
                                      const struct crdt_change *change)
{
    struct crdt_update update = {.first = own->seq + 1,
                                 .last = own->seq + 1,
                                 .position = CRDT_POSITION_PENDING,
                                 .at_ms = session_hub_time(session),
                                 .context = {.position = session->cursor},
                                 .replica = own->index};
    const struct crdt_declaration *declared = &session->schema.fields[index].declared.crdt;
    if (crdt_declaration_company(declared) != CRDT_ALONE) {
        return SESSION_OK;
    }
    switch (crdt_field_check(view, &own->claimed[index], change, &update)) {
    case CRDT_OK:
        return SESSION_OK;
    case CRDT_NO_MEMORY:
        return SESSION_NO_MEMORY;
    case CRDT_OVERFLOW:
    case CRDT_OUT_OF_BOUNDS:
    case CRDT_TOO_MANY:
        break;
    }
    return SESSION_OUT_OF_BOUNDS;
}

static enum session_status make_edit(struct session *session, size_t index, const struct edit *edit,
                                     struct crdt_change *change, struct crdt_entry *entry)
{
    const struct declaration *declared = &session->schema.fields[index].declared;
    struct outbox *own = session_own(session);
    bool looks = edit_needs_view(declared);
    struct crdt_field *view = looks ? session_make_view(session, index, true) : NULL;
    if (own == NULL || (looks && view == NULL)) {
        session_destroy_view(view);
        return SESSION_NO_MEMORY;
    }
    *entry = own->claimed[index];
    struct edit_place place = {.declared = declared,
                               .view = view,
                               .lease = {session->lease_key, session->lease_length},
                               .change = change,
                               .entry = entry};
    enum session_status status = edit_apply(edit, &place) ? SESSION_OK : SESSION_BAD_EDIT;
    if (status == SESSION_OK &&
        crdt_change_stamp(change, view, session_hub_time(session)) != CRDT_OK) {
        status = SESSION_NO_MEMORY;
    }
    if (status == SESSION_OK) {
        status = check_edit(session, own, view, index, change);
    }
    session_destroy_view(view);
    return status;
}

/* The vector of a refused delta; of another outbox's also what that one had made before. */
static struct packet_seen *seen_again(const struct outbox *box, const struct delta *refused,
                                      bool own, size_t *length)
{
    struct packet_seen *seen = calloc(refused->seen_length + 1, sizeof *seen);
    *length = refused->seen_length;
    for (size_t i = 0; seen != NULL && i < refused->seen_length; i++) {
        seen[i] = refused->seen[i];
    }
    if (seen != NULL && !own) {
        seen[(*length)++] = (struct packet_seen){.replica = box->replica, .seq = refused->last};
    }
    return seen;
}

/* A delta that knows what the refused one knew, and no more. NULL: no memory. */
static struct delta *push_again(struct session *session, const struct outbox *box,
                                struct delta refused)
{
    size_t length;
    bool is_own = replica_id_equal(&box->replica, &session->replica);
    struct packet_seen *seen = seen_again(box, &refused, is_own, &length);
    struct outbox *own = seen == NULL ? NULL : session_own(session);
    struct delta *delta = own == NULL ? NULL : outbox_push(own, session->schema.length);
    if (delta == NULL) {
        free(seen);
        return NULL;
    }
    delta->seen = seen;
    delta->seen_length = length;
    delta->position = refused.position;
    delta->journal = refused.journal;
    delta->sent = true; /* nothing joins it */
    delta->last = ++own->seq;
    return delta;
}

static struct crdt_change *change_again(const struct session *session, size_t index,
                                        const struct crdt_change *refused)
{
    struct crdt_change *change = refused->type->change_create(refused->type);
    struct crdt_field *view = session_make_view(session, index, true);
    bool made = change != NULL && view != NULL &&
                refused->type->gather(change, refused) == CRDT_OK &&
                crdt_change_stamp(change, view, session_hub_time(session)) == CRDT_OK;
    session_destroy_view(view);
    if (!made) {
        refused->type->change_destroy(change);
        return NULL;
    }
    return change;
}

enum session_status session_edit_again(struct session *session, const struct outbox *box,
                                       const struct delta *refused)
{
    size_t index = 0;
    while (index < session->schema.length && refused->changes[index] == NULL) {
        index++;
    }
    if (index == session->schema.length) {
        return SESSION_OK;
    }
    struct crdt_change *change = change_again(session, index, refused->changes[index]);
    struct delta *delta = change == NULL ? NULL : push_again(session, box, *refused);
    if (delta == NULL) {
        session->schema.fields[index].declared.crdt.type->change_destroy(change);
        return SESSION_NO_MEMORY;
    }
    delta->changes[index] = change;
    return SESSION_OK;
}

enum session_status session_edit(struct session *session, const char *name, const struct edit *edit)
{
    if (!session->declared) {
        return SESSION_NO_SCHEMA;
    }
    const struct schema_field *field = schema_field_by_name(&session->schema, bytes_of_text(name));
    if (field == NULL) {
        return SESSION_NO_FIELD;
    }
    size_t index = (size_t)(field - session->schema.fields);
    const struct crdt_type *type = field->declared.crdt.type;
    struct crdt_change *change = type->change_create(type);
    struct crdt_entry entry = {0};
    if (change == NULL) {
        return SESSION_NO_MEMORY;
    }
    enum session_status status = make_edit(session, index, edit, change, &entry);
    if (status != SESSION_OK) {
        type->change_destroy(change);
        return status;
    }
    return gather(session, index, change, entry);
}
