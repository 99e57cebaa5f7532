/* Restore, inside the file: is it sound, and whose history does it continue? */
#include <stdio.h>
#include <string.h>

#include "server/storage/catalog.h"
#include "server/storage/lineage.h"
#include "server/storage/restore.h"
#include "server/storage/storage_state.h"

static bool refuse(const char *path, const char *reason, char error[STORAGE_ERROR_BYTES])
{
    (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: %.1000s", path, reason);
    return false;
}

static bool refuse_sql(sqlite3 *database, const char *path, int rc, char error[STORAGE_ERROR_BYTES])
{
    char reason[DATABASE_REASON_BYTES];
    database_reason(database, rc, reason);
    return refuse(path, reason, error);
}

bool storage_check_pages(sqlite3 *database, const char *path, char error[STORAGE_ERROR_BYTES])
{
    sqlite3_stmt *check = NULL;
    char reason[DATABASE_REASON_BYTES + 64];
    int rc = database_prepare(database, &check, "PRAGMA integrity_check(1)");
    rc = rc == SQLITE_OK ? sqlite3_step(check) : rc;
    const char *told = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(check, 0) : NULL;
    bool sound = told != NULL && strcmp(told, "ok") == 0;
    (void)snprintf(reason, sizeof reason, "is damaged (integrity_check): %.200s",
                   told == NULL ? sqlite3_errmsg(database) : told);
    (void)sqlite3_finalize(check);
    return sound ? true : refuse(path, reason, error);
}

static bool check(sqlite3 *database, const char *path, char error[STORAGE_ERROR_BYTES])
{
    struct catalog_error reason;
    bool empty = false;
    if (!catalog_prepare(database, path, &empty, &reason)) {
        return refuse(path, reason.text, error);
    }
    if (empty) {
        return refuse(path, "is empty: it is no copy of a hub's data", error);
    }
    return storage_check_pages(database, path, error);
}

/* What cannot be moved stays in the log, which is kept beside the file. */
static void move_log(const char *path)
{
    sqlite3 *database = NULL;
    if (database_open(&database, path) == SQLITE_OK) {
        (void)sqlite3_exec(database, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    }
    (void)sqlite3_close(database);
}

/* The file that is replaced may be damaged, which is why it is: then nothing is known of it, and it
 * is left alone, with its log. */
static void read_replaced(const char *path, struct lineage *lineage)
{
    sqlite3 *database = NULL;
    bool known = database_open_reader(&database, path) == SQLITE_OK &&
                 lineage_read(database, lineage) == SQLITE_OK;
    (void)sqlite3_close(database);
    if (known) {
        move_log(path);
    } else {
        lineage_finish(lineage);
    }
}

/* What the last run's notes say is told by the new id already. */
static int write_identity(sqlite3 *database, const struct lineage *own,
                          const struct lineage *replaced, struct storage_restored *restored)
{
    sqlite3_randomness(sizeof restored->journal.bytes, restored->journal.bytes);
    int rc = database_exec(database, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK) {
        rc = lineage_keep(database, own, replaced);
    }
    if (rc == SQLITE_OK) {
        rc = meta_write_bytes(
            database, "journal",
            (struct bytes){restored->journal.bytes, sizeof restored->journal.bytes});
    }
    if (rc == SQLITE_OK) {
        rc = meta_write_int(database, "relaxed", 0);
    }
    return rc == SQLITE_OK ? database_exec(database, "COMMIT") : rc;
}

static bool adopt(sqlite3 *database, const char *path, const char *replaced,
                  struct storage_restored *restored, char error[STORAGE_ERROR_BYTES])
{
    struct lineage own = {0};
    struct lineage other = {0};
    if (replaced != NULL) {
        read_replaced(replaced, &other);
    }
    int rc = lineage_read(database, &own);
    if (rc == SQLITE_OK) {
        restored->position = own.items[0].position;
        rc = write_identity(database, &own, &other, restored);
    }
    lineage_finish(&own);
    lineage_finish(&other);
    return rc == SQLITE_OK ? true : refuse_sql(database, path, rc, error);
}

bool storage_adopt(const char *path, const char *replaced, struct storage_restored *restored,
                   char error[STORAGE_ERROR_BYTES])
{
    sqlite3 *database = NULL;
    *restored = (struct storage_restored){0};
    int rc = database_open(&database, path);
    bool good =
        (rc == SQLITE_OK || refuse_sql(database, path, rc, error)) && check(database, path, error);
    /* One file, without a log beside it: it is to be renamed. */
    if (good) {
        rc = database_exec(database, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
        good = (rc == SQLITE_OK || refuse_sql(database, path, rc, error)) &&
               adopt(database, path, replaced, restored, error);
    }
    (void)sqlite3_close(database);
    return good;
}
