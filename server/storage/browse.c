#include "server/storage/browse.h"

#include <stdlib.h>

#include "protocol/limits.h"

/* Replicas are in the order of their making, as UUIDv7 are: the youngest come first, and the rest
 * of a document that had very many is not looked at. */
static const char writers_sql[] =
    "SELECT replica, number, seq, position, at, principal FROM "
    "(SELECT replica, number, seq, position, at, principal FROM replicas WHERE document = ?1 "
    "ORDER BY replica DESC LIMIT ?3) ORDER BY position DESC, replica DESC LIMIT ?2";

struct browse {
    sqlite3_stmt *writers;
};

struct browse *browse_open(sqlite3 *database)
{
    struct browse *browse = calloc(1, sizeof *browse);
    if (browse == NULL || database_prepare(database, &browse->writers, writers_sql) != SQLITE_OK) {
        browse_close(browse);
        return NULL;
    }
    return browse;
}

void browse_close(struct browse *browse)
{
    if (browse != NULL) {
        (void)sqlite3_finalize(browse->writers);
        free(browse);
    }
}

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
