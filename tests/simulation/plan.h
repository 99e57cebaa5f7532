/*
 * Plan: what happens in one run, step by step, as a seed decides it. Each step brings its own
 * randomness, so that the others stay what they were when some are left out: that is how a failing
 * run is made shorter.
 */
#ifndef SIMULATION_PLAN_H
#define SIMULATION_PLAN_H

#include "tests/simulation/random.h"

enum step_kind {
    STEP_EDIT,
    STEP_LONG, /* an edit of many bytes */
    STEP_SEND,
    STEP_RECEIVE,
    STEP_CONNECT,
    STEP_LEAVE,
    STEP_CLOSE, /* of one document, on a line that stays */
    STEP_RENEW, /* of a token */
    STEP_DELIVER,
    STEP_WRITE,
    STEP_READ,
    STEP_COMPLETE,
    STEP_VERIFY, /* the hub hears of a token */
    STEP_TICK,
    STEP_SLEEP,     /* time passes, much of it */
    STEP_REPEAT,    /* a message is sent twice */
    STEP_VISIT,     /* a client that knows no sessions does something */
    STEP_GARBAGE,   /* somebody sends what is no packet */
    STEP_RESTART,   /* of a device */
    STEP_REMEMBER,  /* its store is set aside */
    STEP_ROLL_BACK, /* and comes back */
    STEP_COPY,      /* it becomes a copy of another */
    STEP_KILL,      /* of the hub's process */
    STEP_POWER,     /* of the hub's machine */
    STEP_START,     /* of the hub */
    STEP_FAULT,     /* the disk fails */
    STEP_FULL,      /* the disk is nearly full */
    STEP_HEAL,
    STEP_MEMORY,  /* an allocation of the hub's fails */
    STEP_BACKUP,  /* of the hub's file */
    STEP_RESTORE, /* of that */
    STEP_RELOAD,  /* of other schemas */
    STEP_KINDS
};

struct step {
    enum step_kind kind;
    unsigned device;
    uint64_t seed;
};

struct plan {
    struct step *steps;
    size_t length;
    unsigned devices;
};

const char *step_text(enum step_kind kind);
bool step_is_of_device(enum step_kind kind);

void plan_make(struct plan *plan, uint64_t seed);
void plan_finish(struct plan *plan);

/* A copy without `length` steps from `first` on. */
void plan_without(const struct plan *plan, size_t first, size_t length, struct plan *shorter);

#endif
