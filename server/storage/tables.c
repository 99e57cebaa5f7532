#include "server/storage/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/storage/browse.h"
#include "server/storage/walk.h"

#define STATEMENT_LIST(X)                                                                          \
    X(put_document, "INSERT INTO documents(schema, key, position, next_index, retired) "           \
                    "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(schema, key) DO UPDATE SET "          \
                    "position = excluded.position, next_index = excluded.next_index, "             \
                    "retired = excluded.retired "                                                  \
                    "RETURNING id")                                                                \
    X(put_field, "INSERT INTO document_fields(document, field, position, horizon) "                \
                 "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "                              \
                 "position = excluded.position, horizon = excluded.horizon")                       \
    X(forget_removals, "DELETE FROM removals WHERE document = ?1 AND field = ?2 "                  \
                       "AND position <= ?3")                                                       \
    X(put_entry, "INSERT INTO entries(document, field, key, position, value, detail) "             \
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET "                      \
                 "position = excluded.position, value = excluded.value, "                          \
                 "detail = excluded.detail")                                                       \
    X(drop_entry, "DELETE FROM entries WHERE document = ?1 AND field = ?2 AND key = ?3")           \
    X(put_removal, "INSERT INTO removals(document, field, key, position) "                         \
                   "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "                            \
                   "position = excluded.position")                                                 \
    X(any_removal, "SELECT 1 FROM removals WHERE document = ?1 LIMIT 1")                           \
    X(drop_removal, "DELETE FROM removals WHERE document = ?1 AND field = ?2 AND key = ?3")        \
    X(put_replica, "INSERT INTO replicas(document, replica, number, seq, position, at, detail, "   \
                   "principal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE "     \
                   "SET number = excluded.number, seq = excluded.seq, position = "                 \
                   "excluded.position, at = excluded.at, "                                         \
                   "detail = excluded.detail, principal = excluded.principal")                     \
    X(drop_replica, "DELETE FROM replicas WHERE document = ?1 AND replica = ?2")                   \
    X(put_rejected, "INSERT OR REPLACE INTO rejected(document, replica, seq, at, code, text, "     \
                    "packet) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                 \
    X(bound_rejected, "DELETE FROM rejected WHERE rowid <= "                                       \
                      "(SELECT max(rowid) FROM rejected) - 10000")                                 \
    X(get_document, "SELECT id, position, next_index, retired FROM documents "                     \
                    "WHERE schema = ?1 AND key = ?2")                                              \
    X(get_fields, "SELECT field, position, horizon FROM document_fields WHERE document = ?1")      \
    X(get_entries, "SELECT field, key, position, detail FROM entries WHERE document = ?1 "         \
                   "ORDER BY position")                                                            \
    X(get_removals, "SELECT field, key, position FROM removals WHERE document = ?1 "               \
                    "ORDER BY position")                                                           \
    X(get_replica, "SELECT number, seq, position, at, detail, principal FROM replicas "            \
                   "WHERE document = ?1 AND replica = ?2")

struct tables {
#define X(name, sql) sqlite3_stmt *name;
    STATEMENT_LIST(X)
#undef X
    struct walk *walk;
    struct browse *browse;
    int64_t document;  /* that the rows belong to; 0: none yet */
    bool removals;     /* it may have some; while storing */
    struct bytes name; /* of the document being loaded; borrowed */
    char damage[512];
};

static struct tables *tables_open(sqlite3 *database, bool writer)
{
    struct tables *tables = calloc(1, sizeof *tables);
    bool ready = tables != NULL;
#define X(name, sql)                                                                               \
    ready = ready && ((!writer && strncmp(sql, "SELECT", 6) != 0) ||                               \
                      database_prepare(database, &tables->name, sql) == SQLITE_OK);
    STATEMENT_LIST(X)
#undef X
    ready = ready && (tables->walk = walk_open(database)) != NULL &&
            (tables->browse = browse_open(database)) != NULL;
    if (!ready) {
        tables_close(tables);
        return NULL;
    }
    return tables;
}

struct tables *tables_open_writer(sqlite3 *database) { return tables_open(database, true); }

struct tables *tables_open_reader(sqlite3 *database) { return tables_open(database, false); }

void tables_close(struct tables *tables)
{
    if (tables == NULL) {
        return;
    }
#define X(name, sql) (void)sqlite3_finalize(tables->name);
    STATEMENT_LIST(X)
#undef X
    walk_close(tables->walk);
    browse_close(tables->browse);
    free(tables);
}

/* `schema/key`. False: no slash. */
static bool split_name(struct bytes name, struct bytes *schema, struct bytes *key)
{
    const uint8_t *slash = name.length == 0 ? NULL : memchr(name.data, '/', name.length);
    if (slash == NULL) {
        return false;
    }
    *schema = (struct bytes){name.data, (size_t)(slash - name.data)};
    *key = (struct bytes){slash + 1, name.length - schema->length - 1};
    return true;
}

static void bind_element(sqlite3_stmt *statement, const struct tables *tables,
                         const struct row *row)
{
    bind_uint(statement, 1, (uint64_t)tables->document);
    bind_uint(statement, 2, row->field);
    bind_bytes(statement, 3, row->key);
}

/* Most documents have none, and then their entries need not look for one each. */
static int look_for_removals(struct tables *tables)
{
    bind_uint(tables->any_removal, 1, (uint64_t)tables->document);
    int rc = sqlite3_step(tables->any_removal);
    tables->removals = rc != SQLITE_DONE;
    int reset = sqlite3_reset(tables->any_removal);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : reset;
}

static int store_document(struct tables *tables, const struct row *row)
{
    struct bytes schema;
    struct bytes key;
    if (!split_name(row->name, &schema, &key)) {
        return SQLITE_MISMATCH;
    }
    bind_text(tables->put_document, 1, schema);
    bind_text(tables->put_document, 2, key);
    bind_uint(tables->put_document, 3, row->position);
    bind_uint(tables->put_document, 4, row->next_index);
    bind_uint(tables->put_document, 5, row->retired_ms);
    int rc = sqlite3_step(tables->put_document);
    if (rc == SQLITE_ROW) {
        tables->document = sqlite3_column_int64(tables->put_document, 0);
    }
    int reset = sqlite3_reset(tables->put_document);
    rc = rc == SQLITE_ROW ? reset : rc;
    return rc == SQLITE_OK ? look_for_removals(tables) : rc;
}

static int store_field(struct tables *tables, const struct row *row)
{
    bind_uint(tables->put_field, 1, (uint64_t)tables->document);
    bind_uint(tables->put_field, 2, row->field);
    bind_uint(tables->put_field, 3, row->position);
    bind_uint(tables->put_field, 4, row->horizon);
    int rc = database_run(tables->put_field);
    if (rc != SQLITE_OK || row->horizon == 0) {
        return rc;
    }
    bind_uint(tables->forget_removals, 1, (uint64_t)tables->document);
    bind_uint(tables->forget_removals, 2, row->field);
    bind_uint(tables->forget_removals, 3, row->horizon);
    return database_run(tables->forget_removals);
}

/* The shape of a JSON integer, and within SQLite's range. */
static bool read_integer(struct bytes text, sqlite3_int64 *number)
{
    char digits[24];
    char *end = digits;
    if (text.length == 0 || text.length >= sizeof digits ||
        (text.data[0] != '-' && (text.data[0] < '0' || text.data[0] > '9'))) {
        return false;
    }
    memcpy(digits, text.data, text.length);
    digits[text.length] = '\0';
    errno = 0;
    *number = strtoll(digits, &end, 10);
    return errno == 0 && end == digits + text.length;
}

/* A plain number is stored as one, so that SQL can add it up. */
static void bind_shown(sqlite3_stmt *statement, int index, struct bytes shown)
{
    sqlite3_int64 number = 0;
    if (read_integer(shown, &number)) {
        (void)sqlite3_bind_int64(statement, index, number);
    } else {
        bind_text(statement, index, shown);
    }
}

static int drop_removal(struct tables *tables, const struct row *row)
{
    if (!tables->removals) {
        return SQLITE_OK;
    }
    bind_element(tables->drop_removal, tables, row);
    return database_run(tables->drop_removal);
}

static int store_entry(struct tables *tables, const struct row *row)
{
    int rc = drop_removal(tables, row);
    if (rc != SQLITE_OK) {
        return rc;
    }
    bind_element(tables->put_entry, tables, row);
    bind_uint(tables->put_entry, 4, row->position);
    bind_shown(tables->put_entry, 5, row->shown);
    bind_bytes(tables->put_entry, 6, row->detail);
    return database_run(tables->put_entry);
}

static int store_removal(struct tables *tables, const struct row *row)
{
    bind_element(tables->drop_entry, tables, row);
    int rc = database_run(tables->drop_entry);
    if (rc != SQLITE_OK) {
        return rc;
    }
    tables->removals = true;
    bind_element(tables->put_removal, tables, row);
    bind_uint(tables->put_removal, 4, row->position);
    return database_run(tables->put_removal);
}

static int store_replica(struct tables *tables, const struct row *row)
{
    bind_uint(tables->put_replica, 1, (uint64_t)tables->document);
    bind_bytes(tables->put_replica, 2, replica_id_bytes(&row->replica));
    bind_uint(tables->put_replica, 3, row->index);
    bind_uint(tables->put_replica, 4, row->seq);
    bind_uint(tables->put_replica, 5, row->position);
    bind_uint(tables->put_replica, 6, row->at_ms);
    bind_bytes(tables->put_replica, 7, row->detail);
    bind_bytes(tables->put_replica, 8, row->principal);
    return database_run(tables->put_replica);
}

static int drop_replica(struct tables *tables, const struct row *row)
{
    bind_uint(tables->drop_replica, 1, (uint64_t)tables->document);
    bind_bytes(tables->drop_replica, 2, replica_id_bytes(&row->replica));
    return database_run(tables->drop_replica);
}

static int store_rejected(struct tables *tables, const struct row *row)
{
    bind_uint(tables->put_rejected, 1, (uint64_t)tables->document);
    bind_bytes(tables->put_rejected, 2, replica_id_bytes(&row->replica));
    bind_uint(tables->put_rejected, 3, row->seq);
    bind_uint(tables->put_rejected, 4, row->at_ms);
    bind_text(tables->put_rejected, 5, row->code);
    bind_text(tables->put_rejected, 6, row->text);
    bind_bytes(tables->put_rejected, 7, row->detail);
    int rc = database_run(tables->put_rejected);
    return rc == SQLITE_OK ? database_run(tables->bound_rejected) : rc;
}

static int store_row(struct tables *tables, const struct row *row)
{
    if (row->kind != ROW_DOCUMENT && tables->document == 0) {
        return SQLITE_MISMATCH;
    }
    switch (row->kind) {
    case ROW_DOCUMENT:
        return store_document(tables, row);
    case ROW_FIELD:
        return store_field(tables, row);
    case ROW_ENTRY:
        return store_entry(tables, row);
    case ROW_REMOVAL:
        return store_removal(tables, row);
    case ROW_REPLICA:
        return store_replica(tables, row);
    case ROW_REJECTED:
        return store_rejected(tables, row);
    case ROW_RETIRED:
        return drop_replica(tables, row);
    case ROW_SILENT:
    case ROW_WALKED:
        return SQLITE_MISMATCH;
    }
    return SQLITE_MISMATCH;
}

int tables_store_some(struct tables *tables, struct reader *rows, tables_is_enough *is_enough,
                      void *context, bool *more)
{
    struct reader reader = *rows;
    struct reader before = reader;
    struct row row;
    int rc = SQLITE_OK;
    tables->document = 0;
    while (rc == SQLITE_OK && row_read(&reader, &row)) {
        size_t written = rows->left.length - before.left.length;
        if (row.kind == ROW_DOCUMENT && written > 0 && is_enough(context, written)) {
            reader = before;
            break;
        }
        rc = store_row(tables, &row);
        before = reader;
    }
    if (rc == SQLITE_OK && !reader_ok(&reader)) {
        rc = SQLITE_MISMATCH;
    }
    if (rc == SQLITE_OK) {
        *rows = reader;
        *more = reader.left.length > 0;
    }
    return rc;
}

static bool never_enough(void *context, size_t written_bytes)
{
    (void)context;
    (void)written_bytes;
    return false;
}

int tables_store(struct tables *tables, struct bytes rows)
{
    struct reader reader = reader_of(rows);
    bool more = false;
    return tables_store_some(tables, &reader, never_enough, NULL, &more);
}

/* --- loading --- */

/* Takes the columns of the current row. False: they are not what was written there. */
typedef bool take_row(sqlite3_stmt *statement, struct row *row);

static bool take_number(sqlite3_stmt *statement, struct row *row)
{
    uint64_t number = 0;
    bool good = column_take_uint(statement, 0, &number) && number <= UINT32_MAX;
    row->field = (uint32_t)number;
    return good;
}

/* Every column is taken, so that the report of a damaged row has what is left of it. */
static bool take_field(sqlite3_stmt *statement, struct row *row)
{
    row->kind = ROW_FIELD;
    bool number = take_number(statement, row);
    bool position = column_take_uint(statement, 1, &row->position);
    return column_take_uint(statement, 2, &row->horizon) && number && position;
}

static bool take_removal(sqlite3_stmt *statement, struct row *row)
{
    row->kind = ROW_REMOVAL;
    bool number = take_number(statement, row);
    bool key = column_take_bytes(statement, 1, &row->key);
    return column_take_uint(statement, 2, &row->position) && number && key;
}

static bool take_entry(sqlite3_stmt *statement, struct row *row)
{
    bool good = take_removal(statement, row);
    row->kind = ROW_ENTRY;
    return column_take_bytes(statement, 3, &row->detail) && good;
}

static bool take_replica(sqlite3_stmt *statement, struct row *row)
{
    row->kind = ROW_REPLICA;
    bool position = column_take_uint(statement, 2, &row->position);
    return column_take_uint(statement, 0, &row->index) &&
           column_take_uint(statement, 1, &row->seq) &&
           column_take_uint(statement, 3, &row->at_ms) &&
           column_take_bytes(statement, 4, &row->detail) &&
           column_take_bytes(statement, 5, &row->principal) && position;
}

static int note_damage(struct tables *tables, const char *table, const struct row *row)
{
    (void)snprintf(tables->damage, sizeof tables->damage,
                   "a row of the table %s is damaged: document %.*s (%" PRId64 "), field %" PRIu32
                   ", position %" PRIu64,
                   table, (int)tables->name.length, (const char *)tables->name.data,
                   tables->document, row->field, row->position);
    return SQLITE_CORRUPT;
}

/* `row` holds what the columns do not tell. */
static int load_all(struct tables *tables, const char *table, sqlite3_stmt *statement,
                    take_row *take, struct row row, struct writer *writer)
{
    int rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW && writer->status == PROTOCOL_OK) {
        if (!take(statement, &row)) {
            rc = note_damage(tables, table, &row);
            break;
        }
        row_write(writer, &row);
        rc = sqlite3_step(statement);
    }
    (void)sqlite3_reset(statement);
    if (writer->status != PROTOCOL_OK) {
        return writer->status == PROTOCOL_NO_MEMORY ? SQLITE_NOMEM : SQLITE_TOOBIG;
    }
    if ((rc & 0xff) == SQLITE_CORRUPT && tables->damage[0] == '\0') {
        return note_damage(tables, table, &row); /* found by SQLite, after the row told here */
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool take_document(sqlite3_stmt *statement, struct row *row)
{
    row->kind = ROW_DOCUMENT;
    return column_take_uint(statement, 1, &row->position) &&
           column_take_uint(statement, 2, &row->next_index) &&
           column_take_uint(statement, 3, &row->retired_ms);
}

/* Leaves `document` 0 where there is no such document. */
static int load_document(struct tables *tables, bool write, struct writer *writer)
{
    struct bytes schema;
    struct bytes key;
    struct row row = {.name = tables->name};
    if (!split_name(tables->name, &schema, &key)) {
        return SQLITE_MISMATCH;
    }
    bind_text(tables->get_document, 1, schema);
    bind_text(tables->get_document, 2, key);
    int rc = sqlite3_step(tables->get_document);
    if (rc == SQLITE_ROW) {
        tables->document = sqlite3_column_int64(tables->get_document, 0);
        bool good = take_document(tables->get_document, &row);
        rc = good ? SQLITE_DONE : note_damage(tables, "documents", &row);
    }
    (void)sqlite3_reset(tables->get_document);
    if (rc == SQLITE_DONE && tables->document != 0 && write) {
        row_write(writer, &row);
    }
    if ((rc & 0xff) == SQLITE_CORRUPT && tables->damage[0] == '\0') {
        return note_damage(tables, "documents", &row);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int load_rows(struct tables *tables, struct writer *writer)
{
    const struct {
        const char *table;
        sqlite3_stmt *statement;
        take_row *take;
    } parts[] = {
        {"document_fields", tables->get_fields, take_field},
        {"entries", tables->get_entries, take_entry},
        {"removals", tables->get_removals, take_removal},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && rc == SQLITE_OK; i++) {
        bind_uint(parts[i].statement, 1, (uint64_t)tables->document);
        rc = load_all(tables, parts[i].table, parts[i].statement, parts[i].take, (struct row){0},
                      writer);
    }
    return rc;
}

static int load_writers(struct tables *tables, const struct row_request *request,
                        struct writer *writer)
{
    struct row row = {.kind = ROW_REPLICA};
    sqlite3_stmt *writers =
        browse_writers(tables->browse, (uint64_t)tables->document, request->limit);
    return load_all(tables, "replicas", writers, browse_take_writer, row, writer);
}

static int load_replicas(struct tables *tables, struct row_request *request, struct writer *writer)
{
    struct row row = {0};
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && row_request_next(request, &row.replica)) {
        bind_uint(tables->get_replica, 1, (uint64_t)tables->document);
        bind_bytes(tables->get_replica, 2, replica_id_bytes(&row.replica));
        rc = load_all(tables, "replicas", tables->get_replica, take_replica, row, writer);
    }
    return rc == SQLITE_OK && !reader_ok(&request->left) ? SQLITE_MISMATCH : rc;
}

int tables_load(struct tables *tables, struct bytes bytes, struct buffer *rows)
{
    struct reader reader = reader_of(bytes);
    struct row_request request;
    struct writer writer = writer_to(rows);
    tables->damage[0] = '\0';
    tables->document = 0;
    if (!row_request_read(&reader, &request)) {
        return SQLITE_MISMATCH;
    }
    if (request.kind == ROWS_SILENT) {
        return walk_silent(tables->walk, &request, &writer, tables->damage, sizeof tables->damage);
    }
    if (request.kind == ROWS_NAMES) {
        return browse_names(tables->browse, &request, &writer, tables->damage,
                            sizeof tables->damage);
    }
    if (request.kind == ROWS_REJECTED) {
        return browse_rejected(tables->browse, &request, &writer, tables->damage,
                               sizeof tables->damage);
    }
    tables->name = request.name;
    bool writers = request.kind == ROWS_WRITERS;
    int rc = load_document(tables, request.document || writers, &writer);
    if (rc != SQLITE_OK || tables->document == 0) {
        return rc;
    }
    if (writers) {
        return load_writers(tables, &request, &writer);
    }
    if (request.document) {
        rc = load_rows(tables, &writer);
    }
    return rc == SQLITE_OK ? load_replicas(tables, &request, &writer) : rc;
}

const char *tables_damage(const struct tables *tables) { return tables->damage; }
