#include "tests/simulation/disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"

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
} disk;

/* A handle, which SQLite keeps the room for. */
struct handle {
    sqlite3_file base;
    struct disk_file *file;
    int level;
    unsigned slots_shared; /* bits: the index's locks that this handle holds */
    unsigned slots_exclusive;
};

static struct handle *of(sqlite3_file *file) { return (struct handle *)(void *)file; }

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

static int on_unlock(sqlite3_file *base, int level);
static int on_unmap(sqlite3_file *file, int remove);

static int on_close(sqlite3_file *file)
{
    (void)on_unlock(file, SQLITE_LOCK_NONE);
    (void)on_unmap(file, 0);
    release(of(file)->file);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *data, int length, sqlite3_int64 offset)
{
    const struct disk_bytes *bytes = &of(file)->file->written;
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
    if (rc == SQLITE_OK && !has_room(of(file)->file, (size_t)offset + whole)) {
        disk.failed = true;
        return SQLITE_FULL;
    }
    disk_file_write(of(file)->file, data, rc == SQLITE_OK ? whole : whole / 2, (size_t)offset);
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 length)
{
    int rc = fail(DISK_WRITE);
    if (rc == SQLITE_OK) {
        disk_file_truncate(of(file)->file, (size_t)length);
    }
    return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
    int rc = fail(DISK_SYNC);
    (void)flags;
    if (rc == SQLITE_OK) {
        disk_file_sync(of(file)->file);
    }
    return rc;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *length)
{
    *length = (sqlite3_int64)of(file)->file->written.length;
    return SQLITE_OK;
}

static int on_lock(sqlite3_file *base, int level)
{
    struct handle *handle = of(base);
    struct disk_file *file = handle->file;
    bool shares = handle->level >= SQLITE_LOCK_SHARED;
    if (level <= handle->level) {
        return SQLITE_OK;
    }
    if ((!shares && file->exclusive) ||
        (level >= SQLITE_LOCK_RESERVED && handle->level < SQLITE_LOCK_RESERVED && file->reserved) ||
        (level == SQLITE_LOCK_EXCLUSIVE && file->shared > (shares ? 1U : 0U))) {
        return SQLITE_BUSY;
    }
    file->shared += !shares;
    file->reserved = file->reserved || level >= SQLITE_LOCK_RESERVED;
    file->exclusive = file->exclusive || level == SQLITE_LOCK_EXCLUSIVE;
    handle->level = level;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int level)
{
    struct handle *handle = of(base);
    struct disk_file *file = handle->file;
    if (level >= handle->level) {
        return SQLITE_OK;
    }
    file->exclusive = file->exclusive && handle->level < SQLITE_LOCK_EXCLUSIVE;
    file->reserved = file->reserved && handle->level < SQLITE_LOCK_RESERVED;
    file->shared -= level == SQLITE_LOCK_NONE;
    handle->level = level;
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *file, int *held)
{
    *held = of(file)->file->reserved;
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

/* --- the index of a write-ahead log --- */

static int on_map(sqlite3_file *file, int region, int length, int extend, void volatile **out)
{
    if (region >= DISK_REGIONS) {
        return SQLITE_NOMEM;
    }
    uint8_t **at = &of(file)->file->regions[region];
    if (*at == NULL && extend != 0) {
        *at = disk_allocate((size_t)length);
    }
    *out = *at;
    return SQLITE_OK;
}

static void slot_unlock(struct handle *handle, int slot)
{
    unsigned bit = 1U << slot;
    if ((handle->slots_shared & bit) != 0) {
        handle->file->slot_shared[slot]--;
    }
    if ((handle->slots_exclusive & bit) != 0) {
        handle->file->slot_exclusive[slot] = false;
    }
    handle->slots_shared &= ~bit;
    handle->slots_exclusive &= ~bit;
}

static bool slot_is_free(const struct handle *handle, int slot, bool exclusive)
{
    const struct disk_file *file = handle->file;
    size_t own = (handle->slots_shared >> slot) & 1U;
    bool taken = file->slot_exclusive[slot] && ((handle->slots_exclusive >> slot) & 1U) == 0;
    return !taken && (!exclusive || file->slot_shared[slot] == own);
}

static void slot_lock(struct handle *handle, int slot, bool exclusive)
{
    slot_unlock(handle, slot);
    if (exclusive) {
        handle->file->slot_exclusive[slot] = true;
        handle->slots_exclusive |= 1U << slot;
    } else {
        handle->file->slot_shared[slot]++;
        handle->slots_shared |= 1U << slot;
    }
}

static int on_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct handle *handle = of(file);
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        for (int slot = first; slot < first + count; slot++) {
            slot_unlock(handle, slot);
        }
        return SQLITE_OK;
    }
    for (int slot = first; slot < first + count; slot++) {
        if (!slot_is_free(handle, slot, exclusive)) {
            return SQLITE_BUSY;
        }
    }
    for (int slot = first; slot < first + count; slot++) {
        slot_lock(handle, slot, exclusive);
    }
    return SQLITE_OK;
}

static void on_barrier(sqlite3_file *file) { (void)file; }

static int on_unmap(sqlite3_file *file, int remove)
{
    struct handle *handle = of(file);
    for (int slot = 0; slot < DISK_SHARED_SLOTS; slot++) {
        slot_unlock(handle, slot);
    }
    if (remove != 0) {
        disk_file_forget_regions(handle->file);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_barrier,
    .xShmUnmap = on_unmap,
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
    struct handle *handle = of(base);
    (void)vfs;
    *handle = (struct handle){.file = open_file(name, flags)};
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
    struct disk_file *file = find(name);
    (void)vfs;
    (void)sync_folder;
    if (disk.cut) {
        return SQLITE_IOERR_DELETE;
    }
    if (file == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    file->deleted = true;
    if (file->handles == 0) {
        unlink_file(file);
    }
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
        .szOsFile = (int)sizeof(struct handle),
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
