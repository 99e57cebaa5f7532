/* Ends of a program that has nobody to tell but who started it. */
#ifndef BENCH_FAIL_H
#define BENCH_FAIL_H

#include <stddef.h>

/* A sentence on stderr, and exit code 1. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

/* Zeroed; never NULL. */
void *allocate(size_t bytes);
void *reallocate(void *memory, size_t bytes);

#endif
