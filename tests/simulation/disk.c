#include "tests/simulation/disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"
#include "tests/simulation/disk_lock.h"

enum { NAME_BYTES = 512 };

/* When the simulation's days begin, as SQLite counts them. */
static const sqlite3_int64 JULIAN_DAY_MS = 212453280000000;

struct fault {
    unsigned left; /* 0: none */
    int code;
    bool lasting;
};

static struct {
    sqlite3_vfs vfs;
    struct disk_file *files;
    struct random random; /* SQLite's */
    struct fault faults[DISK_CALLS];
    uint64_t bytes_left;
    bool cut;
    unsigned cut_after; /* 0: never */
    bool failed;
    size_t failures; /* ever */
    size_t fulls;
} disk;

/* --- faults --- */

static int fail(enum disk_call call)
{
    struct fault *fault = &disk.faults[call];
    if (disk.cut_after > 0 && call != DISK_READ) {
        disk.cut = --disk.cut_after == 0;
    }
    if (disk.cut) {
        return call == DISK_READ ? SQLITE_OK : SQLITE_IOERR;
    }
    if (fault->left == 0) {
        return SQLITE_OK;
    }
    if (fault->left > 1) {
        fault->left--;
        return SQLITE_OK;
    }
    fault->left = fault->lasting ? 1 : 0;
    disk.failed = true;
    disk.failures++;
    return fault->code;
}

static bool has_room(const struct disk_file *file, size_t end)
{
    size_t grows = end > file->written.length ? end - file->written.length : 0;
    if (grows > disk.bytes_left) {
        return false;
    }
    disk.bytes_left -= grows;
    return true;
}

/* --- files --- */

static struct disk_file *find(const char *name)
{
    struct disk_file *file = disk.files;
    while (file != NULL && (file->deleted || strcmp(file->name, name) != 0)) {
        file = file->next;
    }
    return file;
}

static void unlink_file(struct disk_file *file)
{
    struct disk_file **at = &disk.files;
    while (*at != file) {
        at = &(*at)->next;
    }
    *at = file->next;
    disk_file_destroy(file);
}

static void release(struct disk_file *file)
{
    file->handles--;
    if (file->handles > 0) {
        return;
    }
    disk_file_forget_regions(file);
    if (file->name == NULL) {
        disk_file_destroy(file);
    } else if (file->deleted) {
        unlink_file(file);
    }
}

/* --- a file's methods --- */

static int on_close(sqlite3_file *file)
{
    (void)disk_on_unlock(file, SQLITE_LOCK_NONE);
    (void)disk_on_unmap(file, 0);
    release(disk_handle_of(file)->file);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *data, int length, sqlite3_int64 offset)
{
    const struct disk_bytes *bytes = &disk_handle_of(file)->file->written;
    int rc = fail(DISK_READ);
    if (rc != SQLITE_OK) {
        return rc;
    }
    size_t from = (size_t)offset;
    size_t there = from < bytes->length ? bytes->length - from : 0;
    size_t taken = there < (size_t)length ? there : (size_t)length;
    if (taken > 0) {
        memcpy(data, bytes->data + from, taken);
    }
    memset((uint8_t *)data + taken, 0, (size_t)length - taken);
    return taken == (size_t)length ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

/* Half of a write that fails is written, as disks do. */
static int on_write(sqlite3_file *file, const void *data, int length, sqlite3_int64 offset)
{
    int rc = fail(DISK_WRITE);
    if (disk.cut) {
        return rc;
    }
    size_t whole = (size_t)length;
    if (rc == SQLITE_OK && !has_room(disk_handle_of(file)->file, (size_t)offset + whole)) {
        disk.failed = true;
        disk.fulls++;
        return SQLITE_FULL;
    }
    disk_file_write(disk_handle_of(file)->file, data, rc == SQLITE_OK ? whole : whole / 2,
                    (size_t)offset);
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 length)
{
    int rc = fail(DISK_WRITE);
    if (rc == SQLITE_OK) {
        disk_file_truncate(disk_handle_of(file)->file, (size_t)length);
    }
    return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
    int rc = fail(DISK_SYNC);
    (void)flags;
    if (rc == SQLITE_OK) {
        disk_file_sync(disk_handle_of(file)->file);
    }
    return rc;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *length)
{
    *length = (sqlite3_int64)disk_handle_of(file)->file->written.length;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *file)
{
    (void)file;
    return DISK_SECTOR_BYTES;
}

static int on_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = disk_on_lock,
    .xUnlock = disk_on_unlock,
    .xCheckReservedLock = disk_on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = disk_on_map,
    .xShmLock = disk_on_shm_lock,
    .xShmBarrier = disk_on_barrier,
    .xShmUnmap = disk_on_unmap,
};

