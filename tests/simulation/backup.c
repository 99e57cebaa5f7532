#include "tests/simulation/backup.h"

#include <sqlite3.h>
#include <stdio.h>

#include "server/storage/restore.h"

enum { PATH_BYTES = 80 };

static bool copy_file(const struct host *host, const char *copy)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_open(host->path, &database);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(database, "VACUUM INTO ?1", -1, &statement, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_text(statement, 1, copy, -1, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(database);
    return rc == SQLITE_DONE;
}

bool backup_make(const struct host *host, struct buffer *backup)
{
    char copy[PATH_BYTES];
    char beside[PATH_BYTES + 8];
    (void)snprintf(copy, sizeof copy, "%s-copy", host->path);
    (void)snprintf(beside, sizeof beside, "%s-journal", copy);
    disk_remove(copy);
    disk_remove(beside);
    bool made = copy_file(host, copy) && !disk_is_cut();
    if (made) {
        struct bytes content = disk_content(copy);
        buffer_clear(backup);
        made = buffer_append(backup, content.data, content.length) == PROTOCOL_OK;
    }
    disk_remove(copy);
    disk_remove(beside);
    return made;
}

/* What `synclined restore` does, but for the names of files, which this disk does not have. */
void backup_restore(struct host *host, const struct buffer *backup)
{
    static const char *const besides[] = {"-wal", "-shm", "-journal"};
    char path[PATH_BYTES];
    char error[STORAGE_ERROR_BYTES];
    struct storage_restored restored;
    (void)snprintf(path, sizeof path, "%s-restoring", host->path);
    disk_put(path, buffer_bytes(backup));
    if (!storage_adopt(path, host->path, &restored, error)) {
        host_violation(host, "a backup cannot be restored: %s", error);
        return;
    }
    for (size_t i = 0; i < sizeof besides / sizeof *besides; i++) {
        char beside[PATH_BYTES + 8];
        (void)snprintf(beside, sizeof beside, "%s%s", host->path, besides[i]);
        disk_remove(beside);
    }
    disk_put(host->path, disk_content(path));
    disk_remove(path);
}
