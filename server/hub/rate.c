#include "server/hub/rate.h"

enum { FAIR_STEP_MS = 100 };

static double filled(double tokens, const struct hub_rate *rate, double part, uint64_t passed_ms,
                     bool first)
{
    double most = (double)rate->amount * part;
    if (rate->amount == 0 || first) {
        return most;
    }
    tokens += most * (double)passed_ms / (double)rate->per_ms;
    return tokens < most ? tokens : most;
}

void meter_take(struct meter *meter, const struct hub_rates *rates, double part, uint64_t now_ms,
                double updates, double bytes)
{
    bool first = meter->at_ms == 0;
    uint64_t passed_ms = now_ms - meter->at_ms;
    meter->updates = filled(meter->updates, &rates->updates, part, passed_ms, first) - updates;
    meter->bytes = filled(meter->bytes, &rates->bytes, part, passed_ms, first) - bytes;
    meter->at_ms = now_ms;
}

unsigned meter_debt(const struct meter *meter, const struct hub_rates *rates)
{
    return (rates->updates.amount > 0 && meter->updates < 0 ? DEBT_UPDATES : 0U) |
           (rates->bytes.amount > 0 && meter->bytes < 0 ? DEBT_BYTES : 0U);
}

bool meter_low(const struct meter *meter, const struct hub_rates *rates)
{
    return meter->updates < (double)rates->updates.amount / 2 ||
           meter->bytes < (double)rates->bytes.amount / 2;
}

/* Down at once when there is nothing left, else by steps that settle near what all can have. */
double fair_part_move(struct fair_part *fair, const struct meter *hub,
                      const struct hub_rates *rates, size_t principals, uint64_t now_ms)
{
    static const double up = 1.1;
    static const double down = 0.9;
    double least = 1 / (double)(principals == 0 ? 1 : principals);
    if (fair->at_ms == 0) {
        *fair = (struct fair_part){1, now_ms};
    }
    if (meter_debt(hub, rates) != DEBT_NONE) {
        fair->part = least;
    } else if (now_ms - fair->at_ms >= FAIR_STEP_MS) {
        fair->part *= meter_low(hub, rates) ? down : up;
        fair->at_ms = now_ms;
    }
    fair->part = fair->part < least ? least : fair->part;
    fair->part = fair->part > 1 ? 1 : fair->part;
    return fair->part;
}
