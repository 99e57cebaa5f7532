/* Time, a process's processor time and memory, and latencies. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

uint64_t now_ns(void); /* monotonic */

/* Of all its threads; 0: no such process. */
uint64_t process_cpu_ns(int pid);
uint64_t process_memory_kib(int pid);

/* Nanoseconds, as many as there are. */
struct latencies {
    uint64_t *items;
    size_t length;
    size_t capacity;
};

void latencies_add(struct latencies *latencies, uint64_t ns);
/* Milliseconds as an object of JSON, on stdout. Sorts. */
void latencies_print(struct latencies *latencies, const char *name);
void latencies_finish(struct latencies *latencies);

#endif
