#include "tests/storage/faulty_sqlite.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One lock for all: the plan changes while the threads run. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *base;
    sqlite3_mem_methods memory;
    pthread_mutex_t mutex;
    enum faulty_call call;
    long left; /* 0: nothing is planned */
    int code;
    bool lasting;
    bool failed;
    bool keeps_synced;
    long counts[FAULTY_CALLS];
} faulty = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct file {
    sqlite3_file file; /* with our methods */
    sqlite3_file *base;
    const char *name; /* SQLite keeps it while the file is open; NULL: a temporary file */
};

static struct file *of(sqlite3_file *file) { return (struct file *)(void *)file; }

static sqlite3_file *base_of(sqlite3_file *file) { return of(file)->base; }

/* Past the C library's _exit, at which ThreadSanitizer waits for the threads and reports those
 * left. */
void faulty_die(int status)
{
    (void)syscall(SYS_exit_group, status);
    abort();
}

static int planned_code(void)
{
    (void)pthread_mutex_lock(&faulty.mutex);
    int code = faulty.code;
    (void)pthread_mutex_unlock(&faulty.mutex);
    return code;
}

/* The code to fail with, or SQLITE_OK. */
static int next(enum faulty_call call)
{
    int code = SQLITE_OK;
    (void)pthread_mutex_lock(&faulty.mutex);
    faulty.counts[call]++;
    if (faulty.left > 0 && faulty.call == call) {
        if (faulty.left == 1 && faulty.code == FAULTY_DIE) {
            faulty_die(FAULTY_STATUS);
        }
        if (faulty.left == 1) {
            code = faulty.code;
            faulty.failed = true;
        }
        if (faulty.left > 1 || !faulty.lasting) {
            faulty.left--;
        }
    }
    (void)pthread_mutex_unlock(&faulty.mutex);
    return code;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static int on_close(sqlite3_file *file) { return base_of(file)->pMethods->xClose(base_of(file)); }

/* SQLite takes what the database itself lacks at its end for zeros, and pages have no checksums:
 * only a read of the log can be cut without harm. */
static bool can_be_cut(const struct file *file)
{
    return file->name != NULL && ends_with(file->name, "-wal");
}

static int on_read(sqlite3_file *file, void *data, int bytes, sqlite3_int64 offset)
{
    bool counts = planned_code() != SQLITE_IOERR_SHORT_READ || can_be_cut(of(file));
    int code = counts ? next(FAULTY_READ) : SQLITE_OK;
    int part = code == SQLITE_OK ? bytes : bytes / 2;
    int rc = base_of(file)->pMethods->xRead(base_of(file), data, part, offset);
    if (code != SQLITE_OK) {
        memset((uint8_t *)data + part, 0, (size_t)(bytes - part));
    }
    return code == SQLITE_OK ? rc : code;
}

static int on_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    int code = next(FAULTY_WRITE);
    int written = code == SQLITE_OK ? bytes : bytes / 2;
    int rc = base_of(file)->pMethods->xWrite(base_of(file), data, written, offset);
    return code == SQLITE_OK ? rc : code;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    int code = next(FAULTY_WRITE);
    return code == SQLITE_OK ? base_of(file)->pMethods->xTruncate(base_of(file), bytes) : code;
}

/* Under another name until it is whole: the process may die at any moment. */
static void keep_synced(struct file *file)
{
    char part[512];
    char path[512];
    sqlite3_int64 bytes = 0;
    int rc = file->base->pMethods->xFileSize(file->base, &bytes);
    void *data = malloc((size_t)bytes + 1);
    (void)snprintf(part, sizeof part, "%s.part", file->name);
    (void)snprintf(path, sizeof path, "%s.disk", file->name);
    FILE *copy = fopen(part, "we");
    assert(rc == SQLITE_OK && data != NULL && copy != NULL);
    rc = bytes == 0 ? SQLITE_OK : file->base->pMethods->xRead(file->base, data, (int)bytes, 0);
    size_t written = fwrite(data, 1, (size_t)bytes, copy);
    assert(rc == SQLITE_OK && written == (size_t)bytes);
    rc = fclose(copy);
    assert(rc == 0);
    rc = rename(part, path);
    assert(rc == 0);
    free(data);
}

static int on_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    int code = next(FAULTY_SYNC);
    if (code != SQLITE_OK) {
        return code;
    }
    if (faulty.keeps_synced && of(file)->name != NULL) {
        keep_synced(of(file));
    }
    return SQLITE_OK; /* no test here turns the real machine off: the real disk may take its time */
}

static int on_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
    return base_of(file)->pMethods->xFileSize(base_of(file), bytes);
}

