#include "server/hub/histogram.h"

const struct histogram_bounds histogram_latency = {
    .length = 18,
    .bounds = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
               1000000, 2500000, 5000000, 10000000, 20000000, 30000000},
};

const struct histogram_bounds histogram_size = {
    .length = 14,
    .bounds = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000},
};

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t count)
{
    const struct histogram_bounds *bounds = histogram->bounds;
    size_t i = 0;
    while (i < bounds->length && value > bounds->bounds[i]) {
        i++;
    }
    histogram->counts[i] += count;
    histogram->count += count;
    histogram->sum += value * count;
}
