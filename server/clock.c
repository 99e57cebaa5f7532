#include "server/clock.h"

#include <time.h>

enum { SLOWER = 2 };

uint64_t clock_tell(struct clock *clock, struct clock_reading reading)
{
    uint64_t passed_ms = (reading.steady_ms - clock->last.steady_ms) / SLOWER;
    uint64_t slowly_ms = clock->told_ms + passed_ms;
    clock->last.wall_ms = reading.wall_ms;
    if (reading.wall_ms >= slowly_ms) {
        clock->told_ms = reading.wall_ms;
        clock->last.steady_ms = reading.steady_ms;
    } else {
        /* What is less than a whole millisecond stays for the next time. */
        clock->told_ms = slowly_ms;
        clock->last.steady_ms += passed_ms * SLOWER;
    }
    return clock->told_ms;
}

uint64_t clock_at(const struct clock *clock, uint64_t wall_ms)
{
    uint64_t now_ms = clock->last.wall_ms;
    uint64_t slowly_ms = clock->told_ms + (wall_ms > now_ms ? (wall_ms - now_ms) / SLOWER : 0);
    return wall_ms > slowly_ms ? wall_ms : slowly_ms;
}

static uint64_t read_ms(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct clock_reading clock_read(void)
{
    return (struct clock_reading){.wall_ms = read_ms(CLOCK_REALTIME),
                                  .steady_ms = read_ms(CLOCK_MONOTONIC)};
}
