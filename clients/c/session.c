/* The document, its fields, and what is held; session_edit.c has the edits, session_view.c what is
 * seen, session_stream.c the stream, session_save.c what is kept. */
#include "clients/c/session.h"

#include <stdlib.h>
#include <string.h>

#include "clients/c/session_state.h"

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

uint64_t session_hub_time(const struct session *session)
{
    return (uint64_t)((int64_t)session->now_ms + session->clock_ahead);
}

static void forget_confirmed(struct session *session)
{
    for (size_t i = 0; session->confirmed != NULL && i < session->schema.length; i++) {
        if (session->confirmed[i] != NULL) {
            session->confirmed[i]->type->destroy(session->confirmed[i]);
        }
    }
    free(session->confirmed);
    session->confirmed = NULL;
}

static void forget_fields(struct session *session)
{
    forget_confirmed(session);
    schema_finish(&session->schema);
    session->schema = (struct schema){0};
}

struct schema session_take_schema(struct session *session)
{
    struct schema taken = session->schema;
    forget_confirmed(session);
    session->schema = (struct schema){0};
    return taken;
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

/* Who says what fields there are. */
enum source {
    SOURCE_HUB,  /* `generate` writes their names into code: no two have the same */
    SOURCE_STORE /* a field that has begun anew may stand beside one whose edits wait, aside */
};

/* Numbers ascend, and find a field. */
static bool is_next(const struct schema *schema, uint64_t number, struct bytes name,
                    enum source source)
{
    bool ascends = schema->length == 0 || number > schema->fields[schema->length - 1].number;
    return ascends && number <= UINT32_MAX && schema_name_valid(name) &&
           (source == SOURCE_STORE || schema_field_by_name(schema, name) == NULL);
}

static void read_field(struct reader *reader, struct schema *schema, enum source source)
{
    size_t more = read_tuple(reader, 4);
    uint64_t number = read_uint(reader);
    struct bytes name = read_string(reader, LIMIT_SCHEMA_NAME_BYTES);
    struct declaration declared;
    bool known = declaration_read(reader, &declared);
    bool says = source == SOURCE_STORE && more > 0;
    bool aside = says && read_bool(reader);
    reader_skip(reader, more - says);
    if (!known) {
        return; /* of a type that a later client knows */
    }
    if (!is_next(schema, number, name, source)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
        declaration_finish(&declared);
        return;
    }
    struct schema_field *field = reader_ok(reader) ? schema_add_field(schema, name) : NULL;
    if (field == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        declaration_finish(&declared);
        return;
    }
    field->declared = declared;
    field->number = (uint32_t)number;
    field->aside = aside;
}

static bool same_fields(const struct schema *a, const struct schema *b)
{
    bool same = a->length == b->length;
    for (size_t i = 0; same && i < a->length; i++) {
        same = a->fields[i].number == b->fields[i].number &&
               a->fields[i].aside == b->fields[i].aside &&
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

/* A field that the hub serves no more stays aside as long as an edit of it waits: that is sent as
 * it was made and refused with a sentence, instead of vanishing. False: no memory. */
static bool keep_pending(const struct session *session, struct schema *schema)
{
    for (size_t i = 0; i < session->schema.length; i++) {
        const struct schema_field *field = &session->schema.fields[i];
        if (schema_field_by_number(schema, field->number) != NULL || !is_pending(session, i)) {
            continue;
        }
        struct bytes name = bytes_of_text(field->name);
        struct schema_field *kept = schema_add_field(schema, name);
        if (kept == NULL || !copy_declaration(&kept->declared, &field->declared)) {
            return false;
        }
        kept->number = field->number;
        kept->aside = true;
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
    if (writer.status != PROTOCOL_OK) {
        status = SESSION_NO_MEMORY;
    }
    if (status == SESSION_OK) {
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

static enum session_status declare(struct session *session, struct bytes fields, enum source source)
{
    struct schema schema = {0};
    struct reader reader = reader_of(fields);
    size_t length = read_array(&reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        read_field(&reader, &schema, source);
    }
    if (!reader_ok(&reader)) {
        schema_finish(&schema);
        return session_status_of(&reader);
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
    session->declared = create_fields(session) == SESSION_OK;
    if (!session->declared) {
        forget_fields(session);
        return SESSION_NO_MEMORY;
    }
    return SESSION_OK;
}

enum session_status session_declare(struct session *session, struct bytes fields)
{
    return declare(session, fields, SOURCE_HUB);
}

enum session_status session_remember(struct session *session, struct bytes fields)
{
    return declare(session, fields, SOURCE_STORE);
}

uint64_t session_pending(const struct session *session)
{
    uint64_t pending = 0;
    for (size_t i = 0; i < session->length; i++) {
        pending += outbox_pending(&session->outboxes[i]);
    }
    return pending;
}
