/*
 * Goal:   the hub's time never goes back and never stands still, and comes back to the wall
 * clock's. Method: readings by hand; a wall clock that is set forth and back at random.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "server/clock.h"

#define WALL UINT64_C(1700000000000)

enum { HOUR = 3600000 };

static struct clock hub_clock;
static uint64_t steady_ms;
static int64_t wrong_ms; /* what the wall clock is ahead */

static uint64_t tell_after(uint64_t ms)
{
    steady_ms += ms;
    return clock_tell(&hub_clock, (struct clock_reading){
                                      .wall_ms = (uint64_t)((int64_t)(WALL + steady_ms) + wrong_ms),
                                      .steady_ms = steady_ms});
}

Test(clock, tells_what_the_wall_clock_tells)
{
    cr_expect(eq(u64, tell_after(7), WALL + 7));
    cr_expect(eq(u64, tell_after(0), WALL + 7));
    wrong_ms = HOUR;
    cr_expect(eq(u64, tell_after(1), WALL + HOUR + 8));
    cr_expect(eq(u64, clock_at(&hub_clock, WALL + 2 * HOUR), WALL + 2 * HOUR));
}

Test(clock, goes_on_at_half_speed_once_the_wall_clock_is_set_back)
{
    wrong_ms = HOUR;
    uint64_t start_ms = tell_after(0);
    wrong_ms = 0;
    for (uint64_t ms = 1; ms <= 1000; ms++) { /* no part of a millisecond is lost */
        cr_assert(eq(u64, tell_after(1), start_ms + ms / 2));
    }
    cr_expect(eq(u64, tell_after(HOUR), start_ms + 500 + HOUR / 2));
    cr_expect(eq(u64, tell_after(HOUR), WALL + steady_ms)); /* it has been caught up with */
    cr_expect(eq(u64, tell_after(10), WALL + steady_ms));
}

Test(clock, knows_what_it_will_tell_when_the_wall_clock_shows_a_time)
{
    static const uint64_t waits[] = {0, 2, 60000, HOUR, 2 * HOUR, 3 * HOUR};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        hub_clock = (struct clock){.told_ms = 0};
        wrong_ms = HOUR;
        (void)tell_after(5);
        wrong_ms = 0;
        (void)tell_after(0);
        uint64_t expected_ms = clock_at(&hub_clock, WALL + steady_ms + waits[i]);
        cr_expect(eq(u64, tell_after(waits[i]), expected_ms));
    }
    uint64_t now_ms = tell_after(0);
    cr_expect(eq(u64, clock_at(&hub_clock, WALL), now_ms)); /* that is over */
}

Test(clock, never_goes_back_and_never_stands_still)
{
    uint64_t before_ms = tell_after(0);
    uint32_t random = 1;
    for (int i = 0; i < 10000; i++) {
        random = random * 1664525 + 1013904223;
        wrong_ms = (random >> 28) == 0 ? (int64_t)(random >> 4) % HOUR - HOUR / 2 : wrong_ms;
        uint64_t now_ms = tell_after(2 + (random >> 20) % 100);
        cr_assert(gt(u64, now_ms, before_ms));
        before_ms = now_ms;
    }
}
