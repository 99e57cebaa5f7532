#include "server/storage/backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some millisecond of the reading thread, between which loads pass. */
enum { STEP_PAGES = 256, PATH_BYTES = 4096 };

struct backup {
    sqlite3 *source; /* in one read transaction: what others write does not begin the copy anew */
    sqlite3 *target;
    sqlite3_backup *steps;
    int file; /* the copy, once it is whole */
    uint64_t position;
    uint64_t bytes;
    bool whole;
    char path[PATH_BYTES];
};

static int begin_snapshot(struct backup *backup)
{
    sqlite3_stmt *last = NULL;
    int rc = database_exec(backup->source, "BEGIN");
    if (rc == SQLITE_OK) {
        rc = database_prepare(backup->source, &last,
                              "SELECT coalesce((SELECT seq FROM sqlite_sequence "
                              "WHERE name = 'journal'), 0)");
    }
    rc = rc == SQLITE_OK ? sqlite3_step(last) : rc;
    bool known = rc == SQLITE_ROW && column_take_uint(last, 0, &backup->position);
    (void)sqlite3_finalize(last);
    return known ? SQLITE_OK : rc == SQLITE_ROW ? SQLITE_CORRUPT : rc;
}

/* What a crash may lose needs no syncs. */
static int open_target(struct backup *backup)
{
    (void)unlink(backup->path);
    int rc = database_open(&backup->target, backup->path);
    if (rc == SQLITE_OK) {
        rc = database_exec(backup->target, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    backup->steps = sqlite3_backup_init(backup->target, "main", backup->source, "main");
    return backup->steps == NULL ? sqlite3_extended_errcode(backup->target) : SQLITE_OK;
}

static bool name_of(const char *path, char name[PATH_BYTES])
{
    int length = snprintf(name, PATH_BYTES, "%s.backing-up", path);
    return length >= 0 && length < PATH_BYTES;
}

void backup_forget(const char *path)
{
    char name[PATH_BYTES];
    if (name_of(path, name)) {
        (void)unlink(name);
    }
}

int backup_open(struct backup **out, const char *path)
{
    struct backup *backup = calloc(1, sizeof *backup);
    *out = backup;
    if (backup == NULL) {
        return SQLITE_NOMEM;
    }
    backup->file = -1;
    if (!name_of(path, backup->path)) {
        return SQLITE_CANTOPEN;
    }
    int rc = database_open_reader(&backup->source, path);
    rc = rc == SQLITE_OK ? begin_snapshot(backup) : rc;
    return rc == SQLITE_OK ? open_target(backup) : rc;
}

/* The copy still says of itself that it has a log beside it. */
static int finish(struct backup *backup)
{
    int rc = sqlite3_backup_finish(backup->steps);
    backup->steps = NULL;
    (void)sqlite3_close(backup->source); /* lets go of the snapshot, for which the log grows */
    backup->source = NULL;
    if (rc == SQLITE_OK) {
        rc = database_exec(backup->target, "PRAGMA journal_mode = DELETE");
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    struct stat status;
    (void)sqlite3_close(backup->target);
    backup->target = NULL;
    backup->file = open(backup->path, O_RDONLY | O_CLOEXEC);
    (void)unlink(backup->path);
    if (backup->file < 0 || fstat(backup->file, &status) != 0) {
        return SQLITE_IOERR;
    }
    backup->bytes = (uint64_t)status.st_size;
    backup->whole = true;
    return SQLITE_DONE;
}

int backup_step(struct backup *backup)
{
    if (backup->steps == NULL) {
        return SQLITE_MISUSE;
    }
    int rc = sqlite3_backup_step(backup->steps, STEP_PAGES);
    return rc == SQLITE_DONE ? finish(backup) : rc;
}

static int read_piece(const struct backup *backup, uint64_t offset, uint8_t *piece, size_t *length)
{
    size_t wanted = *length;
    *length = 0;
    while (*length < wanted) {
        ssize_t got =
            pread(backup->file, piece + *length, wanted - *length, (off_t)(offset + *length));
        if (got <= 0) {
            return SQLITE_IOERR_READ;
        }
        *length += (size_t)got;
    }
    return SQLITE_OK;
}

int backup_read(const struct backup *backup, uint64_t offset, uint64_t limit, struct writer *writer)
{
    uint8_t piece[BACKUP_PIECE_BYTES];
    if (!backup->whole || offset > backup->bytes) {
        return SQLITE_MISUSE;
    }
    uint64_t left = backup->bytes - offset;
    size_t length = sizeof piece;
    length = limit < length ? (size_t)limit : length;
    length = left < length ? (size_t)left : length;
    int rc = read_piece(backup, offset, piece, &length);
    row_write(writer, &(struct row){.kind = ROW_COPY,
                                    .position = backup->position,
                                    .index = backup->bytes,
                                    .detail = {piece, length}});
    return rc;
}

void backup_reason(const struct backup *backup, int rc, char reason[DATABASE_REASON_BYTES])
{
    if (backup != NULL && backup->target != NULL) {
        database_reason(backup->target, rc, reason);
    } else {
        (void)snprintf(reason, DATABASE_REASON_BYTES, "%.200s (SQLite %d)", sqlite3_errstr(rc), rc);
    }
}

void backup_close(struct backup *backup)
{
    if (backup == NULL) {
        return;
    }
    (void)sqlite3_backup_finish(backup->steps);
    (void)sqlite3_close(backup->source);
    (void)sqlite3_close(backup->target);
    if (backup->file >= 0) {
        (void)close(backup->file);
    } else {
        (void)unlink(backup->path);
    }
    free(backup);
}
