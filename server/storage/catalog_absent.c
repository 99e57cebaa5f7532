/*
 * Absences: which fields the file knows that nobody declares now, and up to where clients that have
 * seen a document may not have seen such a field, since it was away. In `meta`:
 *
 *     absent:SCHEMA.NUMBER    it is not declared
 *     since:SCHEMA.NUMBER     the last position of the journal when it came back
 */
#include <stdio.h>

#include "server/storage/catalog.h"

enum { KEY_BYTES = LIMIT_SCHEMA_NAME_BYTES + 32 };

struct meta_key {
    char text[KEY_BYTES];
};

static struct meta_key key_of(const char *what, const char *schema, uint32_t number)
{
    struct meta_key key;
    (void)snprintf(key.text, sizeof key.text, "%s:%s.%u", what, schema, number);
    return key;
}

static int forget(sqlite3 *database, const char *key)
{
    return database_exec_text(database, "DELETE FROM meta WHERE key = ?1", key);
}

static int note_back(sqlite3 *database, const char *schema, struct schema_field *field,
                     uint64_t last)
{
    int64_t value = 0;
    struct meta_key absent = key_of("absent", schema, field->number);
    struct meta_key since = key_of("since", schema, field->number);
    int rc = meta_read_int(database, absent.text, &value);
    if (rc == SQLITE_OK) {
        rc = meta_write_int(database, since.text, (int64_t)last);
        rc = rc == SQLITE_OK ? forget(database, absent.text) : rc;
    } else if (rc == SQLITE_NOTFOUND) {
        rc = SQLITE_OK;
    }
    if (rc == SQLITE_OK) {
        rc = meta_read_int(database, since.text, &value);
    }
    field->since = rc == SQLITE_OK && value > 0 ? (uint64_t)value : 0;
    return rc == SQLITE_NOTFOUND ? SQLITE_OK : rc;
}

static bool is_declared(const struct schema_set *schemas, const char *name, int64_t number)
{
    const struct schema *schema = schema_find(schemas, bytes_of_text(name));
    return schema != NULL && schema_field_by_number(schema, (uint64_t)number) != NULL;
}

static int note_absent(sqlite3 *database, const struct schema_set *schemas)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement, "SELECT schema, number FROM fields");
    rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    while (rc == SQLITE_ROW) {
        const char *schema = (const char *)sqlite3_column_text(statement, 0);
        int64_t number = sqlite3_column_int64(statement, 1);
        if (schema == NULL) {
            rc = SQLITE_NOMEM;
        } else if (!is_declared(schemas, schema, number)) {
            struct meta_key absent = key_of("absent", schema, (uint32_t)number);
            rc = meta_write_int(database, absent.text, 1);
        } else {
            rc = SQLITE_OK;
        }
        rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

bool catalog_absences(sqlite3 *database, struct schema_set *schemas, uint64_t last,
                      struct catalog_error *error)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < schemas->length && rc == SQLITE_OK; i++) {
        struct schema *schema = &schemas->schemas[i];
        for (size_t k = 0; k < schema->length && rc == SQLITE_OK; k++) {
            rc = note_back(database, schema->name, &schema->fields[k], last);
        }
    }
    rc = rc == SQLITE_OK ? note_absent(database, schemas) : rc;
    return rc == SQLITE_OK ? true : catalog_fail(database, "the fields cannot be noted", error);
}
