#include "server/storage/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/storage/tables_state.h"

static struct tables *tables_open(sqlite3 *database, bool writer)
{
    struct tables *tables = calloc(1, sizeof *tables);
    bool ready = tables != NULL;
#define X(name, sql)                                                                               \
    ready = ready && database_prepare_listed(database, writer, &tables->name, sql) == SQLITE_OK;
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
    webhook_tables_close(tables->webhooks);
    free(tables);
}

bool tables_open_webhooks(struct tables *tables, sqlite3 *database, bool writer)
{
    tables->webhooks = webhook_tables_open(database, writer);
    return tables->webhooks != NULL;
}

int tables_keep(struct tables *tables, struct bytes rows)
{
    return tables->webhooks == NULL ? SQLITE_MISMATCH : webhook_tables_keep(tables->webhooks, rows);
}

bool tables_split_name(struct bytes name, struct bytes *schema, struct bytes *key)
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
    if (!tables_split_name(row->name, &schema, &key)) {
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

/* What webhooks are owed stays: it names the document and its positions, nothing of what it held,
 * and by it a target that was told of the content is told that it is gone. */
static int erase_rows(struct tables *tables)
{
    sqlite3_stmt *const statements[] = {tables->erase_fields, tables->erase_entries,
                                        tables->erase_removals, tables->erase_rejected};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && rc == SQLITE_OK; i++) {
        bind_uint(statements[i], 1, (uint64_t)tables->document);
        rc = database_run(statements[i]);
    }
    tables->removals = false;
    return rc;
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
    case ROW_ERASED:
        return erase_rows(tables);
    case ROW_SILENT:
    case ROW_WALKED:
    case ROW_COPY:
    case ROW_TARGET:
    case ROW_WAITING:
    case ROW_DELIVERED:
    case ROW_LETTER:
    case ROW_RESENT:
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
