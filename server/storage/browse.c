#include "server/storage/browse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "protocol/schema.h"

/* The index has all of it, so a name that is not searched for costs a step and no row. */
static const char names_sql[] = "SELECT schema, key, id FROM documents "
                                "WHERE (schema, key) > (?1, ?2) ORDER BY schema, key";

static const char position_sql[] = "SELECT position FROM documents WHERE id = ?1";

/* Replicas are in the order of their making, as UUIDv7 are: the youngest come first, and the rest
 * of a document that had very many is not looked at. */
static const char writers_sql[] =
    "SELECT replica, number, seq, position, at, principal FROM "
    "(SELECT replica, number, seq, position, at, principal FROM replicas WHERE document = ?1 "
    "ORDER BY replica DESC LIMIT ?3) ORDER BY position DESC, replica DESC LIMIT ?2";

static const char rejected_sql[] =
    "SELECT rejected.rowid, schema, key, replica, seq, at, code, text FROM rejected "
    "CROSS JOIN documents ON documents.id = rejected.document "
    "WHERE rejected.rowid < ?1 ORDER BY rejected.rowid DESC LIMIT ?2";

struct browse {
    sqlite3_stmt *rejected;
    sqlite3_stmt *names;
    sqlite3_stmt *position;
    sqlite3_stmt *writers;
};

struct browse *browse_open(sqlite3 *database)
{
    struct browse *browse = calloc(1, sizeof *browse);
    if (browse == NULL || database_prepare(database, &browse->names, names_sql) != SQLITE_OK ||
        database_prepare(database, &browse->position, position_sql) != SQLITE_OK ||
        database_prepare(database, &browse->rejected, rejected_sql) != SQLITE_OK ||
        database_prepare(database, &browse->writers, writers_sql) != SQLITE_OK) {
        browse_close(browse);
        return NULL;
    }
    return browse;
}

void browse_close(struct browse *browse)
{
    if (browse != NULL) {
        (void)sqlite3_finalize(browse->names);
        (void)sqlite3_finalize(browse->position);
        (void)sqlite3_finalize(browse->rejected);
        (void)sqlite3_finalize(browse->writers);
        free(browse);
    }
}

/* A document's, put together from two columns. */
struct name {
    uint8_t bytes[LIMIT_DOCUMENT_NAME_BYTES];
    size_t length;
};

/* False: it is no document's name. */
static bool take_name(sqlite3_stmt *statement, int column, struct name *name)
{
    struct bytes schema = column_bytes(statement, column);
    struct bytes key = column_bytes(statement, column + 1);
    if (schema.length == 0 || key.length == 0 ||
        schema.length + 1 + key.length > sizeof name->bytes) {
        return false;
    }
    memcpy(name->bytes, schema.data, schema.length);
    name->bytes[schema.length] = '/';
    memcpy(name->bytes + schema.length + 1, key.data, key.length);
    name->length = schema.length + 1 + key.length;
    return utf8_valid((struct bytes){name->bytes, name->length});
}

static struct bytes name_bytes(const struct name *name)
{
    return (struct bytes){name->bytes, name->length};
}

/* --- names --- */

struct step {
    const struct row_request *request;
    struct writer *writer;
    struct name name; /* looked at last */
    uint64_t document;
    size_t looked;
    uint64_t found;
};

static int write_name(sqlite3_stmt *position, struct step *step)
{
    struct row row = {.kind = ROW_DOCUMENT, .name = name_bytes(&step->name)};
    bind_uint(position, 1, step->document);
    int rc = sqlite3_step(position);
    if (rc == SQLITE_DONE || (rc == SQLITE_ROW && !column_take_uint(position, 0, &row.position))) {
        rc = SQLITE_CORRUPT;
    }
    (void)sqlite3_reset(position);
    row_write(step->writer, &row);
    step->found++;
    return rc;
}

/* SQLITE_ROW: there is another. */
static int look_at_name(const struct browse *browse, struct step *step)
{
    if (!take_name(browse->names, 0, &step->name) ||
        !column_take_uint(browse->names, 2, &step->document)) {
        return SQLITE_CORRUPT;
    }
    step->looked++;
    bool wanted = bytes_contain(name_bytes(&step->name), step->request->search);
    int rc = wanted ? write_name(browse->position, step) : SQLITE_ROW;
    return rc == SQLITE_ROW ? sqlite3_step(browse->names) : rc;
}

