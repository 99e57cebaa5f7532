#include "server/storage/scrub.h"

/* The row tells whether somebody was in the way. */
static int cut_log(sqlite3 *database)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement, "PRAGMA wal_checkpoint(TRUNCATE)");
    rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    bool busy = rc == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0;
    (void)sqlite3_finalize(statement);
    if (rc != SQLITE_ROW) {
        return rc;
    }
    return busy ? SQLITE_BUSY : SQLITE_OK;
}

int scrub(sqlite3 *database)
{
    database_rollback(database); /* what a failed transaction has left */
    int rc = database_exec(database, "VACUUM");
    return rc == SQLITE_OK ? cut_log(database) : rc;
}
