/* Field numbers: given once and for ever, in the order in which fields were declared. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/json.h"
#include "server/storage/catalog.h"

/* The first document, by key, that stands in the way of a change; empty: there is none. */
struct holder {
    char key[LIMIT_DOCUMENT_NAME_BYTES + 1];
};

/* `condition` with the field's number as ?2. */
static int find_holder(sqlite3 *database, const char *schema, uint32_t number,
                       const char *condition, struct holder *holder)
{
    sqlite3_stmt *statement = NULL;
    char sql[512];
    holder->key[0] = '\0';
    (void)snprintf(sql, sizeof sql,
                   "SELECT key FROM documents WHERE schema = ?1 AND (%s) ORDER BY key LIMIT 1",
                   condition);
    int rc = database_prepare(database, &statement, sql);
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(schema));
        bind_uint(statement, 2, number);
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(statement, 0);
        (void)snprintf(holder->key, sizeof holder->key, "%s", key == NULL ? "" : key);
        rc = key == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int find_data(sqlite3 *database, const char *schema, uint32_t number, struct holder *holder)
{
    return find_holder(database, schema, number,
                       "EXISTS (SELECT 1 FROM document_fields WHERE document = id AND field = ?2) "
                       "OR EXISTS (SELECT 1 FROM entries WHERE document = id AND field = ?2)",
                       holder);
}

static int find_beyond(sqlite3 *database, const char *schema, const struct schema_field *field,
                       uint32_t number, struct holder *holder)
{
    char condition[256];
    (void)snprintf(condition, sizeof condition,
                   "EXISTS (SELECT 1 FROM entries WHERE document = id AND field = ?2 AND "
                   "(value < %" PRId64 " OR value > %" PRId64 "))",
                   field->declared.crdt.min, field->declared.crdt.max);
    return find_holder(database, schema, number, condition, holder);
}

/* A field's options as JSON: eight maps in each other fit. */
enum { OPTIONS_BYTES = 512 };

struct options_text {
    char text[OPTIONS_BYTES];
};

/* Takes no memory: without any, a field would seem to be declared with other options. */
static struct options_text options_of(const struct schema_field *field)
{
    struct options_text options = {""};
    uint8_t bytes[OPTIONS_BYTES];
    uint8_t text[OPTIONS_BYTES - 1];
    struct buffer packed = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct buffer shown = {.data = text, .capacity = sizeof text, .limit = sizeof text};
    struct writer writer = writer_to(&packed);
    declaration_write_options(&writer, &field->declared);
    struct writer json = writer_to(&shown);
    struct reader reader = reader_of(buffer_bytes(&packed));
    json_value(&json, &reader);
    if (json.status == PROTOCOL_OK) {
        memcpy(options.text, shown.data, shown.length);
    }
    return options;
}

/* What the file knows of a field's name: its newest number, with type and options. */
struct known {
    int64_t number; /* -1: nothing */
    char type[LIMIT_SCHEMA_NAME_BYTES + 1];
    char options[OPTIONS_BYTES];
};

/* SQLITE_NOMEM: a column that holds a text cannot be read. */
static int read_known(sqlite3_stmt *statement, struct known *known)
{
    const char *type = (const char *)sqlite3_column_text(statement, 1);
    const char *options = (const char *)sqlite3_column_text(statement, 2);
    if (type == NULL || options == NULL) {
        return SQLITE_NOMEM;
    }
    known->number = sqlite3_column_int64(statement, 0);
    (void)snprintf(known->type, sizeof known->type, "%s", type);
    (void)snprintf(known->options, sizeof known->options, "%s", options);
    return SQLITE_OK;
}

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
        rc = read_known(statement, known);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
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
                          const struct known *known, const struct holder *holder,
                          struct catalog_error *error)
{
    int length = snprintf(
        error->text, sizeof error->text,
        "field %.64s.%.64s %s of type %.20s %.80s and is declared as %.20s %.80s: ", schema,
        field->name, holder->key[0] != '\0' ? "holds data" : "may hold data", known->type,
        known->options, field->declared.codec->type->name, options_of(field).text);
    size_t at = length < 0 ? 0 : (size_t)length;
    if (holder->key[0] != '\0') {
        (void)snprintf(error->text + at, sizeof error->text - at,
                       "declare it as before, or give the new field another name; the first "
                       "document that has it is %.64s/%.180s",
                       schema, holder->key);
    } else {
        (void)snprintf(error->text + at, sizeof error->text - at,
                       "the journal has updates that are not in the tables yet; start once with "
                       "the old declaration and stop, then change it");
    }
    return false;
}

