/*
 * Rates: token buckets. A bucket holds what its rate gives in one period and is full at first, so
 * `100/s` lets 100 through at once and `6000/m`, which fills it no faster, 6000. What is taken
 * may leave a bucket in debt: a message is only counted when it is here. Whoever is in debt is read
 * no further until it is paid.
 *
 * Each connection has its buckets, each principal for all of its connections together, and the hub
 * for all. The hub's rate is shared fairly (max-min): a principal is read up to the fair part of
 * it, which falls while the hub's buckets are less than half full, down to one by the number of
 * principals that have sent something in this second or the last, and rises while they are fuller,
 * up to all of it. So nobody who asks for little notices those who ask for much, however many
 * connections these have, and what the modest leave is divided among them.
 */
#ifndef HUB_RATE_H
#define HUB_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub_rate {
    uint64_t amount; /* 0: no limit */
    uint64_t per_ms;
};

struct hub_rates {
    struct hub_rate updates; /* packets, edits among them */
    struct hub_rate bytes;   /* of whole messages */
};

/* The two buckets of one party. `{0}` is full: it was never asked. */
struct meter {
    double updates;
    double bytes;
    uint64_t at_ms; /* when they were filled; 0: never */
};

enum meter_debt { DEBT_NONE = 0, DEBT_UPDATES = 1, DEBT_BYTES = 2 };

/* Fills up to now, as if the rates were that part of what they are, and takes. */
void meter_take(struct meter *meter, const struct hub_rates *rates, double part, uint64_t now_ms,
                double updates, double bytes);

/* What is below zero. */
unsigned meter_debt(const struct meter *meter, const struct hub_rates *rates);

/* Whether one is below half of its most. */
bool meter_low(const struct meter *meter, const struct hub_rates *rates);

/* The fair part of the hub's rates, and when it was last moved. `{0}` is all of it. */
struct fair_part {
    double part;
    uint64_t at_ms;
};

/* Moves it by what the hub's meter shows, ten times a second at most, and answers it. */
double fair_part_move(struct fair_part *fair, const struct meter *hub,
                      const struct hub_rates *rates, size_t principals, uint64_t now_ms);

#endif
