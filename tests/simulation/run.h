/* Run: plays a plan, lets all faults stop, and holds what is there against the promises. */
#ifndef SIMULATION_RUN_H
#define SIMULATION_RUN_H

#include "tests/simulation/host.h"
#include "tests/simulation/plan.h"

struct run_result {
    uint64_t hash; /* of all that the hub said and all that was shown: the same for the same plan */
    size_t happened[HAPPENED_KINDS];
    char violation[HOST_REASON_BYTES]; /* empty: all promises were kept */
};

/* `path` names the hub's file; `out` gets a line for each step, if not NULL. */
void run_plan(const struct plan *plan, uint64_t seed, const char *path, FILE *out,
              struct run_result *result);

#endif
