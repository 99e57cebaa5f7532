/* Migrations: an older file becomes one of this program's format, after a copy was made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/catalog.h"

enum { PATH_BYTES = 4096 };

/* There is one format so far. */
const struct catalog_migration catalog_migrations[] = {{0, NULL}};

static int vacuum_into(sqlite3 *database, const char *path)
{
    return database_exec_text(database, "VACUUM INTO ?1", path);
}

/* SQLite does not promise that the copy has reached the disk. */
static bool sync_file(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0) {
        (void)close(file);
    }
    return synced;
}

/* Under another name first, so that a copy with the right name is a whole one. */
static bool copy_file(sqlite3 *database, const char *path, int64_t format,
                      struct catalog_error *error)
{
    char part[PATH_BYTES];
    char whole[PATH_BYTES];
    int length = snprintf(part, sizeof part, "%s.format-%lld.part", path, (long long)format);
    (void)snprintf(whole, sizeof whole, "%s.format-%lld", path, (long long)format);
    if (length < 0 || (size_t)length >= sizeof part) {
        (void)snprintf(error->text, sizeof error->text, "the path is too long for a copy");
        return false;
    }
    (void)unlink(part);
    if (vacuum_into(database, part) != SQLITE_OK) {
        return catalog_fail(database, "the copy before the migration cannot be made", error);
    }
    if (!sync_file(part) || rename(part, whole) != 0) {
        (void)snprintf(error->text, sizeof error->text, "the copy %.300s cannot be made: %s", whole,
                       strerror(errno));
        return false;
    }
    return true;
}

static const char *find_migration(const struct catalog_migration *migrations, int64_t from)
{
    while (migrations->sql != NULL && migrations->from != from) {
        migrations++;
    }
    return migrations->sql;
}

static bool migrate_once(sqlite3 *database, const char *sql, int64_t to,
                         struct catalog_error *error)
{
    bool done = database_exec(database, "BEGIN IMMEDIATE") == SQLITE_OK &&
                database_exec(database, sql) == SQLITE_OK &&
                meta_write_int(database, "format", to) == SQLITE_OK &&
                database_exec(database, "COMMIT") == SQLITE_OK;
    if (!done) {
        (void)catalog_fail(database, "the migration failed and was undone", error);
        database_rollback(database);
    }
    return done;
}

bool catalog_migrate(sqlite3 *database, const char *path,
                     const struct catalog_migration *migrations, int64_t from, int64_t to,
                     struct catalog_error *error)
{
    for (int64_t format = from; format < to; format++) {
        if (find_migration(migrations, format) == NULL) {
            (void)snprintf(error->text, sizeof error->text,
                           "has format %lld, which this program cannot read any more",
                           (long long)from);
            return false;
        }
    }
    if (!copy_file(database, path, from, error)) {
        return false;
    }
    for (int64_t format = from; format < to; format++) {
        if (!migrate_once(database, find_migration(migrations, format), format + 1, error)) {
            return false;
        }
    }
    return true;
}
