/*
 * The two sides of the journal's measurement. One is the hub's storage, driven as server/loop.c
 * does: one append under way, the completion wakes the loop, the loop asks for the next. The other
 * is the floor: a loop around SQLite in one thread, which inserts the same bytes, one row for each
 * transaction.
 */
#ifndef TESTS_BENCH_JOURNAL_SIDES_H
#define TESTS_BENCH_JOURNAL_SIDES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <uv.h>

#include "protocol/schema.h"
#include "server/storage/storage.h"
#include "tests/bench/figures.h"

/* What is to be stored meanwhile. */
struct stores {
    struct bytes (*rows)(void *context); /* of the next store; NULL: none */
    void *context;
    uint64_t pause_ms; /* between one that is done and the next */
};

struct hub_side {
    uv_loop_t loop;
    uv_async_t woken;
    uv_timer_t timer;
    struct storage *storage;
    struct schema_set schemas;
    struct bytes batch;
    struct stores stores;
    struct figures *waits; /* of each append, in milliseconds; NULL: not wanted */
    double asked_at;
    double until;
    uint64_t appended; /* since the side was opened */
    uint64_t stored;
    bool appending;
    bool storing;
    bool over;
};

void hub_side_open(struct hub_side *side, const char *path);
void hub_side_close(struct hub_side *side);

/* Appends until the time is over, and what was asked is done; answers batches per second. */
double hub_side_run(struct hub_side *side, struct bytes batch, double seconds);

struct floor_side {
    sqlite3 *database;
    sqlite3_stmt *insert;
    uint64_t appended;
};

void floor_side_open(struct floor_side *side, const char *path);
void floor_side_close(struct floor_side *side);
double floor_side_run(struct floor_side *side, struct bytes batch, double seconds);

#endif
