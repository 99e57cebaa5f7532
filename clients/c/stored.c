#include "clients/c/stored.h"

#include <stdio.h>
#include <string.h>

struct schema_name {
    char text[LIMIT_DOCUMENT_NAME_BYTES + 1];
};

static struct schema_name schema_of(const struct session *session)
{
    struct schema_name schema;
    (void)snprintf(schema.text, sizeof schema.text, "%s", session->name);
    schema.text[strcspn(schema.text, "/")] = '\0';
    return schema;
}

bool stored_load(struct store *store, struct session *session)
{
    struct buffer saved;
    enum session_status status = SESSION_OK;
    buffer_init(&saved, LIMIT_BODY_BYTES);
    bool read = store_get(store, session->name, &saved);
    if (read && saved.length > 0) {
        status = session_load(session, buffer_bytes(&saved));
    } else if (read) {
        read = store_get_schema(store, schema_of(session).text, &saved);
        if (read && saved.length > 0) {
            status = session_remember(session, buffer_bytes(&saved));
        }
    }
    buffer_finish(&saved);
    return read && status == SESSION_OK;
}

static bool save_schema(struct store *store, const struct session *session, struct buffer *bytes)
{
    struct writer writer = writer_to(bytes);
    buffer_clear(bytes);
    session_write_fields(session, &writer);
    return writer.status == PROTOCOL_OK &&
           store_put_schema(store, schema_of(session).text, buffer_bytes(bytes));
}

bool stored_save(struct store *store, struct session *session)
{
    struct buffer bytes;
    if (!session->declared) {
        return true;
    }
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    session_save(session, &writer);
    bool saved =
        writer.status == PROTOCOL_OK &&
        store_put(store, session->name, buffer_bytes(&bytes), session_pending(session) > 0) &&
        save_schema(store, session, &bytes);
    buffer_finish(&bytes);
    return saved;
}
