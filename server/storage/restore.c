/*
 * Restore, around the file: the lock, a copy beside the data file, and the exchange. The copy is
 * whole and on the disk before anything of the file before is moved, so an end at any moment leaves
 * one or the other in place, or both under their own names.
 */
#include "server/storage/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/storage/copy.h"
#include "server/storage/storage_state.h"

struct restore {
    char path[STORAGE_PATH_BYTES]; /* the data file, behind links */
    char part[STORAGE_PATH_BYTES]; /* the copy */
    struct stat before;            /* the data file's, or its folder's where there is none */
    bool exists;
    struct storage_restored *restored;
    char *error;
};

static bool refuse(const struct restore *restore, const char *what)
{
    (void)snprintf(restore->error, STORAGE_ERROR_BYTES, "%.400s: %.200s", restore->path, what);
    return false;
}

static bool refuse_system(const struct restore *restore, const char *what)
{
    (void)snprintf(restore->error, STORAGE_ERROR_BYTES, "%.400s: %.200s: %s", restore->path, what,
                   strerror(errno));
    return false;
}

static bool look_at_folder(struct restore *restore)
{
    char folder[STORAGE_PATH_BYTES];
    (void)memcpy(folder, restore->path, sizeof folder);
    return stat(dirname(folder), &restore->before) == 0 ||
           refuse_system(restore, "its folder cannot be read: make it first");
}

static bool init(struct restore *restore, const char *backup, const char *path)
{
    struct stat copied;
    char *real = realpath(path, NULL); /* a link stays one */
    const char *name = real == NULL ? path : real;
    bool fits = strlen(name) + 64 < sizeof restore->path;
    (void)snprintf(restore->path, sizeof restore->path, "%s", name);
    (void)snprintf(restore->part, sizeof restore->part, "%.4000s.restoring", name);
    free(real);
    if (!fits) {
        return refuse(restore, "the path is too long");
    }
    if (stat(backup, &copied) != 0) {
        (void)snprintf(restore->error, STORAGE_ERROR_BYTES, "%.400s: %s", backup, strerror(errno));
        return false;
    }
    restore->exists = stat(restore->path, &restore->before) == 0;
    if (restore->exists && restore->before.st_ino == copied.st_ino &&
        restore->before.st_dev == copied.st_dev) {
        return refuse(restore, "is the backup itself: name another file as the data");
    }
    return restore->exists || look_at_folder(restore);
}

/* Who restores may be root, and the hub is not: it must be able to write what is put there. */
static bool give_to_owner(const struct restore *restore, const char *path)
{
    mode_t mode = restore->exists ? restore->before.st_mode & 0777 : 0600;
    if (geteuid() == 0 && chown(path, restore->before.st_uid, restore->before.st_gid) != 0) {
        return refuse_system(restore, "cannot be given to the owner of the file before");
    }
    return chmod(path, mode) == 0 || refuse_system(restore, "its permissions cannot be set");
}

static bool give_lock_to_owner(const struct restore *restore)
{
    char lock[STORAGE_PATH_BYTES];
    (void)snprintf(lock, sizeof lock, "%.4000s.lock", restore->path);
    return geteuid() != 0 || chown(lock, restore->before.st_uid, restore->before.st_gid) == 0 ||
           refuse_system(restore, "its lock cannot be given to the owner");
}

static bool sync_path(const struct restore *restore, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0) {
        (void)close(file);
    }
    return synced || refuse_system(restore, "what was written cannot be brought to the disk");
}

static bool sync_folder(const struct restore *restore)
{
    char folder[STORAGE_PATH_BYTES];
    (void)memcpy(folder, restore->path, sizeof folder);
    return sync_path(restore, dirname(folder));
}

/* The name says when; two within a second do not share it. */
static bool name_aside(const struct restore *restore, char aside[STORAGE_PATH_BYTES])
{
    char time_text[32];
    struct tm when;
    struct stat there;
    time_t now = time(NULL);
    (void)gmtime_r(&now, &when);
    (void)strftime(time_text, sizeof time_text, "%Y%m%dT%H%M%SZ", &when);
    for (unsigned n = 0; n < 100; n++) {
        (void)snprintf(aside, STORAGE_PATH_BYTES,
                       n == 0 ? "%.4000s.before-%s" : "%.4000s.before-%s-%u", restore->path,
                       time_text, n);
        if (lstat(aside, &there) != 0) {
            return true;
        }
    }
    return refuse(restore, "no name is free for the file before");
}

/* A second name, so that there is no moment without the first one; not every file system can. */
static bool keep(const char *from, const char *to)
{
    return link(from, to) == 0 || rename(from, to) == 0;
}

/* A log that could not be moved into its file, which is damaged, goes with it. */
static bool keep_beside(const struct restore *restore, const char *aside, const char *ending)
{
    char from[STORAGE_PATH_BYTES];
    char to[STORAGE_PATH_BYTES];
    (void)snprintf(from, sizeof from, "%.4000s%s", restore->path, ending);
    (void)snprintf(to, sizeof to, "%.4000s%s", aside, ending);
    return rename(from, to) == 0 || errno == ENOENT ||
           refuse_system(restore, "its log cannot be kept aside");
}

static bool keep_log(const struct restore *restore, const char *aside)
{
    return keep_beside(restore, aside, "-wal") && keep_beside(restore, aside, "-journal") &&
           keep_beside(restore, aside, "-shm");
}

static bool exchange(const struct restore *restore)
{
    char *aside = restore->restored->aside;
    if (!name_aside(restore, aside)) {
        return false;
    }
    if (restore->exists && !keep(restore->path, aside)) {
        return refuse_system(restore, "cannot be kept aside");
    }
    /* Also where there is no file: a log that was left alone must not be taken for the copy's. */
    if (!keep_log(restore, aside)) {
        return false;
    }
    if (!restore->exists) {
        aside[0] = '\0';
    }
    return (rename(restore->part, restore->path) == 0 ||
            refuse_system(restore, "the copy cannot be put in place")) &&
           sync_folder(restore);
}

static bool put_copy(const struct restore *restore, const char *backup)
{
    const char *replaced = restore->exists ? restore->path : NULL;
    return copy_database(backup, restore->part, restore->error) &&
           storage_adopt(restore->part, replaced, restore->restored, restore->error) &&
           give_to_owner(restore, restore->part) && give_lock_to_owner(restore) &&
           sync_path(restore, restore->part) && exchange(restore);
}

bool storage_restore(const char *backup, const char *path, struct storage_restored *restored,
                     char error[STORAGE_ERROR_BYTES])
{
    struct restore restore = {.restored = restored, .error = error};
    *restored = (struct storage_restored){0};
    if (!init(&restore, backup, path)) {
        return false;
    }
    struct storage *lock = storage_lock(restore.path, error);
    if (lock == NULL) {
        return false;
    }
    bool done = put_copy(&restore, backup);
    if (!done) {
        (void)unlink(restore.part);
    }
    (void)storage_close(lock);
    return done;
}
