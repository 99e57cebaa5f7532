#include "tests/simulation/plan.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"

enum { DEVICES_MIN = 2, DEVICES_MORE = 7, STEPS_MIN = 200, STEPS_MORE = 1800 };

/* What goes wrong in a run, a bit each. */
enum mood {
    CLIENTS = 1,
    DEATHS = 2,
    DISK = 4,
    MEMORY = 8,
    BACKUPS = 16,
    LONG = 32,
    RELOADS = 64,
    MOODS = 128
};

/* How often each step comes, in a run where all goes well. */
static const struct {
    const char *text;
    unsigned weight;
    unsigned troubled; /* in a run of that mood */
} kinds[STEP_KINDS] = {
    [STEP_EDIT] = {"edits", 150, 0},
    [STEP_LONG] = {"sets a long name", 1, LONG},
    [STEP_SEND] = {"sends", 90, 0},
    [STEP_RECEIVE] = {"receives", 120, 0},
    [STEP_CONNECT] = {"connects", 40, 0},
    [STEP_LEAVE] = {"leaves", 6, 0},
    [STEP_CLOSE] = {"closes its document", 6, 0},
    [STEP_RENEW] = {"brings a token", 4, CLIENTS},
    [STEP_DELIVER] = {"a message reaches the hub", 150, 0},
    [STEP_WRITE] = {"the hub writes", 70, 0},
    [STEP_READ] = {"the hub reads", 30, 0},
    [STEP_COMPLETE] = {"the hub hears of its disk", 100, 0},
    [STEP_VERIFY] = {"the hub hears of a token", 50, 0},
    [STEP_TICK] = {"time passes", 60, 0},
    [STEP_SLEEP] = {"hours pass", 2, 0},
    [STEP_REPEAT] = {"sends again", 8, CLIENTS},
    [STEP_VISIT] = {"a visitor acts", 60, 0},
    [STEP_GARBAGE] = {"somebody sends garbage", 4, CLIENTS},
    [STEP_RESTART] = {"starts again", 5, CLIENTS},
    [STEP_REMEMBER] = {"is backed up", 6, CLIENTS},
    [STEP_ROLL_BACK] = {"is rolled back", 4, CLIENTS},
    [STEP_COPY] = {"becomes a copy of another", 4, CLIENTS},
    [STEP_KILL] = {"the hub is killed", 3, DEATHS},
    [STEP_POWER] = {"the power fails", 3, DEATHS},
    [STEP_START] = {"the hub starts", 30, DEATHS},
    [STEP_FAULT] = {"the disk begins to fail", 8, DISK},
    [STEP_FULL] = {"the disk fills up", 4, DISK},
    [STEP_HEAL] = {"the disk heals", 16, DISK},
    [STEP_MEMORY] = {"memory runs out", 20, MEMORY},
    [STEP_BACKUP] = {"the hub is backed up", 3, BACKUPS},
    [STEP_RESTORE] = {"a backup of the hub is restored", 2, BACKUPS},
    [STEP_RELOAD] = {"the hub is to have other schemas", 5, RELOADS},
};

const char *step_text(enum step_kind kind) { return kinds[kind].text; }

bool step_is_of_device(enum step_kind kind)
{
    return kind <= STEP_RENEW ||
           (kind >= STEP_REPEAT && kind <= STEP_COPY && kind != STEP_GARBAGE && kind != STEP_VISIT);
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
    unsigned mood = (unsigned)random_below(&random, MOODS);
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
