/* Loading: a document's rows out of the tables, as protocol/rows.h writes them. */
#include <inttypes.h>
#include <stdio.h>

#include "server/storage/tables_state.h"

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
    if (!tables_split_name(tables->name, &schema, &key)) {
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

static bool take_ledger(sqlite3_stmt *statement, struct row *row)
{
    struct bytes replica = {0};
    return take_replica(statement, row) && column_take_bytes(statement, 6, &replica) &&
           replica_id_from_bytes(replica, &row->replica);
}

static int load_ledger(struct tables *tables, struct writer *writer)
{
    bind_uint(tables->get_ledger, 1, (uint64_t)tables->document);
    return load_all(tables, "replicas", tables->get_ledger, take_ledger, (struct row){0}, writer);
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
    if (request.kind == ROWS_CHANGED || request.kind == ROWS_TARGETS ||
        request.kind == ROWS_LETTERS) {
        return tables->webhooks == NULL
                   ? SQLITE_MISMATCH
                   : webhook_tables_load(tables->webhooks, &request, &writer, tables->damage,
                                         sizeof tables->damage);
    }
    tables->name = request.name;
    bool writers = request.kind == ROWS_WRITERS;
    int rc = load_document(tables, request.document || writers, &writer);
    if (rc != SQLITE_OK || tables->document == 0) {
        return rc;
    }
    if (request.kind == ROWS_LEDGER) {
        return load_ledger(tables, &writer);
    }
    if (writers) {
        return load_writers(tables, &request, &writer);
    }
    if (request.document) {
        rc = load_rows(tables, &writer);
    }
    return rc == SQLITE_OK ? load_replicas(tables, &request, &writer) : rc;
}

void tables_yield_to(struct tables *tables, bool (*waits)(void *context), void *context)
{
    walk_yield_to(tables->walk, waits, context);
}

const char *tables_damage(const struct tables *tables) { return tables->damage; }
