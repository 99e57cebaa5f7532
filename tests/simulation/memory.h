/*
 * Memory: of the hub's process, apart from the simulation's own. The linker leads every allocation
 * here (`--wrap`), SQLite its own by its configuration; while the hub's or the storage's code runs
 * they are counted, and the n-th can fail.
 */
#ifndef SIMULATION_MEMORY_H
#define SIMULATION_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Once, before SQLite is used. */
void memory_install(void);

/* Whether what runs now is the hub's or the storage's; answers what it was before. */
bool memory_inside(bool inside);

/* The n-th allocation inside (from 1) fails, and so many behind it. */
void memory_fail(unsigned n, unsigned times);
void memory_heal(void);
/* Whether one has failed since it was healed. */
bool memory_has_failed(void);
/* How many have failed ever. */
size_t memory_failures(void);

/* Bytes that were taken inside and not given back, SQLite's not among them. */
size_t memory_held(void);

/* What a run has left behind is not the next one's. */
void memory_forget(void);

/* The simulation's own, also where SQLite calls it from inside. */
void *memory_own_calloc(size_t bytes);
void *memory_own_realloc(void *pointer, size_t bytes);
void memory_own_free(void *pointer);

#endif
