#include "tests/simulation/disk_lock.h"

struct disk_handle *disk_handle_of(sqlite3_file *file)
{
    return (struct disk_handle *)(void *)file;
}

int disk_on_lock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = disk_handle_of(base);
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

int disk_on_unlock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = disk_handle_of(base);
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

int disk_on_check_lock(sqlite3_file *file, int *held)
{
    *held = disk_handle_of(file)->file->reserved;
    return SQLITE_OK;
}

/* --- the index of a write-ahead log --- */

int disk_on_map(sqlite3_file *file, int region, int length, int extend, void volatile **out)
{
    if (region >= DISK_REGIONS) {
        return SQLITE_NOMEM;
    }
    uint8_t **at = &disk_handle_of(file)->file->regions[region];
    if (*at == NULL && extend != 0) {
        *at = disk_allocate((size_t)length);
    }
    *out = *at;
    return SQLITE_OK;
}

static void slot_unlock(struct disk_handle *handle, int slot)
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

static bool slot_is_free(const struct disk_handle *handle, int slot, bool exclusive)
{
    const struct disk_file *file = handle->file;
    size_t own = (handle->slots_shared >> slot) & 1U;
    bool taken = file->slot_exclusive[slot] && ((handle->slots_exclusive >> slot) & 1U) == 0;
    return !taken && (!exclusive || file->slot_shared[slot] == own);
}

static void slot_lock(struct disk_handle *handle, int slot, bool exclusive)
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

int disk_on_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct disk_handle *handle = disk_handle_of(file);
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

void disk_on_barrier(sqlite3_file *file) { (void)file; }

int disk_on_unmap(sqlite3_file *file, int remove)
{
    struct disk_handle *handle = disk_handle_of(file);
    for (int slot = 0; slot < DISK_SHARED_SLOTS; slot++) {
        slot_unlock(handle, slot);
    }
    if (remove != 0) {
        disk_file_forget_regions(handle->file);
    }
    return SQLITE_OK;
}
