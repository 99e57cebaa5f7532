/* Histograms with fixed bounds: how many observations were at most so much. Adding one is a search
 * among a few numbers. */
#ifndef HUB_HISTOGRAM_H
#define HUB_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS_MAX = 20 };

struct histogram_bounds {
    size_t length;
    uint64_t
        bounds[HISTOGRAM_BOUNDS_MAX]; /* ascending; what is beyond the last has a bucket, too */
};

/* `{.bounds = b}` is empty. */
struct histogram {
    const struct histogram_bounds *bounds;
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* of each bucket by itself */
    uint64_t count;
    uint64_t sum;
};

/* From 0.1 ms to 30 s, in microseconds. */
extern const struct histogram_bounds histogram_latency;
/* From 1 to 20000. */
extern const struct histogram_bounds histogram_size;

/* `count` observations of the same value. */
void histogram_add(struct histogram *histogram, uint64_t value, uint64_t count);

#endif
