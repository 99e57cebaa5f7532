/*
 * Scenarios: what is played while memory fails. Each says how it came out as a text, which has to
 * be the same as without a failure, or why it broke a promise.
 */
#ifndef TESTS_MEMORY_SCENARIO_H
#define TESTS_MEMORY_SCENARIO_H

#include "protocol/buffer.h"

enum { SCENARIO_REASON_BYTES = 512 };

struct scenario {
    const char *name;
    unsigned rooms; /* whose allocations fail */
    uint64_t quick; /* of how many allocations one fails when there is little time */
    bool leaks;     /* a library loses blocks where it has no memory */
    /* `reason` stays empty, or is why it failed. */
    void (*play)(const struct scenario *scenario, struct buffer *outcome,
                 char reason[SCENARIO_REASON_BYTES]);
};

/* hub_scenario.c: a hub's days, from its first start to its last. */
void play_hub(const struct scenario *scenario, struct buffer *outcome,
              char reason[SCENARIO_REASON_BYTES]);

/* small_scenarios.c */
void play_tokens(const struct scenario *scenario, struct buffer *outcome,
                 char reason[SCENARIO_REASON_BYTES]);
void play_config(const struct scenario *scenario, struct buffer *outcome,
                 char reason[SCENARIO_REASON_BYTES]);
void play_store(const struct scenario *scenario, struct buffer *outcome,
                char reason[SCENARIO_REASON_BYTES]);

#endif
