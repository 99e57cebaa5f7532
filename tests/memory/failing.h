/*
 * Failing: a malloc for the whole program, its libraries included, that refuses what it is told to.
 * Only what is asked for inside a room counts, and only rooms that were named: what the test itself
 * needs it always gets. For one thread.
 */
#ifndef TESTS_MEMORY_FAILING_H
#define TESTS_MEMORY_FAILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an allocation is made; bits. */
enum failing_room {
    ROOM_TEST = 0,
    ROOM_HUB = 1,
    ROOM_STORAGE = 2,
    ROOM_CLIENT = 4,
    ROOM_TOKENS = 8,
    ROOM_CONFIG = 16,
    ROOM_STORE = 32, /* a client's */
    ROOM_OWN = 64    /* of the others only what the program's own code asks for, no library's */
};

/* From now on the `first`-th allocation, from 1, in one of the rooms fails, and `length` - 1 behind
 * it; `first` 0: none. Counts begin anew. */
void failing_begin(unsigned rooms, uint64_t first, uint64_t length);

/* Nothing fails, or is counted, any more. */
void failing_end(void);

/* The program enters a room; answers which it leaves. */
enum failing_room failing_enter(enum failing_room room);

/* Allocations counted, and those of them that failed, since `failing_begin`. */
uint64_t failing_counted(void);
uint64_t failing_failed(void);

/* Blocks in use. Under AddressSanitizer always 0: LeakSanitizer looks instead. */
int64_t failing_live(void);

#endif
