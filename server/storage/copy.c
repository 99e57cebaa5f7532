#include "server/storage/copy.h"

#include <stdio.h>
#include <unistd.h>

#include "server/storage/database.h"

enum { PATH_BYTES = 4096, URI_BYTES = PATH_BYTES * 3 + 64 };

static bool refuse(sqlite3 *database, const char *path, int rc, char error[STORAGE_ERROR_BYTES])
{
    char reason[DATABASE_REASON_BYTES];
    if ((rc & 0xff) == SQLITE_NOTADB) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.400s: is not a database: name another file",
                       path);
        return false;
    }
    database_reason(database, rc, reason);
    (void)snprintf(error, STORAGE_ERROR_BYTES, "%.400s: cannot be copied: %s", path, reason);
    return false;
}

static int run(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return sqlite3_extended_errcode(to);
    }
    int stepped = sqlite3_backup_step(backup, -1);
    int rc = sqlite3_backup_finish(backup);
    return stepped == SQLITE_DONE ? rc : stepped;
}

static size_t escape(const char *path, char *uri)
{
    size_t length = 0;
    size_t left = PATH_BYTES;
    for (const unsigned char *at = (const unsigned char *)path; *at != '\0' && left > 0;
         at++, left--) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || *at == '/' || *at == '.' || *at == '-' ||
                     *at == '_';
        length += (size_t)sprintf(uri + length, plain ? "%c" : "%%%02X", *at);
    }
    return length;
}

/*
 * A file that says of itself that it has a log gets one beside it when it is opened, which a folder
 * that cannot be written refuses, and which is litter beside a backup. Where there is none, nobody
 * uses the file, and it is all there is.
 */
static int open_source(sqlite3 **out, const char *path)
{
    char log[PATH_BYTES];
    char uri[URI_BYTES] = "file:";
    (void)snprintf(log, sizeof log, "%.4000s-wal", path);
    if (access(log, F_OK) == 0) {
        return database_open_reader(out, path);
    }
    size_t length = 5 + escape(path, uri + 5);
    (void)snprintf(uri + length, sizeof uri - length, "?immutable=1");
    return sqlite3_open_v2(uri, out, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                           NULL);
}

bool copy_database(const char *from, const char *to, char error[STORAGE_ERROR_BYTES])
{
    sqlite3 *source = NULL;
    sqlite3 *target = NULL;
    (void)unlink(to);
    int rc = open_source(&source, from);
    if (rc == SQLITE_OK) {
        rc = database_exec(source, "SELECT count(*) FROM sqlite_schema");
    }
    bool good = rc == SQLITE_OK || refuse(source, from, rc, error);
    if (good) {
        rc = database_open(&target, to);
        rc = rc == SQLITE_OK ? run(source, target) : rc;
        good = rc == SQLITE_OK || refuse(target, to, rc, error);
    }
    (void)sqlite3_close(target);
    (void)sqlite3_close(source);
    return good;
}
