#include "tests/simulation/disk_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/memory.h"

static _Noreturn void stop(void)
{
    (void)fprintf(stderr, "the simulated disk has no memory left\n");
    abort();
}

void *disk_allocate(size_t bytes)
{
    void *memory = memory_own_calloc(bytes);
    if (memory == NULL) {
        stop();
    }
    return memory;
}

/* --- bytes --- */

static void bytes_reserve(struct disk_bytes *bytes, size_t length)
{
    if (length <= bytes->capacity) {
        return;
    }
    size_t capacity = bytes->capacity * 2 > length ? bytes->capacity * 2 : length;
    uint8_t *grown = memory_own_realloc(bytes->data, capacity);
    if (grown == NULL) {
        stop();
    }
    bytes->data = grown;
    bytes->capacity = capacity;
}

static void bytes_resize(struct disk_bytes *bytes, size_t length)
{
    bytes_reserve(bytes, length);
    if (length > bytes->length) {
        memset(bytes->data + bytes->length, 0, length - bytes->length);
    }
    bytes->length = length;
}

static void bytes_write(struct disk_bytes *bytes, const void *data, size_t length, size_t offset)
{
    if (offset + length > bytes->length) {
        bytes_resize(bytes, offset + length);
    }
    if (length > 0) {
        memcpy(bytes->data + offset, data, length);
    }
}

static void bytes_copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    to->length = 0;
    bytes_write(to, from->data, from->length, 0);
}

/* --- changes --- */

static void add_change(struct disk_file *file, struct disk_change change)
{
    if (file->change_count == file->change_capacity) {
        file->change_capacity = file->change_capacity * 2 + 16;
        struct disk_change *grown =
            memory_own_realloc(file->changes, file->change_capacity * sizeof *grown);
        if (grown == NULL) {
            stop();
        }
        file->changes = grown;
    }
    file->changes[file->change_count++] = change;
}

static void apply(struct disk_bytes *bytes, const struct disk_change *change, size_t length)
{
    if (change->data == NULL) {
        bytes_resize(bytes, change->offset);
    } else {
        bytes_write(bytes, change->data, length, change->offset);
    }
}

static void forget_changes(struct disk_file *file)
{
    for (size_t i = 0; i < file->change_count; i++) {
        memory_own_free(file->changes[i].data);
    }
    file->change_count = 0;
}

void disk_file_write(struct disk_file *file, const void *data, size_t length, size_t offset)
{
    struct disk_change change = {.offset = offset, .length = length, .data = disk_allocate(length)};
    memcpy(change.data, data, length);
    add_change(file, change);
    bytes_write(&file->written, data, length, offset);
}

void disk_file_truncate(struct disk_file *file, size_t length)
{
    add_change(file, (struct disk_change){.offset = length});
    bytes_resize(&file->written, length);
}

void disk_file_sync(struct disk_file *file)
{
    for (size_t i = 0; i < file->change_count; i++) {
        apply(&file->synced, &file->changes[i], file->changes[i].length);
    }
    forget_changes(file);
}

enum fate { WHOLE, MISSING, TORN, FATES };

static size_t torn(size_t length, struct random *random)
{
    return random_below(random, length / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
}

/* Not synced is not ordered: any of them may have come, and any may be torn. */
void disk_file_lose_power(struct disk_file *file, struct random *random)
{
    for (size_t i = 0; i < file->change_count; i++) {
        const struct disk_change *change = &file->changes[i];
        switch ((enum fate)random_below(random, FATES)) {
        case WHOLE:
            apply(&file->synced, change, change->length);
            break;
        case TORN:
            apply(&file->synced, change, torn(change->length, random));
            break;
        case MISSING:
        case FATES:
            break;
        }
    }
    forget_changes(file);
    bytes_copy(&file->written, &file->synced);
}

/* --- files --- */

struct disk_file *disk_file_create(const char *name)
{
    struct disk_file *file = disk_allocate(sizeof *file);
    if (name != NULL) {
        file->name = disk_allocate(strlen(name) + 1);
        memcpy(file->name, name, strlen(name) + 1);
    }
    return file;
}

void disk_file_forget_regions(struct disk_file *file)
{
    for (size_t i = 0; i < DISK_REGIONS; i++) {
        memory_own_free(file->regions[i]);
        file->regions[i] = NULL;
    }
}

void disk_file_destroy(struct disk_file *file)
{
    forget_changes(file);
    disk_file_forget_regions(file);
    memory_own_free(file->changes);
    memory_own_free(file->written.data);
    memory_own_free(file->synced.data);
    memory_own_free(file->name);
    memory_own_free(file);
}
