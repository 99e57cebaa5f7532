#include "tests/bench/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void must_fail(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    exit(1);
}

void figures_add(struct figures *figures, double value)
{
    if (figures->length == figures->capacity) {
        figures->capacity = figures->capacity == 0 ? 64 : figures->capacity * 2;
        double *grown = realloc(figures->values, figures->capacity * sizeof *grown);
        MUST(grown != NULL);
        figures->values = grown;
    }
    figures->values[figures->length++] = value;
}

void figures_finish(struct figures *figures)
{
    free(figures->values);
    *figures = (struct figures){0};
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

double figures_rank(struct figures *figures, double share)
{
    if (figures->length == 0) {
        return 0;
    }
    qsort(figures->values, figures->length, sizeof *figures->values, compare);
    return figures->values[(size_t)(share * (double)(figures->length - 1) + 0.5)];
}

static double read_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double seconds_now(void) { return read_clock(CLOCK_MONOTONIC); }

double seconds_worked(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
