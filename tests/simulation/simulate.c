/*
 * Simulate: plays runs by their seeds, one after the other, and stops at the first that breaks a
 * promise: it is made as short as it gets, and told step by step. Ctrl-C ends it behind the run
 * that is under way, with the figures so far.
 *
 *   simulate [--seed N] [--seeds COUNT] [--seconds S]
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulation/memory.h"
#include "tests/simulation/run.h"

struct options {
    uint64_t seed;
    uint64_t seeds;
    double seconds; /* 0: no limit */
};

static char path[64];
static volatile sig_atomic_t interrupted;

static void on_signal(int number) { interrupted = number; }

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void usage(void)
{
    (void)fputs("usage: simulate [--seed N] [--seeds COUNT] [--seconds S]\n", stderr);
    exit(2);
}

static struct options parse(int count, char **arguments)
{
    struct options options = {.seed = 1, .seeds = 0};
    for (int i = 1; i < count; i += 2) {
        char *end = arguments[i];
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (strcmp(arguments[i], "--seed") == 0) {
            options.seed = strtoull(value, &end, 10);
        } else if (strcmp(arguments[i], "--seeds") == 0) {
            options.seeds = strtoull(value, &end, 10);
        } else if (strcmp(arguments[i], "--seconds") == 0) {
            options.seconds = strtod(value, &end);
        }
        if (end == value || *end != '\0') {
            usage();
        }
    }
    if (options.seeds == 0) {
        options.seeds = options.seconds > 0 ? UINT64_MAX : 1;
    }
    return options;
}

/* But for the numbers in them. */
static bool are_alike(const char *a, const char *b)
{
    static const char digits[] = "0123456789";
    while (*a != '\0' && *b != '\0') {
        a += strspn(a, digits);
        b += strspn(b, digits);
        if (*a != *b) {
            return false;
        }
        a += *a != '\0';
        b += *b != '\0';
    }
    return *a == *b;
}

static bool fails(const struct plan *plan, uint64_t seed, const char *violation)
{
    struct run_result result;
    run_plan(plan, seed, path, NULL, &result);
    return result.violation[0] != '\0' && are_alike(result.violation, violation);
}

/* Leaves out what it fails without: halves, quarters, down to single steps. */
static void shorten(struct plan *plan, uint64_t seed, const char *violation)
{
    for (size_t chunk = plan->length / 2; chunk > 0; chunk /= 2) {
        for (size_t first = 0; first + chunk <= plan->length;) {
            struct plan shorter;
            plan_without(plan, first, chunk, &shorter);
            if (fails(&shorter, seed, violation)) {
                plan_finish(plan);
                *plan = shorter;
            } else {
                plan_finish(&shorter);
                first += chunk;
            }
        }
    }
}

static void tell_failure(struct plan *plan, uint64_t seed, const struct run_result *found)
{
    struct run_result result;
    size_t length = plan->length;
    printf("seed %" PRIu64 ": %s\n", seed, found->violation);
    shorten(plan, seed, found->violation);
    printf("%zu of its %zu steps do it:\n", plan->length, length);
    run_plan(plan, seed, path, stdout, &result);
    printf("%s\nagain: ./dev simulate --seed %" PRIu64 "\n", result.violation, seed);
}

static bool simulate(uint64_t seed, struct run_result *totals)
{
    struct plan plan;
    struct run_result result;
    plan_make(&plan, seed);
    run_plan(&plan, seed, path, NULL, &result);
    bool good = result.violation[0] == '\0';
    if (!good) {
        tell_failure(&plan, seed, &result);
    }
    totals->hash ^= result.hash;
    for (size_t i = 0; i < HAPPENED_KINDS; i++) {
        totals->happened[i] += result.happened[i];
    }
    plan_finish(&plan);
    return good;
}

/* The lock's file is real. */
static bool make_folder(char *folder)
{
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/hub.db", folder);
    return true;
}

static void remove_folder(const char *folder)
{
    char lock[sizeof path + 8];
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    (void)unlink(lock);
    (void)rmdir(folder);
}

int main(int count, char **arguments)
{
    struct options options = parse(count, arguments);
    struct run_result totals = {0};
    char folder[] = "/tmp/simulate-XXXXXX";
    double begun = now_seconds();
    uint64_t played = 0;
    bool good = make_folder(folder);
    memory_install();
    disk_install();
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    while (good && interrupted == 0 && played < options.seeds &&
           (options.seconds <= 0 || now_seconds() - begun < options.seconds)) {
        good = simulate(options.seed + played, &totals);
        played++;
    }
    if (path[0] != '\0') {
        remove_folder(folder);
    }
    double seconds = now_seconds() - begun;
    printf("%" PRIu64 " seeds from %" PRIu64 " in %.1f s (%.0f an hour); hash %016" PRIx64 "\n",
           played, options.seed, seconds, (double)played / seconds * 3600, totals.hash);
    happened_print(totals.happened, stdout);
    return good ? 0 : 1;
}
