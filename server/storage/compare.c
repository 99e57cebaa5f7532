#include "server/storage/compare.h"

#include <stdio.h>
#include <string.h>

#include "server/storage/copy.h"
#include "server/storage/database.h"
#include "server/storage/tables_state.h"

enum { SENTENCE_BYTES = 1024 };

#define NAME                                                                                       \
    "coalesce((SELECT schema || '/' || key FROM main.documents WHERE id = r.document), "           \
    "'document ' || r.document)"

struct telling {
    sqlite3 *database;
    compare_told *told;
    void *context;
};

static bool tell_failure(const struct telling *telling, int rc)
{
    char reason[DATABASE_REASON_BYTES];
    database_reason(telling->database, rc, reason);
    telling->told(telling->context, reason);
    return false;
}

/* Each row of the query is a sentence. */
static bool tell_all(const struct telling *telling, const char *sql)
{
    sqlite3_stmt *rows = NULL;
    char sentence[SENTENCE_BYTES];
    size_t count = 0;
    int rc = database_prepare(telling->database, &rows, sql);
    rc = rc == SQLITE_OK ? sqlite3_step(rows) : rc;
    while (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(rows, 0);
        (void)snprintf(sentence, sizeof sentence, "%s", text == NULL ? "" : (const char *)text);
        if (text != NULL && ++count <= COMPARE_TOLD_MAX) {
            telling->told(telling->context, sentence);
        }
        rc = sqlite3_step(rows);
    }
    (void)sqlite3_finalize(rows);
    if (count > COMPARE_TOLD_MAX) {
        (void)snprintf(sentence, sizeof sentence, "and %zu more of this sort",
                       count - COMPARE_TOLD_MAX);
        telling->told(telling->context, sentence);
    }
    return rc == SQLITE_DONE ? true : tell_failure(telling, rc);
}

/* Rows of nobody, of fields that were never declared, and positions and numbers that cannot be. */
#define ORPHANS(table)                                                                             \
    "SELECT '" table                                                                               \
    ": ' || count(*) || ' rows of document ' || document || ', which is not there' "               \
    "FROM " table " WHERE document NOT IN (SELECT id FROM documents) GROUP BY document"
#define UNDECLARED(table)                                                                          \
    "SELECT '" table ": ' || " NAME                                                                \
    " || ': a row of field ' || r.field || ', which was never declared' "                          \
    "FROM " table " r JOIN documents d ON d.id = r.document WHERE NOT EXISTS "                     \
    "(SELECT 1 FROM fields f WHERE f.schema = d.schema AND f.number = r.field)"
#define AHEAD(table)                                                                               \
    "SELECT '" table ": ' || " NAME                                                                \
    " || ': a row has position ' || r.position || ', the document ' "                              \
    "|| d.position FROM " table " r JOIN documents d ON d.id = r.document "                        \
    "WHERE r.position > d.position"

static const char *const inside[] = {
    "SELECT 'integrity_check: ' || integrity_check FROM pragma_integrity_check(100) "
    "WHERE integrity_check <> 'ok'",
    ORPHANS("document_fields"),
    ORPHANS("entries"),
    ORPHANS("removals"),
    ORPHANS("replicas"),
    ORPHANS("rejected"),
    UNDECLARED("document_fields"),
    UNDECLARED("entries"),
    UNDECLARED("removals"),
    AHEAD("document_fields"),
    AHEAD("entries"),
    AHEAD("removals"),
    AHEAD("replicas"),
    "SELECT 'documents: ' || schema || '/' || key || ': position ' || position || ', and the "
    "journal "
    "has given ' || last FROM documents, (SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE "
    "name = 'journal'), 0) AS last) WHERE position > last",
    "SELECT 'replicas: ' || " NAME
    " || ': number ' || r.number || ' is given ' || count(*) || ' times' "
    "FROM replicas r GROUP BY r.document, r.number HAVING count(*) > 1",
    "SELECT 'replicas: ' || " NAME
    " || ': number ' || r.number || ', and the next is ' || d.next_index "
    "FROM replicas r JOIN documents d ON d.id = r.document WHERE r.number >= d.next_index",
    "SELECT 'removals: ' || " NAME
    " || ': field ' || r.field || ', key ' || hex(r.key) || ' is removed, "
    "and there' FROM removals r JOIN entries e USING (document, field, key)",
    "SELECT 'removals: ' || " NAME
    " || ', field ' || r.field || ': position ' || r.position || ', and "
    "those up to ' || f.horizon || ' are forgotten' FROM removals r JOIN document_fields f "
    "USING (document, field) WHERE r.position <= f.horizon",
};

