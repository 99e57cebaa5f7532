#include "server/storage/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "protocol/codec.h"

enum { BOOT_ID_BYTES = 36 };

static bool fail_sql(sqlite3 *database, const char *what, struct catalog_error *error)
{
    (void)snprintf(error->text, sizeof error->text, "%s: %s", what, sqlite3_errmsg(database));
    return false;
}

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static bool has_tables(sqlite3 *database, bool *has)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement,
                              "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'");
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        *has = rc == SQLITE_ROW && sqlite3_column_int(statement, 0) > 0;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW;
}

static bool create_tables(sqlite3 *database, struct catalog_error *error)
{
    bool made = database_exec(database, "BEGIN IMMEDIATE") == SQLITE_OK &&
                database_exec(database, catalog_schema_sql) == SQLITE_OK &&
                meta_write_int(database, "format", CATALOG_FORMAT) == SQLITE_OK &&
                database_exec(database, "COMMIT") == SQLITE_OK;
    return made ? true : fail_sql(database, "the tables cannot be made", error);
}

bool catalog_prepare(sqlite3 *database, const char *path, struct catalog_error *error)
{
    bool has = false;
    int64_t format = 0;
    if (!has_tables(database, &has)) {
        return fail_sql(database, "the file cannot be read", error);
    }
    if (!has) {
        return create_tables(database, error);
    }
    if (meta_read_int(database, "format", &format) != SQLITE_OK) {
        (void)snprintf(error->text, sizeof error->text,
                       "%s is a database, but not one of Syncline's: name another file", path);
        return false;
    }
    if (format != CATALOG_FORMAT) {
        (void)snprintf(error->text, sizeof error->text,
                       "%s has format %lld and this program knows format %d: use the version that "
                       "wrote it, or a newer one",
                       path, (long long)format, CATALOG_FORMAT);
        return false;
    }
    return true;
}

static bool new_journal(sqlite3 *database, struct journal_id *journal)
{
    return getrandom(journal->bytes, sizeof journal->bytes, 0) == sizeof journal->bytes &&
           meta_write_bytes(database, "journal",
                            (struct bytes){journal->bytes, sizeof journal->bytes}) == SQLITE_OK;
}

static bool keep_ancestor(sqlite3 *database, const struct journal_id *journal, uint64_t last)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        database_prepare(database, &statement,
                         "INSERT OR REPLACE INTO ancestors(journal, position) VALUES (?1, ?2)");
    if (rc == SQLITE_OK) {
        bind_bytes(statement, 1, (struct bytes){journal->bytes, sizeof journal->bytes});
        bind_uint(statement, 2, last);
        rc = database_run(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_OK;
}

/* Where the system does not tell its boot id, every start counts as another boot: safe, and rare.
 */
static void read_boot(uint8_t boot[BOOT_ID_BYTES])
{
    memset(boot, 0, BOOT_ID_BYTES);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        size_t length = fread(boot, 1, BOOT_ID_BYTES, file);
        if (length < BOOT_ID_BYTES) {
            memset(boot, 0, BOOT_ID_BYTES);
        }
        (void)fclose(file);
    }
}

bool catalog_journal(sqlite3 *database, bool relaxed, uint64_t last, struct journal_id *journal,
                     struct catalog_error *error)
{
    uint8_t boot[BOOT_ID_BYTES];
    uint8_t before[BOOT_ID_BYTES];
    int64_t clean = 1;
    int64_t was_relaxed = 0;
    read_boot(boot);
    int found = meta_read_bytes(database, "journal", journal->bytes, sizeof journal->bytes);
    bool good = found == SQLITE_OK || found == SQLITE_NOTFOUND;
    good = good && database_exec(database, "BEGIN IMMEDIATE") == SQLITE_OK;
    if (good && found == SQLITE_NOTFOUND) {
        good = new_journal(database, journal);
    } else if (good) {
        int rc = meta_read_int(database, "clean", &clean);
        good = rc == SQLITE_OK && meta_read_int(database, "relaxed", &was_relaxed) == SQLITE_OK &&
               meta_read_bytes(database, "boot", before, sizeof before) == SQLITE_OK;
        bool same_boot = good && boot[0] != 0 && memcmp(boot, before, sizeof boot) == 0;
        if (good && clean == 0 && was_relaxed != 0 && !same_boot) {
            good = keep_ancestor(database, journal, last) && new_journal(database, journal);
        }
    }
    good = good && meta_write_int(database, "clean", 0) == SQLITE_OK &&
           meta_write_int(database, "relaxed", relaxed) == SQLITE_OK &&
           meta_write_bytes(database, "boot", (struct bytes){boot, sizeof boot}) == SQLITE_OK &&
           database_exec(database, "COMMIT") == SQLITE_OK;
    return good ? true : fail_sql(database, "the journal's id cannot be kept", error);
}

static int holds_data(sqlite3 *database, const char *schema, uint32_t number, bool *holds)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement,
                              "SELECT 1 FROM document_fields JOIN documents ON id = document "
                              "WHERE schema = ?1 AND field = ?2 LIMIT 1");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, text_bytes(schema));
        bind_uint(statement, 2, number);
        rc = sqlite3_step(statement);
        *holds = rc == SQLITE_ROW;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* What the file knows of a field's name: its newest number, with type and `of`. */
struct known {
    int64_t number; /* -1: nothing */
    char type[LIMIT_SCHEMA_NAME_BYTES + 1];
    char of[LIMIT_SCHEMA_NAME_BYTES + 1];
};

