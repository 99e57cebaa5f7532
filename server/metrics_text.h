/*
 * The Prometheus text format, 0.0.4: families of samples, each with what it is.
 *
 *     # HELP syncline_errors_total ERRORs sent, by code.
 *     # TYPE syncline_errors_total counter
 *     syncline_errors_total{code="BUSY"} 3
 *
 * Names have their unit at the end, counters `_total` (docs/metrics.md lists them). Labels are
 * ours, never a client's, so that nobody outside can make more of them.
 */
#ifndef SERVER_METRICS_TEXT_H
#define SERVER_METRICS_TEXT_H

#include "protocol/buffer.h"
#include "server/hub/histogram.h"

/* Remembers its first failure. */
struct metrics {
    struct buffer *out; /* borrowed */
    bool failed;
    const char *name; /* of the family that was begun last */
};

void metrics_gauge(struct metrics *metrics, const char *name, const char *help);
void metrics_counter(struct metrics *metrics, const char *name, const char *help);

/* A sample of that family; `label` NULL: without a label. */
void metrics_sample(struct metrics *metrics, const char *label, const char *value, uint64_t number);
void metrics_sample_two(struct metrics *metrics, const char *const labels[2],
                        const char *const values[2], uint64_t number);
void metrics_seconds(struct metrics *metrics, double seconds);

/* A family with its one sample. */
void metrics_gauge_of(struct metrics *metrics, const char *name, const char *help, uint64_t number);
void metrics_counter_of(struct metrics *metrics, const char *name, const char *help,
                        uint64_t number);

/* `scale` is how many of what was observed make one of the unit that the name ends with. */
void metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                       const struct histogram *histogram, double scale);

#endif
