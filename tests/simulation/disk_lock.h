/* Who holds what of a file: SQLite's locks, and those of a write-ahead log's index, which is memory
 * that all handles share. */
#ifndef SIMULATION_DISK_LOCK_H
#define SIMULATION_DISK_LOCK_H

#include <sqlite3.h>

#include "tests/simulation/disk_file.h"

/* A handle, which SQLite keeps the room for. */
struct disk_handle {
    sqlite3_file base;
    struct disk_file *file;
    int level;
    unsigned slots_shared; /* bits: the index's locks that this handle holds */
    unsigned slots_exclusive;
};

struct disk_handle *disk_handle_of(sqlite3_file *file);

/* Methods of SQLite's files. */
int disk_on_lock(sqlite3_file *base, int level);
int disk_on_unlock(sqlite3_file *base, int level);
int disk_on_check_lock(sqlite3_file *file, int *held);
int disk_on_map(sqlite3_file *file, int region, int length, int extend, void volatile **out);
int disk_on_shm_lock(sqlite3_file *file, int first, int count, int flags);
void disk_on_barrier(sqlite3_file *file);
int disk_on_unmap(sqlite3_file *file, int remove);

#endif
