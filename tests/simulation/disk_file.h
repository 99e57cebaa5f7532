/* One file of the disk: what its process sees, what a power loss leaves, and the locks on it. */
#ifndef SIMULATION_DISK_FILE_H
#define SIMULATION_DISK_FILE_H

#include "tests/simulation/random.h"

enum { DISK_SECTOR_BYTES = 512, DISK_SHARED_SLOTS = 8, DISK_REGIONS = 64 };

/* Bytes that grow with zeros. */
struct disk_bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

/* A write or a truncation that no sync has followed yet. */
struct disk_change {
    size_t offset; /* a truncation: the new length */
    size_t length;
    uint8_t *data; /* NULL: a truncation */
};

struct disk_file {
    struct disk_file *next;
    char *name; /* NULL: temporary, gone with its handle */
    size_t handles;
    bool deleted; /* gone once its last handle is */
    struct disk_bytes written;
    struct disk_bytes synced;
    struct disk_change *changes;
    size_t change_count;
    size_t change_capacity;
    /* SQLite's locks: how many handles hold SHARED, and whether one holds more. */
    size_t shared;
    bool reserved;
    bool exclusive;
    /* The shared memory of a write-ahead log's index, and its locks. */
    uint8_t *regions[DISK_REGIONS];
    size_t slot_shared[DISK_SHARED_SLOTS];
    bool slot_exclusive[DISK_SHARED_SLOTS];
};

struct disk_file *disk_file_create(const char *name);
void disk_file_destroy(struct disk_file *file);

void disk_file_write(struct disk_file *file, const void *data, size_t length, size_t offset);
void disk_file_truncate(struct disk_file *file, size_t length);
void disk_file_sync(struct disk_file *file);

/* What the disk holds when the power comes back. */
void disk_file_lose_power(struct disk_file *file, struct random *random);

/* Of all whose handles are gone: nobody has the index in memory any more. */
void disk_file_forget_regions(struct disk_file *file);

/* Zeroed; the simulation ends if there is no memory for itself. To be freed outside the hub's code,
 * or with `memory_own_free`. */
void *disk_allocate(size_t bytes);

#endif