bool compare_inside(const char *path, compare_told *told, void *context)
{
    struct telling telling = {.told = told, .context = context};
    int rc = database_open_reader(&telling.database, path);
    bool good = rc == SQLITE_OK ? true : tell_failure(&telling, rc);
    for (size_t i = 0; i < sizeof inside / sizeof *inside && good; i++) {
        good = tell_all(&telling, inside[i]);
    }
    (void)sqlite3_close(telling.database);
    return good;
}

bool compare_prepare(const char *from, const char *to, char error[STORAGE_ERROR_BYTES])
{
    sqlite3 *database = NULL;
    if (!copy_database(from, to, error)) {
        return false;
    }
    int rc = database_open(&database, to);
    if (rc == SQLITE_OK) {
        rc = database_exec(
            database, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; BEGIN;"
                      "UPDATE documents SET position = 0, next_index = 0, retired = 0;"
                      "DELETE FROM document_fields; DELETE FROM entries; DELETE FROM removals;"
                      "DELETE FROM replicas; DELETE FROM rejected; DELETE FROM journal; COMMIT");
    }
    if (rc != SQLITE_OK) {
        char reason[DATABASE_REASON_BYTES];
        database_reason(database, rc, reason);
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.400s: %s", to, reason);
    }
    (void)sqlite3_close(database);
    return rc == SQLITE_OK;
}

/* A document that could not be loaded was told of, and is not compared; nor is a field that is not
 * declared any more, whose rows nobody loads. */
#define MADE "r.document IN (SELECT id FROM made.documents WHERE position > 0)"
#define DECLARED                                                                                   \
    MADE " AND EXISTS (SELECT 1 FROM declared x JOIN main.documents d ON d.schema = x.schema "     \
         "WHERE d.id = r.document AND x.number = r.field)"
#define DIFFERS(column)                                                                            \
    "CASE WHEN m." column " IS NOT r." column " THEN '; " column " is ' || quote(r." column        \
    ") || ', and comes to ' || quote(m." column ") ELSE '' END"
#define SURPLUS(table, which, keys, shown)                                                         \
    "SELECT '" table ": ' || " NAME " || " shown                                                   \
    " || ': the row does not come of what is loaded' FROM main." table " r WHERE " which           \
    " AND NOT EXISTS (SELECT 1 FROM made." table " m WHERE "                                       \
    "m.document = r.document AND " keys ")"
#define MISSING(table, keys, shown)                                                                \
    "SELECT '" table ": ' || " NAME " || " shown " || ': the row is missing' FROM made." table     \
    " r WHERE NOT EXISTS (SELECT 1 FROM main." table " m WHERE m.document = r.document AND " keys  \
    ")"
#define CHANGED(table, which, keys, shown, columns)                                                \
    "SELECT * FROM (SELECT '" table ": ' || " NAME " || " shown " || ': ' || nullif(" columns      \
    ", '') FROM main." table " r JOIN made." table " m ON m.document = r.document AND " keys       \
    " WHERE " which ") WHERE 1"
#define OF_FIELD "m.field = r.field"
#define SHOWN_FIELD "', field ' || r.field"
#define OF_KEY "m.field = r.field AND m.key = r.key"
#define SHOWN_KEY "', field ' || r.field || ', key ' || hex(r.key)"
#define OF_REPLICA "m.replica = r.replica"
#define SHOWN_REPLICA "', replica ' || hex(r.replica)"

