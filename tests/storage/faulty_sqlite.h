/*
 * SQLite on a machine that fails: its default file system and memory, with counters. The n-th
 * write, sync, read or allocation from now on fails, and with `lasting` all after it, until
 * `faulty_heal`. The product knows nothing of it. From any thread.
 */
#ifndef TESTS_STORAGE_FAULTY_SQLITE_H
#define TESTS_STORAGE_FAULTY_SQLITE_H

#include <stdbool.h>

enum faulty_call {
    FAULTY_WRITE, /* or truncation */
    FAULTY_SYNC,
    FAULTY_READ,
    FAULTY_MEMORY,
    FAULTY_CALLS
};

/* Once, before SQLite is used in any way. */
void faulty_install(void);

/* Ends the process, whatever its threads do, as a kill would: nothing looks for what is left. */
_Noreturn void faulty_die(int status);

/* Instead of an error: the process ends at once, before the call, with FAULTY_STATUS. */
enum { FAULTY_DIE = -1, FAULTY_STATUS = 77 };

/* The n-th call (from 1) of this kind fails, a file's with `code`, such as SQLITE_FULL. Half of the
 * bytes of a write or a read that fails are written or read, as disks do. SQLITE_IOERR_SHORT_READ
 * is for reads of the log only: the other bytes are zeros, as behind the end of a file. */
void faulty_fail(enum faulty_call call, long n, int code, bool lasting);
void faulty_heal(void);

/* How many calls there were since the last faulty_fail or faulty_heal. */
long faulty_count(enum faulty_call call);

/* Whether a call has failed since then. */
bool faulty_has_failed(void);

/*
 * From now on `<file>.disk` holds what a file's last sync has brought to the disk. After the
 * process has died, `faulty_lose_power` makes all files in a folder what is on the disk: what was
 * written and never synced is gone, and so is a file that was never synced.
 */
void faulty_keep_synced(void);
void faulty_lose_power(const char *folder);

#endif
