#include "server/storage/webhooks.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/limits.h"

static const char create_sql[] =
    /* Documents that changed last before a position were delivered, but for those that wait. */
    "CREATE TABLE IF NOT EXISTS webhook_targets("
    "target TEXT PRIMARY KEY,"
    "journal BLOB NOT NULL,"     /* that the positions are of */
    "position INTEGER NOT NULL," /* documents that changed later are found by it */
    "document INTEGER NOT NULL," /* of those that changed at it, the last id; -1: all */
    "floor INTEGER NOT NULL,"    /* what such documents lack is above it */
    "paused INTEGER NOT NULL"    /* 1: by an operator */
    ") WITHOUT ROWID;"
    /* A document that is owed to the target, though it changed before the target's position. */
    "CREATE TABLE IF NOT EXISTS webhook_waiting("
    "target TEXT NOT NULL,"
    "document TEXT NOT NULL,"    /* schema/key */
    "position INTEGER NOT NULL," /* delivered up to it */
    "at INTEGER NOT NULL,"       /* when it was first tried, Unix milliseconds; 0: never */
    "attempts INTEGER NOT NULL,"
    "PRIMARY KEY(target, document)"
    ") WITHOUT ROWID;"
    /* What was given up, to be looked at and sent again. */
    "CREATE TABLE IF NOT EXISTS webhook_dead("
    "id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "target TEXT NOT NULL,"
    "document TEXT NOT NULL,"    /* schema/key */
    "after INTEGER NOT NULL,"    /* what changed after it was to be delivered, */
    "position INTEGER NOT NULL," /* up to it */
    "at INTEGER NOT NULL,"       /* when it was given up, Unix milliseconds */
    "attempts INTEGER NOT NULL,"
    "status INTEGER NOT NULL," /* HTTP's, of the last answer; 0: there was none */
    "reason TEXT NOT NULL"
    ");"
    "CREATE INDEX IF NOT EXISTS webhook_dead_target ON webhook_dead(target, id);"
    "CREATE INDEX IF NOT EXISTS documents_position ON documents(position)";