/* A replica's detail has what each field of that time had, and its entries are in the totals. */
static const char *const between[] = {
    "SELECT * FROM (SELECT 'documents: ' || r.schema || '/' || r.key || ': ' || "
    "nullif(" DIFFERS("position") " || " DIFFERS("next_index") " || " DIFFERS(
        "retired") ", '') "
                   "FROM main.documents r JOIN made.documents m USING (id) WHERE m.position > 0)",
    SURPLUS("document_fields", DECLARED, OF_FIELD, SHOWN_FIELD),
    MISSING("document_fields", OF_FIELD, SHOWN_FIELD),
    CHANGED("document_fields", DECLARED, OF_FIELD, SHOWN_FIELD,
            DIFFERS("position") " || " DIFFERS("horizon")),
    SURPLUS("entries", DECLARED, OF_KEY, SHOWN_KEY),
    MISSING("entries", OF_KEY, SHOWN_KEY),
    CHANGED("entries", DECLARED, OF_KEY, SHOWN_KEY,
            DIFFERS("value") " || " DIFFERS("detail") " || " DIFFERS("position")),
    SURPLUS("removals", DECLARED, OF_KEY, SHOWN_KEY),
    MISSING("removals", OF_KEY, SHOWN_KEY),
    CHANGED("removals", DECLARED, OF_KEY, SHOWN_KEY, DIFFERS("position")),
    SURPLUS("replicas", MADE, OF_REPLICA, SHOWN_REPLICA),
    MISSING("replicas", OF_REPLICA, SHOWN_REPLICA),
    CHANGED("replicas", MADE, OF_REPLICA, SHOWN_REPLICA,
            DIFFERS("number") " || " DIFFERS("seq") " || " DIFFERS("position") " || " DIFFERS(
                "at") " || " DIFFERS("principal")),
};

static int attach(sqlite3 *database, const char *made)
{
    return database_exec_text(database, "ATTACH ?1 AS made", made);
}

static int declare(sqlite3 *database, const struct schema_set *schemas)
{
    sqlite3_stmt *insert = NULL;
    int rc = database_exec(database, "CREATE TEMP TABLE declared(schema TEXT, number INTEGER, "
                                     "PRIMARY KEY(schema, number))");
    if (rc == SQLITE_OK) {
        rc = database_prepare(database, &insert, "INSERT INTO declared VALUES (?1, ?2)");
    }
    for (size_t i = 0; i < schemas->length && rc == SQLITE_OK; i++) {
        const struct schema *schema = &schemas->schemas[i];
        for (size_t k = 0; k < schema->length && rc == SQLITE_OK; k++) {
            bind_text(insert, 1, bytes_of_text(schema->name));
            bind_uint(insert, 2, schema->fields[k].number);
            rc = database_run(insert);
        }
    }
    (void)sqlite3_finalize(insert);
    return rc;
}

bool compare_files(const char *path, const char *made, const struct schema_set *schemas,
                   compare_told *told, void *context)
{
    struct telling telling = {.told = told, .context = context};
    int rc = database_open(&telling.database, path);
    rc = rc == SQLITE_OK ? attach(telling.database, made) : rc;
    rc = rc == SQLITE_OK ? declare(telling.database, schemas) : rc;
    bool good = rc == SQLITE_OK ? true : tell_failure(&telling, rc);
    for (size_t i = 0; i < sizeof between / sizeof *between && good; i++) {
        good = tell_all(&telling, between[i]);
    }
    (void)sqlite3_close(telling.database);
    return good;
}

bool compare_names(const char *path, bool (*visit)(void *context, struct bytes name), void *context)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *names = NULL;
    int rc = database_open_reader(&database, path);
    if (rc == SQLITE_OK) {
        rc = database_prepare(database, &names,
                              "SELECT schema || '/' || key FROM documents ORDER BY 1");
    }
    rc = rc == SQLITE_OK ? sqlite3_step(names) : rc;
    while (rc == SQLITE_ROW) {
        rc = visit(context, column_bytes(names, 0)) ? sqlite3_step(names) : SQLITE_ABORT;
    }
    (void)sqlite3_finalize(names);
    (void)sqlite3_close(database);
    return rc == SQLITE_DONE;
}
