/* Figures of many measurements, in the order they came; asked for by rank. */
#ifndef TESTS_BENCH_FIGURES_H
#define TESTS_BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

/* `{0}` is empty. */
struct figures {
    double *values;
    size_t length;
    size_t capacity;
};

void figures_add(struct figures *figures, double value);
void figures_finish(struct figures *figures);

/* The value that this share of all values does not exceed: 0 the least, 0.5 the median, 1 the
 * greatest; 0 if there are none. Sorts them. */
double figures_rank(struct figures *figures, double share);

/* Seconds of a clock that only grows. */
double seconds_now(void);

/* Seconds of processor time that this process has taken, the kernel's work for it included: other
 * programs hardly change it. */
double seconds_worked(void);

/* Ends the program with a sentence: a measurement that goes wrong has no figure. */
#define MUST(good) ((good) ? (void)0 : must_fail(#good, __FILE__, __LINE__))
_Noreturn void must_fail(const char *what, const char *file, int line);

#endif
