#include "tests/bench/load/measure.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load/fail.h"

uint64_t now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* The first number of a small file; 0: there is none. */
static uint64_t first_number(const char *path)
{
    uint64_t number = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &number) != 1) {
            number = 0;
        }
        (void)fclose(file);
    }
    return number;
}

uint64_t process_cpu_ns(int pid)
{
    char path[300];
    uint64_t total = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        return 0;
    }
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
            total += first_number(path);
        }
    }
    (void)closedir(tasks);
    return total;
}

uint64_t process_memory_kib(int pid)
{
    char path[64];
    uint64_t size = 0;
    uint64_t resident = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) != 2) {
        resident = 0;
    }
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

void latencies_add(struct latencies *latencies, uint64_t ns)
{
    if (latencies->length == latencies->capacity) {
        latencies->capacity = latencies->capacity * 2 + 1024;
        latencies->items =
            reallocate(latencies->items, latencies->capacity * sizeof *latencies->items);
    }
    latencies->items[latencies->length++] = ns;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static double at(const struct latencies *latencies, double part)
{
    size_t index = (size_t)(part * (double)(latencies->length - 1));
    return (double)latencies->items[index] / 1e6;
}

void latencies_print(struct latencies *latencies, const char *name)
{
    if (latencies->length == 0) {
        (void)printf(",\"%s\":null", name);
        return;
    }
    qsort(latencies->items, latencies->length, sizeof *latencies->items, by_value);
    (void)printf(",\"%s\":{\"count\":%zu,\"p50\":%.3f,\"p99\":%.3f,\"most\":%.3f}", name,
                 latencies->length, at(latencies, 0.5), at(latencies, 0.99), at(latencies, 1));
}

void latencies_finish(struct latencies *latencies) { free(latencies->items); }
