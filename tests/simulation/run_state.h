/* A run, as run.c plays it and check.c looks at it. */
#ifndef SIMULATION_RUN_STATE_H
#define SIMULATION_RUN_STATE_H

#include "tests/simulation/device.h"
#include "tests/simulation/run.h"
#include "tests/simulation/visitor.h"

enum { RUN_DEVICES = 10 };

struct run {
    struct host host;
    struct history history;
    /* Those at the end come when all is over, one for each document. */
    struct device devices[RUN_DEVICES + DEVICE_DOCUMENTS];
    struct visitor visitors[VISITORS];
    struct line lines[RUN_DEVICES + DEVICE_DOCUMENTS];
    unsigned length;
    struct random random;   /* of what is not a step's */
    bool power;             /* the next death of the hub takes what was not synced */
    struct buffer backup;   /* of the hub's file; empty: none yet */
    size_t memory_failures; /* before it */
    size_t disk_failures;
    size_t disk_fulls;
};

bool run_is_good(const struct run *run);

/* Starts the hub, if it does not run. */
void run_start(struct run *run);

/* --- check.c --- */

/* All faults stop; in the end the first `count` devices show the same. */
void check_settles(struct run *run, unsigned count);
/* Holds what is there at the end against the promises. */
void check_promises(struct run *run);

#endif