static int write_options(sqlite3 *database, const char *schema, const struct schema_field *field,
                         const char *options)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement,
                              "UPDATE fields SET options = ?3 WHERE schema = ?1 AND number = ?2");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(schema));
        bind_uint(statement, 2, field->number);
        bind_text(statement, 3, bytes_of_text(options));
        rc = database_run(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

/* Options that change what is allowed, or shown, and not what is stored. */
static bool may_change_options(const struct schema_field *field, const struct known *known)
{
    const struct protocol_codec *codec = field->declared.codec;
    return strcmp(known->type, codec->type->name) == 0 &&
           (codec->takes_bounds || codec->takes_wins);
}

/* Bounds may be widened at any time, and narrowed as far as the values that stand allow. */
static bool change_options(sqlite3 *database, const char *schema, struct schema_field *field,
                           const struct known *known, bool tail, struct catalog_error *error)
{
    struct holder holder = {""};
    bool bounds = field->declared.codec->takes_bounds;
    if (bounds &&
        find_beyond(database, schema, field, (uint32_t)known->number, &holder) != SQLITE_OK) {
        return catalog_fail(database, "the fields cannot be read", error);
    }
    if (holder.key[0] != '\0') {
        (void)snprintf(error->text, sizeof error->text,
                       "field %.64s.%.64s is beyond its new bounds %.80s, first in %.64s/%.180s: "
                       "change the value first, or widen the bounds",
                       schema, field->name, options_of(field).text, schema, holder.key);
        return false;
    }
    if (bounds && tail) {
        return refuse_change(schema, field, known, &holder, error);
    }
    field->number = (uint32_t)known->number;
    return write_options(database, schema, field, options_of(field).text) == SQLITE_OK
               ? true
               : catalog_fail(database, "the fields cannot be written", error);
}

static bool number_field(sqlite3 *database, const char *schema, struct schema_field *field,
                         bool tail, struct catalog_error *error)
{
    struct known known;
    struct holder holder = {""};
    const char *type = field->declared.codec->type->name;
    struct options_text options = options_of(field);
    if (find_field(database, schema, field->name, &known) != SQLITE_OK) {
        return catalog_fail(database, "the fields cannot be read", error);
    }
    if (known.number >= 0 && strcmp(known.type, type) == 0 &&
        strcmp(known.options, options.text) == 0) {
        field->number = (uint32_t)known.number;
        return true;
    }
    if (known.number >= 0 && may_change_options(field, &known)) {
        return change_options(database, schema, field, &known, tail, error);
    }
    if (known.number >= 0 &&
        find_data(database, schema, (uint32_t)known.number, &holder) != SQLITE_OK) {
        return catalog_fail(database, "the fields cannot be read", error);
    }
    if (known.number >= 0 && (holder.key[0] != '\0' || tail)) {
        return refuse_change(schema, field, &known, &holder, error);
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

/* Numbers are given from 0 on, without gaps, and no row ever leaves: a number that is not found
 * would make a field begin anew, without what documents hold of it. */
static const char damaged_sql[] =
    "SELECT schema, number FROM fields AS field WHERE typeof(schema) <> 'text' "
    "OR typeof(name) <> 'text' OR typeof(type) <> 'text' OR typeof(options) <> 'text' "
    "OR typeof(number) <> 'integer' OR number < 0 OR (number > 0 AND NOT EXISTS "
    "(SELECT 1 FROM fields WHERE schema = field.schema AND number = field.number - 1)) LIMIT 1";

static bool check_table(sqlite3 *database, struct catalog_error *error)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement, damaged_sql);
    rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    if (rc == SQLITE_ROW) {
        (void)snprintf(error->text, sizeof error->text,
                       "a row of the table fields is damaged: schema %.64s, number %.20s",
                       sqlite3_column_text(statement, 0), sqlite3_column_text(statement, 1));
    } else if (rc != SQLITE_DONE) {
        (void)catalog_fail(database, "the fields cannot be read", error);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE;
}

bool catalog_fields(sqlite3 *database, struct schema_set *schemas, bool tail,
                    struct catalog_error *error)
{
    if (!check_table(database, error)) {
        return false;
    }
    for (size_t i = 0; i < schemas->length; i++) {
        struct schema *schema = &schemas->schemas[i];
        for (size_t k = 0; k < schema->length; k++) {
            if (!number_field(database, schema->name, &schema->fields[k], tail, error)) {
                return false;
            }
        }
        schema_sort(schema);
    }
    return true;
}
