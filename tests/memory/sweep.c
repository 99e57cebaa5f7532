/*
 * Goal:   memory that runs out costs a request, a connection or the process, which stops with a
 *         sentence: never a crash, a leak, a second free, nor anything that was acknowledged; and
 *         once there is memory again, everything comes out as if there had always been.
 * Method: a scenario is played once without a failure; then once for every allocation that it
 * makes, which fails: alone, or with some behind it. Each play is held against the first. A process
 * of its own plays, so that one that dies is one failure more, and tells its n.
 *
 *     memory [--quick] [--scenario NAME] [--length L] [--first N] [--last N] [--every N]
 *
 * Without --length it plays with 1, 8 and 200 allocations that fail together; --quick takes
 * samples.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/memory/failing.h"
#include "tests/memory/folder.h"
#include "tests/memory/scenario.h"

static const struct scenario scenarios[] = {
    {"tokens", ROOM_TOKENS, 1, true, play_tokens},             /* libjwt and jansson lose some */
    {"config", ROOM_CONFIG | ROOM_OWN, 1, false, play_config}, /* libfyaml reads through NULL */
    {"store", ROOM_STORE, 1, false, play_store},
    {"hub", ROOM_HUB, 96, false, play_hub},
    {"client", ROOM_CLIENT, 24, false, play_hub},
    {"storage", ROOM_STORAGE, 3000, false, play_hub},
    {"all", ROOM_HUB | ROOM_STORAGE | ROOM_CLIENT, 5000, false, play_hub},
};

struct sweep {
    const struct scenario *scenario;
    uint64_t length; /* how many fail, from the n-th on */
    uint64_t first;
    uint64_t last;
    uint64_t every;
    struct buffer expected;
    int64_t live;
};

/* What the playing process tells the one that waits. */
struct progress {
    uint64_t n;
    uint64_t plays;
    uint64_t counted; /* allocations without a failure */
    unsigned failures;
    bool done;
};

enum { FAILURES_MAX = 20, OUTCOME_BYTES = 1 << 20, LENGTHS = 3 };

static struct progress *progress;

/* Nobody pulls the plug here, and SQLite would wait for the disk a hundred times in each play.
 * Under a name that is not the C library's. */
int no_sync(int file) __asm__("fsync");
int no_data_sync(int file) __asm__("fdatasync");

int no_sync(int file)
{
    (void)file;
    return 0;
}

int no_data_sync(int file)
{
    (void)file;
    return 0;
}

static void report(const struct sweep *sweep, uint64_t n, const char *reason)
{
    (void)printf("memory --scenario %s --length %" PRIu64 " --first %" PRIu64 " --last %" PRIu64
                 ": %s\n",
                 sweep->scenario->name, sweep->length, n, n, reason);
    progress->failures++;
}

static void compare(const struct sweep *sweep, uint64_t n, struct bytes outcome)
{
    char reason[SCENARIO_REASON_BYTES];
    struct bytes expected = buffer_bytes(&sweep->expected);
    if (bytes_equal(outcome, expected)) {
        return;
    }
    size_t at = 0;
    size_t line = 0;
    while (at < outcome.length && at < expected.length && outcome.data[at] == expected.data[at]) {
        at++;
        line = at > 0 && outcome.data[at - 1] == '\n' ? at : line;
    }
    size_t from = at - line > 60 ? at - 60 : line;
    (void)snprintf(reason, sizeof reason, "it comes out otherwise:\n  %.150s\n  %.150s",
                   from < outcome.length ? (const char *)outcome.data + from : "(end)",
                   from < expected.length ? (const char *)expected.data + from : "(end)");
    report(sweep, n, reason);
}

/* Allocations made. */
static uint64_t play(struct sweep *sweep, uint64_t n, struct buffer *outcome)
{
    char reason[SCENARIO_REASON_BYTES] = "";
    buffer_clear(outcome);
    failing_begin(sweep->scenario->rooms, n, sweep->length);
    sweep->scenario->play(sweep->scenario, outcome, reason);
    uint64_t counted = failing_counted();
    bool failed = failing_failed() > 0 || n == 0;
    failing_begin(ROOM_TEST, 0, 0);
    if (buffer_append(outcome, "", 1) != PROTOCOL_OK) {
        abort();
    }
    if (reason[0] != '\0') {
        report(sweep, n, reason);
    } else if (n > 0 && failed) {
        compare(sweep, n, buffer_bytes(outcome));
    }
    return counted;
}

