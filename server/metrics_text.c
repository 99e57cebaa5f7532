#include "server/metrics_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 512 };

static void add(struct metrics *metrics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct metrics *metrics, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    metrics->failed = metrics->failed || length < 0 || (size_t)length >= sizeof line ||
                      buffer_append(metrics->out, line, (size_t)length) != PROTOCOL_OK;
}

static void begin(struct metrics *metrics, const char *name, const char *type, const char *help)
{
    metrics->name = name;
    add(metrics, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_gauge(struct metrics *metrics, const char *name, const char *help)
{
    begin(metrics, name, "gauge", help);
}

void metrics_counter(struct metrics *metrics, const char *name, const char *help)
{
    begin(metrics, name, "counter", help);
}

void metrics_sample(struct metrics *metrics, const char *label, const char *value, uint64_t number)
{
    if (label == NULL) {
        add(metrics, "%s %" PRIu64 "\n", metrics->name, number);
    } else {
        add(metrics, "%s{%s=\"%s\"} %" PRIu64 "\n", metrics->name, label, value, number);
    }
}

void metrics_sample_two(struct metrics *metrics, const char *const labels[2],
                        const char *const values[2], uint64_t number)
{
    add(metrics, "%s{%s=\"%s\",%s=\"%s\"} %" PRIu64 "\n", metrics->name, labels[0], values[0],
        labels[1], values[1], number);
}

void metrics_seconds(struct metrics *metrics, double seconds)
{
    add(metrics, "%s %.6f\n", metrics->name, seconds);
}

void metrics_gauge_of(struct metrics *metrics, const char *name, const char *help, uint64_t number)
{
    metrics_gauge(metrics, name, help);
    metrics_sample(metrics, NULL, NULL, number);
}

void metrics_counter_of(struct metrics *metrics, const char *name, const char *help,
                        uint64_t number)
{
    metrics_counter(metrics, name, help);
    metrics_sample(metrics, NULL, NULL, number);
}

void metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                       const struct histogram *histogram, double scale)
{
    uint64_t below = 0;
    begin(metrics, name, "histogram", help);
    for (size_t i = 0; i < histogram->bounds->length; i++) {
        below += histogram->counts[i];
        add(metrics, "%s_bucket{le=\"%.10g\"} %" PRIu64 "\n", name,
            (double)histogram->bounds->bounds[i] / scale, below);
    }
    add(metrics, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.10g\n%s_count %" PRIu64 "\n", name,
        histogram->count, name, (double)histogram->sum / scale, name, histogram->count);
}
