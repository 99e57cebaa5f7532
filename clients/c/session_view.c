/* What is seen: the hub's state with every pending edit on top, by the hub's own rules. */
#include <stdlib.h>

#include "clients/c/session_state.h"
#include "protocol/json.h"

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
                break;
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
    if (change == NULL || (trusted && crdt_change_is_ahead(change, session_hub_time(session)))) {
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
        .at_ms = session_hub_time(session),
        .context = {.position = delta->position,
                    .seen = vector,
                    .length = vector_of(session, delta, vector)},
        .replica = box->index,
    };
    enum crdt_status status = crdt_field_check(view, entry, change, &update);
    if (status == CRDT_OK) {
        status = change->type->apply(view, entry, change, &update);
    } else if (status != CRDT_NO_MEMORY) {
        crdt_entry_spend(entry, change); /* the hub will reject it */
        status = CRDT_OK;
    }
    free(vector);
    return status;
}

struct crdt_field *session_make_view(const struct session *session, size_t index, bool trusted)
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

void session_destroy_view(struct crdt_field *view)
{
    if (view != NULL) {
        view->type->destroy(view);
    }
}

struct crdt_field *session_view(const struct session *session, size_t index)
{
    return session_make_view(session, index, false);
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

static enum session_status write_all(const struct session *session, struct writer *writer)
{
    enum session_status status = SESSION_OK;
    const char *before = "{";
    for (size_t i = 0; i < session->schema.length && status == SESSION_OK; i++) {
        const struct schema_field *field = &session->schema.fields[i];
        if (field->aside) {
            continue;
        }
        json_raw(writer, before);
        json_quoted(writer, bytes_of_text(field->name));
        json_raw(writer, ":");
        status = write_field(session, i, writer);
        before = ",";
    }
    json_raw(writer, *before == '{' ? "{}" : "}");
    return status;
}

enum session_status session_json(const struct session *session, const char *field,
                                 struct writer *writer)
{
    if (!session->declared) {
        return SESSION_NO_SCHEMA;
    }
    if (field == NULL) {
        return write_all(session, writer);
    }
    const struct schema_field *found = schema_field_by_name(&session->schema, bytes_of_text(field));
    return found == NULL ? SESSION_NO_FIELD
                         : write_field(session, (size_t)(found - session->schema.fields), writer);
}