#define STATEMENT_LIST(X)                                                                          \
    X(put_target,                                                                                  \
      "INSERT INTO webhook_targets(target, journal, position, document, floor, paused) "           \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET "                                 \
      "journal = excluded.journal, position = excluded.position, "                                 \
      "document = excluded.document, floor = excluded.floor, paused = excluded.paused")            \
    X(put_waiting, "INSERT INTO webhook_waiting(target, document, position, at, attempts) "        \
                   "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "                        \
                   "position = excluded.position, at = excluded.at, "                              \
                   "attempts = excluded.attempts")                                                 \
    X(drop_waiting, "DELETE FROM webhook_waiting WHERE target = ?1 AND document = ?2")             \
    X(drop_all_waiting, "DELETE FROM webhook_waiting WHERE target = ?1")                           \
    X(put_letter, "INSERT INTO webhook_dead(target, document, after, position, at, attempts, "     \
                  "status, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                       \
    X(bound_letters, "DELETE FROM webhook_dead WHERE target = ?1 AND id <= (SELECT id FROM "       \
                     "webhook_dead WHERE target = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)")         \
    X(drop_letter, "DELETE FROM webhook_dead WHERE target = ?1 AND id = ?2")                       \
    X(get_targets,                                                                                 \
      "SELECT target, journal, position, document, floor, paused, (SELECT count(*) FROM "          \
      "webhook_dead WHERE webhook_dead.target = webhook_targets.target) "                          \
      "FROM webhook_targets")                                                                      \
    X(get_waiting, "SELECT document, position, at, attempts FROM webhook_waiting "                 \
                   "WHERE target = ?1")                                                            \
    X(get_letters, "SELECT id, document, after, position, at, attempts, status, reason "           \
                   "FROM webhook_dead WHERE target = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3")    \
    X(get_changed, "SELECT position, id, schema || '/' || key FROM documents WHERE "               \
                   "position >= ?1 AND (position > ?1 OR id > ?2) ORDER BY position, id LIMIT ?3")

struct webhook_tables {
#define X(name, sql) sqlite3_stmt *name;
    STATEMENT_LIST(X)
#undef X
};

int webhook_tables_create(sqlite3 *database) { return database_exec(database, create_sql); }

struct webhook_tables *webhook_tables_open(sqlite3 *database, bool writer)
{
    struct webhook_tables *tables = calloc(1, sizeof *tables);
    bool ready = tables != NULL;
#define X(name, sql)                                                                               \
    ready = ready && database_prepare_listed(database, writer, &tables->name, sql) == SQLITE_OK;
    STATEMENT_LIST(X)
#undef X
    if (!ready) {
        webhook_tables_close(tables);
        return NULL;
    }
    return tables;
}

void webhook_tables_close(struct webhook_tables *tables)
{
    if (tables == NULL) {
        return;
    }
#define X(name, sql) (void)sqlite3_finalize(tables->name);
    STATEMENT_LIST(X)
#undef X
    free(tables);
}

/* --- writing --- */

static int keep_target(struct webhook_tables *tables, const struct row *row)
{
    bind_text(tables->put_target, 1, row->name);
    bind_bytes(tables->put_target, 2, row->key);
    bind_uint(tables->put_target, 3, row->position);
    (void)sqlite3_bind_int64(tables->put_target, 4, (sqlite3_int64)row->index); /* all: -1 */
    bind_uint(tables->put_target, 5, row->horizon);
    bind_uint(tables->put_target, 6, row->paused);
    return database_run(tables->put_target);
}

static int keep_waiting(struct webhook_tables *tables, struct bytes target, const struct row *row)
{
    bind_text(tables->put_waiting, 1, target);
    bind_text(tables->put_waiting, 2, row->name);
    bind_uint(tables->put_waiting, 3, row->position);
    bind_uint(tables->put_waiting, 4, row->at_ms);
    bind_uint(tables->put_waiting, 5, row->seq);
    return database_run(tables->put_waiting);
}

static int keep_delivered(struct webhook_tables *tables, struct bytes target, const struct row *row)
{
    if (row->name.length == 0) {
        bind_text(tables->drop_all_waiting, 1, target);
        return database_run(tables->drop_all_waiting);
    }
    bind_text(tables->drop_waiting, 1, target);
    bind_text(tables->drop_waiting, 2, row->name);
    return database_run(tables->drop_waiting);
}

static int keep_letter(struct webhook_tables *tables, struct bytes target, const struct row *row)
{
    bind_text(tables->put_letter, 1, target);
    bind_text(tables->put_letter, 2, row->name);
    bind_uint(tables->put_letter, 3, row->horizon);
    bind_uint(tables->put_letter, 4, row->position);
    bind_uint(tables->put_letter, 5, row->at_ms);
    bind_uint(tables->put_letter, 6, row->seq);
    bind_uint(tables->put_letter, 7, row->field);
    bind_text(tables->put_letter, 8, row->text);
    int rc = database_run(tables->put_letter);
    if (rc != SQLITE_OK) {
        return rc;
    }
    bind_text(tables->bound_letters, 1, target);
    bind_uint(tables->bound_letters, 2, LIMIT_KEPT_LETTERS);
    return database_run(tables->bound_letters);
}

static int keep_row(struct webhook_tables *tables, struct bytes target, const struct row *row)
{
    switch (row->kind) {
    case ROW_TARGET:
        return keep_target(tables, row);
    case ROW_WAITING:
        return keep_waiting(tables, target, row);
    case ROW_DELIVERED:
        return keep_delivered(tables, target, row);
    case ROW_LETTER:
        return keep_letter(tables, target, row);
    case ROW_RESENT:
        bind_text(tables->drop_letter, 1, target);
        bind_uint(tables->drop_letter, 2, row->index);
        return database_run(tables->drop_letter);
    default:
        return SQLITE_MISMATCH;
    }
}

int webhook_tables_keep(struct webhook_tables *tables, struct bytes rows)
{
    struct reader reader = reader_of(rows);
    struct bytes target = {0};
    struct row row;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && row_read(&reader, &row)) {
        target = row.kind == ROW_TARGET ? row.name : target;
        rc = target.length == 0 ? SQLITE_MISMATCH : keep_row(tables, target, &row);
    }
    return rc == SQLITE_OK && !reader_ok(&reader) ? SQLITE_MISMATCH : rc;
}

/* --- reading --- */

/* A text that is not longer than it may be. False: it is damaged. */
static bool take_text(sqlite3_stmt *statement, int column, size_t most, struct bytes *text)
{
    *text = column_bytes(statement, column);
    return sqlite3_column_type(statement, column) == SQLITE_TEXT && text->length <= most &&
           utf8_valid(*text);
}

static bool take_target(sqlite3_stmt *statement, struct row *row)
{
    uint64_t paused = 0;
    row->kind = ROW_TARGET;
    bool good =
        take_text(statement, 0, LIMIT_SCHEMA_NAME_BYTES, &row->name) &&
        column_take_bytes(statement, 1, &row->key) && row->key.length <= LIMIT_SCHEMA_NAME_BYTES &&
        column_take_uint(statement, 2, &row->position) &&
        sqlite3_column_type(statement, 3) == SQLITE_INTEGER &&
        column_take_uint(statement, 4, &row->horizon) && column_take_uint(statement, 5, &paused) &&
        column_take_uint(statement, 6, &row->next_index);
    row->index = (uint64_t)sqlite3_column_int64(statement, 3);
    row->paused = paused != 0;
    return good;
}

static bool take_waiting(sqlite3_stmt *statement, struct row *row)
{
    row->kind = ROW_WAITING;
    return take_text(statement, 0, LIMIT_DOCUMENT_NAME_BYTES, &row->name) &&
           column_take_uint(statement, 1, &row->position) &&
           column_take_uint(statement, 2, &row->at_ms) && column_take_uint(statement, 3, &row->seq);
}

static bool take_letter(sqlite3_stmt *statement, struct row *row)
{
    uint64_t status = 0;
    row->kind = ROW_LETTER;
    bool good = column_take_uint(statement, 0, &row->index) &&
                take_text(statement, 1, LIMIT_DOCUMENT_NAME_BYTES, &row->name) &&
                column_take_uint(statement, 2, &row->horizon) &&
                column_take_uint(statement, 3, &row->position) &&
                column_take_uint(statement, 4, &row->at_ms) &&
                column_take_uint(statement, 5, &row->seq) &&
                column_take_uint(statement, 6, &status) &&
                take_text(statement, 7, LIMIT_TEXT_BYTES, &row->text);
    row->field = (uint32_t)status;
    return good && status <= 999;
}

static bool take_changed(sqlite3_stmt *statement, struct row *row)
{
    row->kind = ROW_DOCUMENT;
    return column_take_uint(statement, 0, &row->position) &&
           column_take_uint(statement, 1, &row->next_index) &&
           take_text(statement, 2, LIMIT_DOCUMENT_NAME_BYTES, &row->name);
}

/* What is read, and where what is wrong with it is told. */
struct reading {
    struct writer *writer;
    char *damage;
    size_t damage_bytes;
};

static int read_damage(const struct reading *reading, const char *table)
{
    (void)snprintf(reading->damage, reading->damage_bytes, "a row of the table %s is damaged",
                   table);
    return SQLITE_CORRUPT;
}

static int read_rows(const struct reading *reading, const char *table, sqlite3_stmt *statement,
                     bool (*take)(sqlite3_stmt *, struct row *))
{
    struct row row = {0};
    int rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW && reading->writer->status == PROTOCOL_OK) {
        if (!take(statement, &row)) {
            rc = SQLITE_CORRUPT;
            break;
        }
        row_write(reading->writer, &row);
        rc = sqlite3_step(statement);
    }
    (void)sqlite3_reset(statement);
    if ((rc & 0xff) == SQLITE_CORRUPT) {
        return read_damage(reading, table);
    }
    if (reading->writer->status != PROTOCOL_OK) {
        return SQLITE_NOMEM;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_targets(struct webhook_tables *tables, const struct reading *reading)
{
    struct row row = {0};
    int rc = sqlite3_step(tables->get_targets);
    while (rc == SQLITE_ROW) {
        if (!take_target(tables->get_targets, &row)) {
            rc = read_damage(reading, "webhook_targets");
            break;
        }
        row_write(reading->writer, &row);
        bind_text(tables->get_waiting, 1, row.name);
        rc = read_rows(reading, "webhook_waiting", tables->get_waiting, take_waiting);
        rc = rc == SQLITE_OK ? sqlite3_step(tables->get_targets) : rc;
    }
    (void)sqlite3_reset(tables->get_targets);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_letters(struct webhook_tables *tables, const struct row_request *request,
                        const struct reading *reading)
{
    bind_text(tables->get_letters, 1, request->search);
    bind_uint(tables->get_letters, 2, request->before == 0 ? INT64_MAX : request->before);
    bind_uint(tables->get_letters, 3, request->limit);
    return read_rows(reading, "webhook_dead", tables->get_letters, take_letter);
}

static uint64_t read_wide(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static int read_changed(struct webhook_tables *tables, const struct row_request *request,
                        const struct reading *reading)
{
    if (request->after.length != 2 * sizeof(uint64_t)) {
        return SQLITE_MISMATCH;
    }
    uint64_t document = read_wide(request->after.data + sizeof(uint64_t));
    bind_uint(tables->get_changed, 1, read_wide(request->after.data));
    bind_uint(tables->get_changed, 2, document > INT64_MAX ? INT64_MAX : document);
    bind_uint(tables->get_changed, 3, request->limit);
    return read_rows(reading, "documents", tables->get_changed, take_changed);
}

int webhook_tables_load(struct webhook_tables *tables, const struct row_request *request,
                        struct writer *writer, char *damage, size_t damage_bytes)
{
    struct reading reading = {.writer = writer, .damage_bytes = damage_bytes};
    reading.damage = damage;
    switch (request->kind) {
    case ROWS_CHANGED:
        return read_changed(tables, request, &reading);
    case ROWS_TARGETS:
        return read_targets(tables, &reading);
    case ROWS_LETTERS:
        return read_letters(tables, request, &reading);
    default:
        return SQLITE_MISMATCH;
    }
}
