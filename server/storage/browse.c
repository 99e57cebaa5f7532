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

struct browse {
    sqlite3_stmt *names;
    sqlite3_stmt *position;
    sqlite3_stmt *writers;
};

struct browse *browse_open(sqlite3 *database)
{
    struct browse *browse = calloc(1, sizeof *browse);
    if (browse == NULL || database_prepare(database, &browse->names, names_sql) != SQLITE_OK ||
        database_prepare(database, &browse->position, position_sql) != SQLITE_OK ||
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
        (void)sqlite3_finalize(browse->writers);
        free(browse);
    }
}

/* --- names --- */

struct step {
    const struct row_request *request;
    struct writer *writer;
    uint8_t name[LIMIT_DOCUMENT_NAME_BYTES]; /* looked at last */
    size_t length;
    uint64_t document;
    size_t looked;
    uint64_t found;
};

/* False: the row is damaged. */
static bool take_name(sqlite3_stmt *names, struct step *step)
{
    struct bytes schema = column_bytes(names, 0);
    struct bytes key = column_bytes(names, 1);
    if (!column_take_uint(names, 2, &step->document) || schema.length == 0 || key.length == 0 ||
        schema.length + 1 + key.length > sizeof step->name) {
        return false;
    }
    memcpy(step->name, schema.data, schema.length);
    step->name[schema.length] = '/';
    memcpy(step->name + schema.length + 1, key.data, key.length);
    step->length = schema.length + 1 + key.length;
    step->looked++;
    return true;
}

static int write_name(sqlite3_stmt *position, struct step *step)
{
    struct row row = {.kind = ROW_DOCUMENT, .name = {step->name, step->length}};
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
    if (!take_name(browse->names, step)) {
        return SQLITE_CORRUPT;
    }
    bool wanted = bytes_contain((struct bytes){step->name, step->length}, step->request->search);
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
                       (int)step.length, (const char *)step.name, step.document);
        return SQLITE_CORRUPT;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return rc;
    }
    size_t more = rc == SQLITE_ROW ? step.length : 0;
    row_write(writer, &(struct row){.kind = ROW_WALKED, .key = {step.name, more}});
    return writer->status == PROTOCOL_OK ? SQLITE_OK : SQLITE_NOMEM;
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