/* --- the disk's methods --- */

static struct disk_file *open_file(const char *name, int flags)
{
    struct disk_file *file = name == NULL ? NULL : find(name);
    if (file == NULL && (name == NULL || (flags & SQLITE_OPEN_CREATE) != 0)) {
        file = disk_file_create(name);
        if (name != NULL) {
            file->next = disk.files;
            disk.files = file;
        }
    }
    return file;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
    struct disk_handle *handle = disk_handle_of(base);
    (void)vfs;
    *handle = (struct disk_handle){.file = open_file(name, flags)};
    if (handle->file == NULL) {
        return SQLITE_CANTOPEN;
    }
    handle->file->handles++;
    handle->base.pMethods = &methods;
    if (out != NULL) {
        *out = flags;
    }
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    (void)sync_folder;
    if (disk.cut) {
        return SQLITE_IOERR_DELETE;
    }
    if (find(name) == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    disk_remove(name);
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    (void)flags;
    *out = find(name) != NULL;
    return SQLITE_OK;
}

static int on_path(sqlite3_vfs *vfs, const char *name, int length, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)length, "%s", name) < length ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int on_randomness(sqlite3_vfs *vfs, int length, char *out)
{
    (void)vfs;
    for (int i = 0; i < length; i++) {
        out[i] = (char)random_next(&disk.random);
    }
    return length;
}

static int on_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int on_time(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds)
{
    (void)vfs;
    *milliseconds = JULIAN_DAY_MS;
    return SQLITE_OK;
}

static int on_error(sqlite3_vfs *vfs, int length, char *out)
{
    (void)vfs;
    if (length > 0) {
        out[0] = '\0';
    }
    return 0;
}

void disk_install(void)
{
    disk.vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct disk_handle),
        .mxPathname = NAME_BYTES,
        .zName = "simulated",
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_path,
        .xRandomness = on_randomness,
        .xSleep = on_sleep,
        .xGetLastError = on_error,
        .xCurrentTimeInt64 = on_time,
    };
    if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK) {
        abort();
    }
}

/* --- what the simulation does to it --- */

void disk_format(uint64_t seed)
{
    while (disk.files != NULL) {
        unlink_file(disk.files);
    }
    disk.cut = false;
    disk.cut_after = 0;
    disk.random = (struct random){seed};
    sqlite3_randomness(0, NULL); /* the next call asks for a new seed */
    disk_heal();
}

struct bytes disk_content(const char *name)
{
    const struct disk_file *file = find(name);
    if (file == NULL) {
        return (struct bytes){0};
    }
    return (struct bytes){file->written.data, file->written.length};
}

void disk_remove(const char *name)
{
    struct disk_file *file = find(name);
    if (file != NULL) {
        file->deleted = true;
        if (file->handles == 0) {
            unlink_file(file);
        }
    }
}

void disk_put(const char *name, struct bytes content)
{
    disk_remove(name);
    struct disk_file *file = open_file(name, SQLITE_OPEN_CREATE);
    disk_file_write(file, content.data, content.length, 0);
    disk_file_sync(file);
}

void disk_fail(enum disk_call call, unsigned n, int code, bool lasting)
{
    disk.faults[call] = (struct fault){.left = n, .code = code, .lasting = lasting};
}

void disk_fill(uint64_t bytes_left) { disk.bytes_left = bytes_left; }

void disk_heal(void)
{
    memset(disk.faults, 0, sizeof disk.faults);
    disk.bytes_left = UINT64_MAX / 2;
    disk.failed = false;
}

bool disk_has_failed(void) { return disk.failed; }

size_t disk_failures(void) { return disk.failures; }

size_t disk_fulls(void) { return disk.fulls; }

void disk_cut(void) { disk.cut = true; }

void disk_cut_after(unsigned n) { disk.cut_after = n; }

bool disk_is_cut(void) { return disk.cut; }

void disk_start(struct random *random, bool power)
{
    disk.cut = false;
    disk.cut_after = 0;
    for (struct disk_file *file = disk.files; file != NULL && power; file = file->next) {
        disk_file_lose_power(file, random);
    }
}