static bool is_done(const struct step *step)
{
    return step->looked >= LIMIT_LOOKED_AT || step->found >= step->request->limit;
}

int browse_names(struct browse *browse, const struct row_request *request, struct writer *writer,
                 char *damage, size_t damage_bytes)
{
    struct step step = {.request = request, .writer = writer};
    struct bytes schema;
    struct bytes key;
    document_name_split(request->after, &schema, &key);
    bind_text(browse->names, 1, schema);
    bind_text(browse->names, 2, key);
    int rc = sqlite3_step(browse->names);
    while (rc == SQLITE_ROW && !is_done(&step) && writer->status == PROTOCOL_OK) {
        rc = look_at_name(browse, &step);
    }
    (void)sqlite3_reset(browse->names);
    if ((rc & 0xff) == SQLITE_CORRUPT) {
        (void)snprintf(damage, damage_bytes,
                       "a row of the table documents is damaged: at or behind %.*s (%" PRIu64 ")",
                       (int)step.name.length, (const char *)step.name.bytes, step.document);
        return SQLITE_CORRUPT;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return rc;
    }
    struct bytes end = rc == SQLITE_ROW ? name_bytes(&step.name) : (struct bytes){0};
    row_write(writer, &(struct row){.kind = ROW_WALKED, .key = end});
    return writer->status == PROTOCOL_OK ? SQLITE_OK : SQLITE_NOMEM;
}

/* --- refused updates --- */

/* False: the row is damaged. */
static bool take_rejected(sqlite3_stmt *statement, struct row *row)
{
    struct bytes replica = {0};
    row->code = column_bytes(statement, 6);
    row->text = column_bytes(statement, 7);
    return column_take_uint(statement, 0, &row->index) &&
           column_take_bytes(statement, 3, &replica) &&
           replica_id_from_bytes(replica, &row->replica) &&
           column_take_uint(statement, 4, &row->seq) &&
           column_take_uint(statement, 5, &row->at_ms) && row->code.length <= LIMIT_CODE_BYTES &&
           row->text.length <= LIMIT_TEXT_BYTES && utf8_valid(row->code) && utf8_valid(row->text);
}

int browse_rejected(struct browse *browse, const struct row_request *request, struct writer *writer,
                    char *damage, size_t damage_bytes)
{
    sqlite3_stmt *rejected = browse->rejected;
    struct row row = {.kind = ROW_REJECTED};
    struct name name;
    bind_uint(rejected, 1, request->before == 0 ? INT64_MAX : request->before);
    bind_uint(rejected, 2, request->limit);
    int rc = sqlite3_step(rejected);
    while (rc == SQLITE_ROW && writer->status == PROTOCOL_OK) {
        if (!take_name(rejected, 1, &name) || !take_rejected(rejected, &row)) {
            rc = SQLITE_CORRUPT;
            break;
        }
        row_write(writer, &(struct row){.kind = ROW_DOCUMENT, .name = name_bytes(&name)});
        row_write(writer, &row);
        rc = sqlite3_step(rejected);
    }
    (void)sqlite3_reset(rejected);
    if ((rc & 0xff) == SQLITE_CORRUPT) {
        (void)snprintf(damage, damage_bytes,
                       "a row of the table rejected is damaged: at or below %" PRIu64, row.index);
        return SQLITE_CORRUPT;
    }
    if (writer->status != PROTOCOL_OK) {
        return SQLITE_NOMEM;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --- writers --- */

sqlite3_stmt *browse_writers(struct browse *browse, uint64_t document, uint64_t limit)
{
    bind_uint(browse->writers, 1, document);
    bind_uint(browse->writers, 2, limit);
    bind_uint(browse->writers, 3, LIMIT_LOOKED_AT);
    return browse->writers;
}

bool browse_take_writer(sqlite3_stmt *statement, struct row *row)
{
    struct bytes replica = {0};
    bool position = column_take_uint(statement, 3, &row->position);
    return column_take_bytes(statement, 0, &replica) &&
           replica_id_from_bytes(replica, &row->replica) &&
           column_take_uint(statement, 1, &row->index) &&
           column_take_uint(statement, 2, &row->seq) &&
           column_take_uint(statement, 4, &row->at_ms) &&
           column_take_bytes(statement, 5, &row->principal) && position;
}
