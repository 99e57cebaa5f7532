/* The document and its edits; session_stream.c has the stream, session_save.c what is kept. */
#include "clients/c/session.h"

#include <stdlib.h>
#include <string.h>

#include "clients/c/edits.h"
#include "clients/c/session_state.h"
#include "protocol/json.h"

const char *session_status_text(enum session_status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        SESSION_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

void session_init(struct session *session, const char *name, const struct replica_id *replica)
{
    *session = (struct session){.replica = *replica};
    size_t length = strlen(name);
    memcpy(session->name, name, length < sizeof session->name ? length : sizeof session->name - 1);
    buffer_init(&session->transfer, LIMIT_BODY_BYTES);
    session_set_lease(session, replica_id_bytes(replica));
}

void session_set_lease(struct session *session, struct bytes key)
{
    memcpy(session->lease_key, key.data, key.length);
    session->lease_length = key.length;
}

void session_set_time(struct session *session, uint64_t now_ms) { session->now_ms = now_ms; }

/* The time as the hub has it, so far as is known. */
static uint64_t hub_time(const struct session *session)
{
    return (uint64_t)((int64_t)session->now_ms + session->clock_ahead);
}

static void forget_fields(struct session *session)
{
    for (size_t i = 0; session->confirmed != NULL && i < session->schema.length; i++) {
        if (session->confirmed[i] != NULL) {
            session->confirmed[i]->type->destroy(session->confirmed[i]);
        }
    }
    free(session->confirmed);
    schema_finish(&session->schema);
    session->confirmed = NULL;
    session->schema = (struct schema){0};
}

void session_finish(struct session *session)
{
    for (size_t i = 0; i < session->length; i++) {
        outbox_finish(&session->outboxes[i], session->schema.length);
    }
    free(session->outboxes);
    free(session->named);
    forget_fields(session);
    buffer_finish(&session->transfer);
}

static void read_field(struct reader *reader, struct schema *schema)
{
    size_t more = read_tuple(reader, 4);
    uint64_t number = read_uint(reader);
    struct bytes name = read_string(reader, LIMIT_SCHEMA_NAME_BYTES);
    struct declaration declared;
    bool known = declaration_read(reader, &declared);
    reader_skip(reader, more);
    if (!known) {
        return; /* of a type that a later client knows */
    }
    struct schema_field *field = reader_ok(reader) ? schema_add_field(schema, name) : NULL;
    if (field == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        declaration_finish(&declared);
        return;
    }
    field->declared = declared;
    field->number = (uint32_t)number;
}

static bool same_fields(const struct schema *a, const struct schema *b)
{
    bool same = a->length == b->length;
    for (size_t i = 0; same && i < a->length; i++) {
        same = a->fields[i].number == b->fields[i].number &&
               declaration_equal(&a->fields[i].declared, &b->fields[i].declared) &&
               strcmp(a->fields[i].name, b->fields[i].name) == 0;
    }
    return same;
}

/* Bounds, and who wins, may change; what is held keeps its form. */
static bool same_form(const struct declaration *a, const struct declaration *b)
{
    while (a != NULL && b != NULL && a->codec == b->codec && a->of == b->of) {
        a = a->inner;
        b = b->inner;
    }
    return a == NULL && b == NULL;
}

/* A hub gives a field's number once and for ever: where it means another field, what is held was
 * made for another hub. */
static bool is_foreign(const struct session *session, const struct schema *schema)
{
    bool foreign = false;
    for (size_t i = 0; i < session->schema.length && !foreign; i++) {
        const struct schema_field *ours = &session->schema.fields[i];
        const struct schema_field *field = schema_field_by_number(schema, ours->number);
        foreign = field != NULL && (strcmp(field->name, ours->name) != 0 ||
                                    !same_form(&field->declared, &ours->declared));
    }
    return foreign;
}

static bool holds_nothing(const struct session *session)
{
    return session->length == 0 && !session->has_cursor;
}

static enum session_status create_fields(struct session *session)
{
    session->confirmed = calloc(session->schema.length + 1, sizeof(*session->confirmed));
    for (size_t i = 0; session->confirmed != NULL && i < session->schema.length; i++) {
        const struct crdt_declaration *declared = &session->schema.fields[i].declared.crdt;
        session->confirmed[i] = declared->type->create(declared, 0);
        if (session->confirmed[i] == NULL) {
            return SESSION_NO_MEMORY;
        }
    }
    return session->confirmed == NULL ? SESSION_NO_MEMORY : SESSION_OK;
}

static bool is_pending(const struct session *session, size_t place)
{
    for (size_t i = 0; i < session->length; i++) {
        for (size_t k = 0; k < session->outboxes[i].length; k++) {
            if (session->outboxes[i].deltas[k].changes[place] != NULL) {
                return true;
            }
        }
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = ((const struct schema_field *)a)->number;
    uint32_t right = ((const struct schema_field *)b)->number;
    return (left > right) - (left < right);
}

static bool copy_declaration(struct declaration *copy, const struct declaration *declaration)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    declaration_write(&writer, declaration);
    struct reader reader = reader_of(buffer_bytes(&bytes));
    bool copied = writer.status == PROTOCOL_OK && declaration_read(&reader, copy);
    buffer_finish(&bytes);
    return copied;
}

/* A field that the hub serves no more stays as long as an edit of it waits: that is sent as it was
 * made and refused with a sentence, instead of vanishing. False: no memory. */
static bool keep_pending(const struct session *session, struct schema *schema)
{
    for (size_t i = 0; i < session->schema.length; i++) {
        const struct schema_field *field = &session->schema.fields[i];
        if (schema_field_by_number(schema, field->number) != NULL || !is_pending(session, i)) {
            continue;
        }
        struct bytes name = {(const uint8_t *)field->name, strlen(field->name)};
        struct schema_field *kept = schema_add_field(schema, name);
        if (kept == NULL || !copy_declaration(&kept->declared, &field->declared)) {
            return false;
        }
        kept->number = field->number;
    }
    if (schema->length > 1) {
        qsort(schema->fields, schema->length, sizeof *schema->fields, by_number);
    }
    return true;
}

/* Fields came or went meanwhile: everything held is carried over by number. */
static enum session_status widen(struct session *session, struct schema *schema)
{
    struct buffer saved;
    struct session wider;
    buffer_init(&saved, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&saved);
    session_save(session, &writer);
    session_init(&wider, session->name, &session->replica);
    wider.schema = *schema;
    wider.declared = true;
    enum session_status status = create_fields(&wider);
    if (status == SESSION_OK && writer.status == PROTOCOL_OK) {
        status = session_restore(&wider, buffer_bytes(&saved));
    }
    buffer_finish(&saved);
    if (status != SESSION_OK) {
        session_finish(&wider);
        return status;
    }
    session_adopt_stream(&wider, session);
    session_finish(session);
    *session = wider;
    return SESSION_OK;
}

enum session_status session_declare(struct session *session, struct bytes fields)
{
    struct schema schema = {0};
    struct reader reader = reader_of(fields);
    size_t length = read_array(&reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        read_field(&reader, &schema);
    }
    if (!reader_ok(&reader)) {
        schema_finish(&schema);
        return SESSION_PROTOCOL;
    }
    if (session->declared && is_foreign(session, &schema)) {
        if (!holds_nothing(session)) {
            schema_finish(&schema);
            return SESSION_OTHER_HUB;
        }
        forget_fields(session);
        session->declared = false;
    }
    if (session->declared && !keep_pending(session, &schema)) {
        schema_finish(&schema);
        return SESSION_NO_MEMORY;
    }
    if (session->declared && same_fields(&session->schema, &schema)) {
        schema_finish(&schema);
        return SESSION_OK;
    }
    if (session->declared) {
        return widen(session, &schema);
    }
    session->schema = schema;
    session->declared = true;
    return create_fields(session);
}

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

static bool gathers(const struct session *session, const struct delta *delta, size_t index,
                    const struct packet_seen *seen, size_t length)
{
    bool same = !delta->sent && !delta->rejected &&
                delta->position == (session->has_cursor ? session->cursor : 0) &&
                delta->seen_length == length && keeps_company(session, delta, index);
    for (size_t i = 0; same && i < length; i++) {
        same = delta->seen[i].seq == seen[i].seq &&
               replica_id_equal(&delta->seen[i].replica, &seen[i].replica);
    }
    return same;
}

/* The delta that the next edit joins: the last one, or a new one. */
static struct delta *take_delta(struct session *session, struct outbox *own, size_t index)
{
    struct packet_seen *seen;
    size_t length;
    if (!seen_others(session, own, &seen, &length)) {
        return NULL;
    }
    struct delta *last = own->length == 0 ? NULL : &own->deltas[own->length - 1];
    if (last != NULL && gathers(session, last, index, seen, length)) {
        free(seen);
        return last;
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
    struct delta *delta = own == NULL ? NULL : take_delta(session, own, index);
    if (delta == NULL) {
        made->type->change_destroy(made);
        return SESSION_NO_MEMORY;
    }
    own->claimed[index] = entry;
    own->seq++;
    delta->last = own->seq;
    struct crdt_change *held = delta->changes[index];
    if (held == NULL) {
        delta->changes[index] = made;
        return SESSION_OK;
    }
    enum crdt_status status = made->type->gather(held, made);
    made->type->change_destroy(made);
    return status == CRDT_OK ? SESSION_OK : SESSION_NO_MEMORY;
}

/* The vector of a delta in the numbers that the view's dots carry. */
static size_t vector_of(const struct session *session, const struct delta *delta,
                        struct crdt_seen *vector)
{
    size_t length = 0;
    for (size_t i = 0; i < delta->seen_length; i++) {
        for (size_t k = 0; k < session->length; k++) {
            const struct outbox *box = &session->outboxes[k];
            if (replica_id_equal(&box->replica, &delta->seen[i].replica)) {
                vector[length++] =
                    (struct crdt_seen){.seq = delta->seen[i].seq, .replica = box->index};
            }
        }
    }
    for (size_t i = 1; i < length; i++) { /* few, and nearly in order */
        for (size_t k = i; k > 0 && vector[k - 1].replica > vector[k].replica; k--) {
            struct crdt_seen swapped = vector[k];
            vector[k] = vector[k - 1];
            vector[k - 1] = swapped;
        }
    }
    return length;
}

static enum crdt_status apply_delta(const struct session *session, const struct outbox *box,
                                    const struct delta *delta, size_t index, bool trusted,
                                    struct crdt_field *view, struct crdt_entry *entry)
{
    const struct crdt_change *change = delta->changes[index];
    if (change == NULL || (trusted && crdt_change_is_ahead(change, hub_time(session)))) {
        return CRDT_OK;
    }
    if (delta->rejected) {
        crdt_entry_spend(entry, change);
        return CRDT_OK;
    }
    struct crdt_seen *vector = calloc(delta->seen_length + 1, sizeof *vector);
    if (vector == NULL) {
        return CRDT_NO_MEMORY;
    }
    struct crdt_update update = {
        .first = delta->first,
        .last = delta->last,
        .position = CRDT_POSITION_PENDING,
        .at_ms = hub_time(session),
        .context = {.position = delta->position,
                    .seen = vector,
                    .length = vector_of(session, delta, vector)},
        .replica = box->index,
    };
    enum crdt_status status = crdt_field_check(view, entry, change, &update);
    if (status == CRDT_OK) {
        status = change->type->apply(view, entry, change, &update);
    } else {
        crdt_entry_spend(entry, change); /* the hub will reject it */
        status = CRDT_OK;
    }
    free(vector);
    return status;
}

/* `trusted`: without what the hub will refuse for its clock, which no later edit may follow. */
static struct crdt_field *make_view(const struct session *session, size_t index, bool trusted)
{
    const struct crdt_field *confirmed = session->confirmed[index];
    struct crdt_field *view = confirmed->type->copy(confirmed);
    enum crdt_status status = view == NULL ? CRDT_NO_MEMORY : CRDT_OK;
    for (size_t i = 0; i < session->length && status == CRDT_OK; i++) {
        const struct outbox *box = &session->outboxes[i];
        struct crdt_entry entry = box->settled[index];
        for (size_t k = 0; k < box->length && status == CRDT_OK; k++) {
            status = apply_delta(session, box, &box->deltas[k], index, trusted, view, &entry);
        }
    }
    if (status != CRDT_OK) {
        confirmed->type->destroy(view);
        return NULL;
    }
    return view;
}

/* What the hub would refuse by what is seen now. */
static enum session_status check_edit(const struct session *session, const struct outbox *own,
                                      const struct crdt_field *view, size_t index,
                                      const struct crdt_change *change)
{
    struct crdt_update update = {.first = own->seq + 1,
                                 .last = own->seq + 1,
                                 .position = CRDT_POSITION_PENDING,
                                 .at_ms = hub_time(session),
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
    struct crdt_field *view = looks ? make_view(session, index, true) : NULL;
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
    if (status == SESSION_OK && crdt_change_stamp(change, view, hub_time(session)) != CRDT_OK) {
        status = SESSION_NO_MEMORY;
    }
    if (status == SESSION_OK) {
        status = check_edit(session, own, view, index, change);
    }
    session_destroy_view(view);
    return status;
}

void session_destroy_view(struct crdt_field *view)
{
    if (view != NULL) {
        view->type->destroy(view);
    }
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
    struct crdt_field *view = make_view(session, index, true);
    bool made = change != NULL && view != NULL &&
                refused->type->gather(change, refused) == CRDT_OK &&
                crdt_change_stamp(change, view, hub_time(session)) == CRDT_OK;
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
    const struct schema_field *field =
        schema_field_by_name(&session->schema, (struct bytes){(const uint8_t *)name, strlen(name)});
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

struct crdt_field *session_view(const struct session *session, size_t index)
{
    return make_view(session, index, false);
}

static enum session_status write_field(const struct session *session, size_t index,
                                       struct writer *writer)
{
    struct crdt_field *view = session_view(session, index);
    if (view == NULL) {
        return SESSION_NO_MEMORY;
    }
    session->schema.fields[index].declared.codec->write_json(writer, view);
    view->type->destroy(view);
    return writer->status == PROTOCOL_OK ? SESSION_OK : SESSION_NO_MEMORY;
}

enum session_status session_json(const struct session *session, const char *field,
                                 struct writer *writer)
{
    if (!session->declared) {
        return SESSION_NO_SCHEMA;
    }
    bool found = field == NULL;
    enum session_status status = SESSION_OK;
    json_raw(writer, field == NULL ? "{" : "");
    for (size_t i = 0; i < session->schema.length && status == SESSION_OK; i++) {
        const char *name = session->schema.fields[i].name;
        if (field == NULL) {
            json_raw(writer, i == 0 ? "" : ",");
            json_quoted(writer, (struct bytes){(const uint8_t *)name, strlen(name)});
            json_raw(writer, ":");
            status = write_field(session, i, writer);
        } else if (strcmp(field, name) == 0) {
            found = true;
            status = write_field(session, i, writer);
        }
    }
    json_raw(writer, field == NULL ? "}" : "");
    return found ? status : SESSION_NO_FIELD;
}

uint64_t session_pending(const struct session *session)
{
    uint64_t pending = 0;
    for (size_t i = 0; i < session->length; i++) {
        pending += outbox_pending(&session->outboxes[i]);
    }
    return pending;
}
