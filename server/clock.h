/*
 * Clock: the wall clock, made to go forward only: ledger rows and replicas are dated by it, and
 * times are subtracted. When the wall clock is set back, this one goes on at half its speed until
 * it is caught up with: if it stood still, nothing that waits would ever be due.
 */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970, and since the machine's start. */
struct clock_reading {
    uint64_t wall_ms;
    uint64_t steady_ms;
};

/* `{0}` takes over whatever is read first. */
struct clock {
    struct clock_reading last;
    uint64_t told_ms;
};

/* The time at that reading. */
uint64_t clock_tell(struct clock *clock, struct clock_reading reading);

/* What the clock will tell when the wall clock shows that time, if nobody sets it meanwhile. */
uint64_t clock_at(const struct clock *clock, uint64_t wall_ms);

struct clock_reading clock_read(void);

#endif
