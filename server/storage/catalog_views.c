/*
 * Views: what SQL tools query. A view is named like its schema. Where that name is taken by a table
 * of this file, or is one that SQLite keeps for itself, it gets a `_` in front, as no schema's name
 * has.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "protocol/codec.h"
#include "server/storage/catalog.h"

/* Names are letters, digits, `_` and `-`, so quotes are all they need. Rows are JSON; an empty one
 * stands for what does not show. */
static void view_column(sqlite3_str *sql, const struct schema_field *field)
{
    const struct protocol_codec *codec = field->declared.codec;
    switch (codec->shape) {
    case SHAPE_VALUE:
        sqlite3_str_appendf(sql,
                            ", coalesce((SELECT json_extract(value, '$') FROM entries WHERE "
                            "document = id AND field = %u), json_extract('%s', '$'))",
                            field->number, codec->empty);
        break;
    case SHAPE_LIST:
        sqlite3_str_appendf(sql,
                            ", (SELECT json_group_array(json(value)) FROM (SELECT value FROM "
                            "entries WHERE document = id AND field = %u AND value <> '' "
                            "ORDER BY key))",
                            field->number);
        break;
    case SHAPE_OBJECT:
        sqlite3_str_appendf(sql,
                            ", (SELECT json_group_object(key, json(value)) FROM (SELECT "
                            "CAST(key AS TEXT) AS key, value FROM entries WHERE document = id "
                            "AND field = %u ORDER BY key))",
                            field->number);
        break;
    }
    sqlite3_str_appendf(sql, " AS \"%s\"", field->name);
}

static int is_taken(sqlite3 *database, const char *name, bool *taken)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement,
                              "SELECT ?1 LIKE 'sqlite~_%' ESCAPE '~' OR EXISTS (SELECT 1 FROM "
                              "sqlite_schema WHERE lower(name) = lower(?1) AND type <> 'view')");
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(name));
        rc = sqlite3_step(statement);
        *taken = sqlite3_column_int(statement, 0) != 0;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static bool make_view(sqlite3 *database, const struct schema *schema)
{
    bool taken = false;
    if (is_taken(database, schema->name, &taken) != SQLITE_OK) {
        return false;
    }
    const char *prefix = taken ? "_" : "";
    sqlite3_str *sql = sqlite3_str_new(database);
    sqlite3_str_appendf(sql,
                        "DROP VIEW IF EXISTS \"%s%s\"; CREATE VIEW \"%s%s\" AS "
                        "SELECT documents.key AS \"key\", documents.position AS \"position\"",
                        prefix, schema->name, prefix, schema->name);
    for (size_t i = 0; i < schema->length; i++) {
        view_column(sql, &schema->fields[i]);
    }
    sqlite3_str_appendf(sql, " FROM documents WHERE schema = '%s'", schema->name);
    char *text = sqlite3_str_finish(sql);
    bool made = text != NULL && database_exec(database, text) == SQLITE_OK;
    sqlite3_free(text);
    return made;
}

/* SQL's names are the same in capitals. */
static bool names_differ(const struct schema_set *schemas, struct catalog_error *error)
{
    for (size_t i = 0; i < schemas->length; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *one = schemas->schemas[k].name;
            const char *other = schemas->schemas[i].name;
            if (strcasecmp(one, other) == 0) {
                (void)snprintf(error->text, sizeof error->text,
                               "the schemas %s and %s would have one SQL view: rename one of them",
                               one, other);
                return false;
            }
        }
    }
    return true;
}

bool catalog_views(sqlite3 *database, const struct schema_set *schemas, struct catalog_error *error)
{
    if (!names_differ(schemas, error)) {
        return false;
    }
    for (size_t i = 0; i < schemas->length; i++) {
        if (!make_view(database, &schemas->schemas[i])) {
            return catalog_fail(database, "the views cannot be made", error);
        }
    }
    return true;
}