static int find_field(sqlite3 *database, const char *schema, const char *name, struct known *known)
{
    sqlite3_stmt *statement = NULL;
    known->number = -1;
    int rc = database_prepare(database, &statement,
                              "SELECT number, type, of FROM fields WHERE schema = ?1 AND "
                              "name = ?2 ORDER BY number DESC LIMIT 1");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, text_bytes(schema));
        bind_text(statement, 2, text_bytes(name));
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        known->number = sqlite3_column_int64(statement, 0);
        (void)snprintf(known->type, sizeof known->type, "%s", sqlite3_column_text(statement, 1));
        (void)snprintf(known->of, sizeof known->of, "%s", sqlite3_column_text(statement, 2));
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_field(sqlite3 *database, const char *schema, struct schema_field *field)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(
        database, &statement,
        "INSERT INTO fields(schema, number, name, type, of) VALUES (?1, "
        "(SELECT coalesce(max(number) + 1, 0) FROM fields WHERE schema = ?1), ?2, ?3, ?4) "
        "RETURNING number");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, text_bytes(schema));
        bind_text(statement, 2, text_bytes(field->name));
        bind_text(statement, 3, text_bytes(field->codec->type->name));
        bind_text(statement, 4, text_bytes(element_of_text(field->of)));
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        field->number = (uint32_t)sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    }
    int finished = sqlite3_finalize(statement);
    return rc == SQLITE_OK ? finished : rc;
}

static bool number_field(sqlite3 *database, const char *schema, struct schema_field *field,
                         bool tail, struct catalog_error *error)
{
    struct known known;
    const char *type = field->codec->type->name;
    const char *of = element_of_text(field->of);
    bool holds = false;
    if (find_field(database, schema, field->name, &known) != SQLITE_OK) {
        return fail_sql(database, "the fields cannot be read", error);
    }
    if (known.number >= 0 && strcmp(known.type, type) == 0 && strcmp(known.of, of) == 0) {
        field->number = (uint32_t)known.number;
        return true;
    }
    if (known.number >= 0 &&
        holds_data(database, schema, (uint32_t)known.number, &holds) != SQLITE_OK) {
        return fail_sql(database, "the fields cannot be read", error);
    }
    if (known.number >= 0 && (holds || tail)) {
        (void)snprintf(error->text, sizeof error->text,
                       "field %s.%s holds data of type %s (of %s) and is declared as %s (of %s): "
                       "declare it as before, or give the new field another name",
                       schema, field->name, known.type, known.of, type, of);
        return false;
    }
    if (add_field(database, schema, field) != SQLITE_OK) {
        return fail_sql(database, "the fields cannot be written", error);
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
    if (database_exec(database, "BEGIN IMMEDIATE") != SQLITE_OK) {
        return fail_sql(database, "the fields cannot be written", error);
    }
    for (size_t i = 0; i < schemas->length; i++) {
        struct schema *schema = &schemas->schemas[i];
        for (size_t k = 0; k < schema->length; k++) {
            if (!number_field(database, schema->name, &schema->fields[k], tail, error)) {
                database_rollback(database);
                return false;
            }
        }
        qsort(schema->fields, schema->length, sizeof *schema->fields, by_number);
    }
    if (database_exec(database, "COMMIT") != SQLITE_OK) {
        return fail_sql(database, "the fields cannot be written", error);
    }
    return true;
}

/* Names are letters, digits, `_` and `-`, so quotes are all they need. */
static void view_column(sqlite3_str *sql, const struct schema_field *field)
{
    if (field->codec->collection) {
        sqlite3_str_appendf(sql,
                            ", (SELECT coalesce(json_group_array(json(value)), '%s') FROM "
                            "(SELECT value FROM entries WHERE document = id AND field = %u "
                            "ORDER BY key)) AS \"%s\"",
                            field->codec->empty, field->number, field->name);
    } else {
        sqlite3_str_appendf(sql,
                            ", coalesce((SELECT value FROM entries WHERE document = id AND "
                            "field = %u), %s) AS \"%s\"",
                            field->number, field->codec->empty, field->name);
    }
}

static bool make_view(sqlite3 *database, const struct schema *schema)
{
    sqlite3_str *sql = sqlite3_str_new(database);
    sqlite3_str_appendf(sql,
                        "DROP VIEW IF EXISTS \"%s\"; CREATE VIEW \"%s\" AS "
                        "SELECT key AS \"key\", position AS \"position\"",
                        schema->name, schema->name);
    for (size_t i = 0; i < schema->length; i++) {
        view_column(sql, &schema->fields[i]);
    }
    sqlite3_str_appendf(sql, " FROM documents WHERE schema = '%s'", schema->name);
    char *text = sqlite3_str_finish(sql);
    bool made = text != NULL && database_exec(database, text) == SQLITE_OK;
    sqlite3_free(text);
    return made;
}

bool catalog_views(sqlite3 *database, const struct schema_set *schemas, struct catalog_error *error)
{
    bool made = database_exec(database, "BEGIN IMMEDIATE") == SQLITE_OK;
    for (size_t i = 0; i < schemas->length && made; i++) {
        made = make_view(database, &schemas->schemas[i]);
    }
    if (made && database_exec(database, "COMMIT") == SQLITE_OK) {
        return true;
    }
    (void)fail_sql(database, "the views cannot be made", error);
    database_rollback(database);
    return false;
}