static void play_all(struct sweep *sweep)
{
    struct buffer outcome;
    buffer_init(&outcome, SIZE_MAX / 2);
    if (buffer_reserve(&outcome, OUTCOME_BYTES) != PROTOCOL_OK) { /* so that it counts as no leak */
        abort();
    }
    for (int warm = 0; warm < 2; warm++) {
        progress->counted = play(sweep, 0, &outcome);
    }
    progress->plays = 0;
    uint64_t n = progress->n == 0 ? sweep->first : progress->n + sweep->every;
    uint64_t counted = UINT64_MAX;
    for (; n <= sweep->last && n <= counted && progress->failures < FAILURES_MAX;
         n += sweep->every) {
        int64_t live = failing_live();
        progress->n = n;
        progress->plays++;
        counted = play(sweep, n, &outcome);
        counted = counted > progress->counted ? counted : progress->counted;
        live = failing_live() - live;
        if (live != 0 && !sweep->scenario->leaks) {
            char reason[64];
            (void)snprintf(reason, sizeof reason, "%" PRId64 " blocks are lost", live);
            report(sweep, n, reason);
        }
    }
    buffer_finish(&outcome);
    progress->done = true;
}

/* A process plays until it is done, or dies; then the next one goes on behind that n. */
static void run(struct sweep *sweep)
{
    *progress = (struct progress){.failures = progress->failures};
    while (!progress->done && progress->failures < FAILURES_MAX) {
        uint64_t n = progress->n;
        pid_t pid = fork();
        if (pid == 0) {
            (void)signal(SIGINT, SIG_DFL);
            play_all(sweep);
            buffer_finish(&sweep->expected);
            exit(0);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            abort();
        }
        folder_empty(); /* of one that died */
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) {
            folder_remove();
            exit(130);
        }
        if (status != 0) {
            char reason[80];
            (void)snprintf(reason, sizeof reason, "the process dies of %s %d",
                           WIFSIGNALED(status) ? "signal" : "status",
                           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            report(sweep, progress->n, reason);
        }
        if (progress->n == n && !progress->done) {
            report(sweep, n, "it does not come to a failure");
            break;
        }
    }
    (void)printf("%-8s %4" PRIu64 " at once: %" PRIu64 " plays, of %" PRIu64 " allocations\n",
                 sweep->scenario->name, sweep->length, progress->plays, progress->counted);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        (void)fprintf(stderr, "%s is no number\n", text);
        exit(2);
    }
    return value;
}

struct options {
    const char *scenario; /* NULL: all */
    uint64_t length;      /* 0: several */
    uint64_t first;
    uint64_t last;
    uint64_t every;
    bool quick;
};

static struct options read_options(int count, char **values)
{
    struct options options = {.first = 1, .last = UINT64_MAX, .every = 1};
    for (int i = 1; i < count; i++) {
        const char *next = i + 1 < count ? values[i + 1] : "";
        uint64_t *target = strcmp(values[i], "--length") == 0  ? &options.length
                           : strcmp(values[i], "--first") == 0 ? &options.first
                           : strcmp(values[i], "--last") == 0  ? &options.last
                           : strcmp(values[i], "--every") == 0 ? &options.every
                                                               : NULL;
        if (strcmp(values[i], "--quick") == 0) {
            options.quick = true;
        } else if (strcmp(values[i], "--scenario") == 0) {
            options.scenario = next;
            i++;
        } else if (target != NULL) {
            *target = number(next);
            i++;
        } else {
            (void)fprintf(stderr, "memory: %s is no option\n", values[i]);
            exit(2);
        }
    }
    return options;
}

static void sweep_scenario(const struct scenario *scenario, const struct options *options)
{
    static const uint64_t lengths[LENGTHS] = {1, 8, 200};
    struct sweep sweep = {.scenario = scenario,
                          .first = options->first,
                          .last = options->last,
                          .every = options->every};
    buffer_init(&sweep.expected, SIZE_MAX / 2);
    (void)play(&sweep, 0, &sweep.expected);
    for (size_t i = 0; i < LENGTHS; i++) {
        sweep.length = options->length == 0 ? lengths[i] : options->length;
        if (options->quick && scenario->quick > 1) { /* they share the samples */
            sweep.every = scenario->quick * LENGTHS;
            sweep.first = 1 + i * scenario->quick;
        }
        if (i == 0 || options->length == 0) {
            run(&sweep);
        }
    }
    buffer_finish(&sweep.expected);
}

int main(int argc, char **argv)
{
    struct options options = read_options(argc, argv);
    bool played = false;
    (void)setvbuf(stdout, NULL, _IONBF, 0); /* its buffer would count as lost */
    progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        return 1;
    }
    folder_make();
    (void)signal(SIGINT, SIG_IGN); /* who plays ends of it, and the folder is removed */
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (options.scenario == NULL || strcmp(options.scenario, scenarios[i].name) == 0) {
            sweep_scenario(&scenarios[i], &options);
            played = true;
        }
    }
    folder_remove();
    return played && progress->failures == 0 ? 0 : 1;
}