static int on_lock(sqlite3_file *file, int level)
{
    return base_of(file)->pMethods->xLock(base_of(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
    return base_of(file)->pMethods->xUnlock(base_of(file), level);
}

static int on_check_lock(sqlite3_file *file, int *held)
{
    return base_of(file)->pMethods->xCheckReservedLock(base_of(file), held);
}

static int on_control(sqlite3_file *file, int operation, void *argument)
{
    return base_of(file)->pMethods->xFileControl(base_of(file), operation, argument);
}

static int on_sector(sqlite3_file *file)
{
    return base_of(file)->pMethods->xSectorSize(base_of(file));
}

static int on_characteristics(sqlite3_file *file)
{
    return base_of(file)->pMethods->xDeviceCharacteristics(base_of(file));
}

static int on_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
    return base_of(file)->pMethods->xShmMap(base_of(file), region, bytes, extend, out);
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return base_of(file)->pMethods->xShmLock(base_of(file), offset, count, flags);
}

static void on_barrier(sqlite3_file *file) { base_of(file)->pMethods->xShmBarrier(base_of(file)); }

static int on_unmap(sqlite3_file *file, int remove)
{
    return base_of(file)->pMethods->xShmUnmap(base_of(file), remove);
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

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct file *ours = of(file);
    (void)vfs;
    ours->name = name;
    ours->base = (sqlite3_file *)(void *)(ours + 1);
    int rc = faulty.base->xOpen(faulty.base, name, ours->base, flags, out);
    file->pMethods = ours->base->pMethods == NULL ? NULL : &methods;
    return rc;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    char path[512];
    (void)vfs;
    if (faulty.keeps_synced) {
        (void)snprintf(path, sizeof path, "%s.disk", name);
        (void)unlink(path);
    }
    return faulty.base->xDelete(faulty.base, name, sync_folder);
}

static void *on_malloc(int bytes)
{
    return next(FAULTY_MEMORY) == SQLITE_OK ? faulty.memory.xMalloc(bytes) : NULL;
}

static void *on_realloc(void *data, int bytes)
{
    return next(FAULTY_MEMORY) == SQLITE_OK ? faulty.memory.xRealloc(data, bytes) : NULL;
}

static void install_memory(void)
{
    sqlite3_mem_methods memory;
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &faulty.memory);
    assert(rc == SQLITE_OK && faulty.memory.xMalloc != NULL);
    memory = faulty.memory;
    memory.xMalloc = on_malloc;
    memory.xRealloc = on_realloc;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void faulty_install(void)
{
    install_memory();
    faulty.base = sqlite3_vfs_find(NULL);
    assert(faulty.base != NULL);
    faulty.vfs = *faulty.base;
    faulty.vfs.zName = "faulty";
    faulty.vfs.szOsFile = (int)sizeof(struct file) + faulty.base->szOsFile;
    faulty.vfs.xOpen = on_open;
    faulty.vfs.xDelete = on_delete;
    int rc = sqlite3_vfs_register(&faulty.vfs, 1);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void faulty_fail(enum faulty_call call, long n, int code, bool lasting)
{
    (void)pthread_mutex_lock(&faulty.mutex);
    faulty.call = call;
    faulty.left = n;
    faulty.code = code;
    faulty.lasting = lasting;
    faulty.failed = false;
    memset(faulty.counts, 0, sizeof faulty.counts);
    (void)pthread_mutex_unlock(&faulty.mutex);
}

void faulty_heal(void) { faulty_fail(FAULTY_WRITE, 0, SQLITE_OK, false); }

long faulty_count(enum faulty_call call)
{
    (void)pthread_mutex_lock(&faulty.mutex);
    long count = faulty.counts[call];
    (void)pthread_mutex_unlock(&faulty.mutex);
    return count;
}

bool faulty_has_failed(void)
{
    (void)pthread_mutex_lock(&faulty.mutex);
    bool failed = faulty.failed;
    (void)pthread_mutex_unlock(&faulty.mutex);
    return failed;
}

void faulty_keep_synced(void) { faulty.keeps_synced = true; }

static void visit_files(const char *folder, void (*visit)(const char *path))
{
    DIR *open = opendir(folder);
    assert(open != NULL);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            visit(path);
        }
    }
    (void)closedir(open);
}

static void drop(const char *path)
{
    if (!ends_with(path, ".disk")) {
        (void)unlink(path);
    }
}

static void restore(const char *path)
{
    char name[512];
    if (ends_with(path, ".disk")) {
        (void)snprintf(name, sizeof name, "%.*s", (int)(strlen(path) - strlen(".disk")), path);
        int rc = rename(path, name);
        assert(rc == 0);
        (void)rc;
    }
}

void faulty_lose_power(const char *folder)
{
    visit_files(folder, drop);
    visit_files(folder, restore);
}
