/* Field numbers: given once and for ever, in the order in which fields were declared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/json.h"
#include "server/storage/catalog.h"

static int holds_data(sqlite3 *database, const char *schema, uint32_t number, bool *holds)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement,
                              "SELECT 1 FROM documents WHERE schema = ?1 AND ("
                              "EXISTS (SELECT 1 FROM document_fields WHERE document = id AND "
                              "field = ?2) OR EXISTS (SELECT 1 FROM entries WHERE document = id "
                              "AND field = ?2)) LIMIT 1");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(schema));
        bind_uint(statement, 2, number);
        rc = sqlite3_step(statement);
        *holds = rc == SQLITE_ROW;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A field's options as JSON: eight maps in each other fit. */
enum { OPTIONS_BYTES = 512 };

struct options_text {
    char text[OPTIONS_BYTES];
};

static struct options_text options_of(const struct schema_field *field)
{
    struct options_text options = {""};
    struct buffer packed;
    struct buffer shown;
    buffer_init(&packed, OPTIONS_BYTES);
    buffer_init(&shown, OPTIONS_BYTES - 1);
    struct writer writer = writer_to(&packed);
    declaration_write_options(&writer, &field->declared);
    struct writer json = writer_to(&shown);
    struct reader reader = reader_of(buffer_bytes(&packed));
    json_value(&json, &reader);
    if (json.status == PROTOCOL_OK && shown.length > 0) {
        memcpy(options.text, shown.data, shown.length);
    }
    buffer_finish(&packed);
    buffer_finish(&shown);
    return options;
}

/* What the file knows of a field's name: its newest number, with type and options. */
struct known {
    int64_t number; /* -1: nothing */
    char type[LIMIT_SCHEMA_NAME_BYTES + 1];
    char options[OPTIONS_BYTES];
};

static int find_field(sqlite3 *database, const char *schema, const char *name, struct known *known)
{
    sqlite3_stmt *statement = NULL;
    known->number = -1;
    int rc = database_prepare(database, &statement,
                              "SELECT number, type, options FROM fields WHERE schema = ?1 AND "
                              "name = ?2 ORDER BY number DESC LIMIT 1");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(schema));
        bind_text(statement, 2, bytes_of_text(name));
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        known->number = sqlite3_column_int64(statement, 0);
        (void)snprintf(known->type, sizeof known->type, "%s", sqlite3_column_text(statement, 1));
        (void)snprintf(known->options, sizeof known->options, "%s",
                       sqlite3_column_text(statement, 2));
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_field(sqlite3 *database, const char *schema, struct schema_field *field)
{
    struct options_text options = options_of(field);
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(
        database, &statement,
        "INSERT INTO fields(schema, number, name, type, options) VALUES (?1, "
        "(SELECT coalesce(max(number) + 1, 0) FROM fields WHERE schema = ?1), ?2, ?3, ?4) "
        "RETURNING number");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(schema));
        bind_text(statement, 2, bytes_of_text(field->name));
        bind_text(statement, 3, bytes_of_text(field->declared.codec->type->name));
        bind_text(statement, 4, bytes_of_text(options.text));
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        field->number = (uint32_t)sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    }
    int finished = sqlite3_finalize(statement);
    return rc == SQLITE_OK ? finished : rc;
}

static bool refuse_change(const char *schema, const struct schema_field *field,
                          const struct known *known, bool holds, struct catalog_error *error)
{
    (void)snprintf(error->text, sizeof error->text,
                   "field %.64s.%.64s %s of type %.20s %.80s and is declared as %.20s %.80s: %s",
                   schema, field->name, holds ? "holds data" : "may hold data", known->type,
                   known->options, field->declared.codec->type->name, options_of(field).text,
                   holds ? "declare it as before, or give the new field another name"
                         : "the journal has updates that are not in the tables yet; start once "
                           "with the old declaration and stop, then change it");
    return false;
}

static bool number_field(sqlite3 *database, const char *schema, struct schema_field *field,
                         bool tail, struct catalog_error *error)
{
    struct known known;
    const char *type = field->declared.codec->type->name;
    struct options_text options = options_of(field);
    bool holds = false;
    if (find_field(database, schema, field->name, &known) != SQLITE_OK) {
        return catalog_fail(database, "the fields cannot be read", error);
    }
    if (known.number >= 0 && strcmp(known.type, type) == 0 &&
        strcmp(known.options, options.text) == 0) {
        field->number = (uint32_t)known.number;
        return true;
    }
    if (known.number >= 0 &&
        holds_data(database, schema, (uint32_t)known.number, &holds) != SQLITE_OK) {
        return catalog_fail(database, "the fields cannot be read", error);
    }
    if (known.number >= 0 && (holds || tail)) {
        return refuse_change(schema, field, &known, holds, error);
    }
    if (add_field(database, schema, field) != SQLITE_OK) {
        return catalog_fail(database, "the fields cannot be written", error);
    }
    if (field->number >= LIMIT_FIELDS) {
        (void)snprintf(error->text, sizeof error->text,
                       "field %s.%s would be one too many: a schema has had at most %d fields, "
                       "those that were dropped included",
                       schema, field->name, LIMIT_FIELDS);
        return false;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = ((const struct schema_field *)a)->number;
    uint32_t right = ((const struct schema_field *)b)->number;
    return (left > right) - (left < right);
}

bool catalog_fields(sqlite3 *database, struct schema_set *schemas, bool tail,
                    struct catalog_error *error)
{
    for (size_t i = 0; i < schemas->length; i++) {
        struct schema *schema = &schemas->schemas[i];
        for (size_t k = 0; k < schema->length; k++) {
            if (!number_field(database, schema->name, &schema->fields[k], tail, error)) {
                return false;
            }
        }
        qsort(schema->fields, schema->length, sizeof *schema->fields, by_number);
    }
    return true;
}
