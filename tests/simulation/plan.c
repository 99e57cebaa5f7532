#include "tests/simulation/plan.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"

enum { DEVICES_MIN = 2, DEVICES_MORE = 7, STEPS_MIN = 200, STEPS_MORE = 1800, MOODS = 4 };

/* How often each step comes, in a run where all goes well. */
static const struct {
    const char *text;
    unsigned weight;
    unsigned troubled; /* in a run of that mood, a bit each */
} kinds[STEP_KINDS] = {
    [STEP_EDIT] = {"edits", 150, 0},
    [STEP_SEND] = {"sends", 90, 0},
    [STEP_RECEIVE] = {"receives", 120, 0},
    [STEP_CONNECT] = {"connects", 40, 0},
    [STEP_LEAVE] = {"leaves", 6, 0},
    [STEP_DELIVER] = {"a message reaches the hub", 150, 0},
    [STEP_WRITE] = {"the hub writes", 70, 0},
    [STEP_READ] = {"the hub reads", 30, 0},
    [STEP_COMPLETE] = {"the hub hears of its disk", 100, 0},
    [STEP_TICK] = {"time passes", 60, 0},
    [STEP_SLEEP] = {"hours pass", 2, 0},
    [STEP_REPEAT] = {"sends again", 8, 1},
    [STEP_GARBAGE] = {"somebody sends garbage", 4, 1},
    [STEP_RESTART] = {"starts again", 5, 1},
    [STEP_REMEMBER] = {"is backed up", 6, 1},
    [STEP_ROLL_BACK] = {"is rolled back", 4, 1},
    [STEP_COPY] = {"becomes a copy of another", 4, 1},
    [STEP_KILL] = {"the hub is killed", 3, 2},
    [STEP_POWER] = {"the power fails", 3, 2},
    [STEP_START] = {"the hub starts", 30, 2},
    [STEP_FAULT] = {"the disk begins to fail", 8, 4},
    [STEP_FULL] = {"the disk fills up", 4, 4},
    [STEP_HEAL] = {"the disk heals", 16, 4},
};

const char *step_text(enum step_kind kind) { return kinds[kind].text; }

bool step_is_of_device(enum step_kind kind)
{
    return kind <= STEP_LEAVE || (kind >= STEP_REPEAT && kind <= STEP_COPY && kind != STEP_GARBAGE);
}

static enum step_kind choose(struct random *random, unsigned mood)
{
    unsigned total = 0;
    for (size_t i = 0; i < STEP_KINDS; i++) {
        total += (kinds[i].troubled & ~mood) == 0 ? kinds[i].weight : 0;
    }
    size_t at = random_below(random, total);
    for (size_t i = 0; i < STEP_KINDS; i++) {
        size_t weight = (kinds[i].troubled & ~mood) == 0 ? kinds[i].weight : 0;
        if (at < weight) {
            return (enum step_kind)i;
        }
        at -= weight;
    }
    return STEP_TICK;
}

void plan_make(struct plan *plan, uint64_t seed)
{
    struct random random = {seed};
    unsigned mood = (unsigned)random_below(&random, 1U << (MOODS - 1));
    plan->devices = DEVICES_MIN + (unsigned)random_below(&random, DEVICES_MORE);
    plan->length = STEPS_MIN + random_below(&random, STEPS_MORE);
    plan->steps = disk_allocate(plan->length * sizeof *plan->steps);
    for (size_t i = 0; i < plan->length; i++) {
        plan->steps[i] = (struct step){.kind = choose(&random, mood),
                                       .device = (unsigned)random_below(&random, plan->devices),
                                       .seed = random_next(&random)};
    }
}

void plan_finish(struct plan *plan)
{
    free(plan->steps);
    plan->steps = NULL;
    plan->length = 0;
}

void plan_without(const struct plan *plan, size_t first, size_t length, struct plan *shorter)
{
    *shorter = (struct plan){.devices = plan->devices, .length = plan->length - length};
    shorter->steps = disk_allocate(shorter->length * sizeof *shorter->steps);
    memcpy(shorter->steps, plan->steps, first * sizeof *plan->steps);
    memcpy(shorter->steps + first, plan->steps + first + length,
           (plan->length - first - length) * sizeof *plan->steps);
}
