/*
 * Goal:   what was acknowledged is there after kill -9 and after a full disk; what was refused is
 *         not; and when the disk heals, so does the storage.
 * Method: a child process appends and stores, and tells of each acknowledgement through a pipe; it
 *         is killed at a random moment (seeded, told on failure), and the file is read again. A
 * full disk is a limit on file sizes, which is lifted later.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/fixture.h"

enum { ROUNDS = 25, IN_FLIGHT = 8 };

/* --- the child that is killed --- */

/* A document whose two rows carry one number: they must never differ. */
static void ask_store(struct fixture *fixture, uint64_t number)
{
    uint8_t data[256];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct row rows[] = {
        {.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = number},
        {.kind = ROW_ENTRY, .position = number},
    };
    fixture_write_rows(&buffer, rows, 2);
    REQUIRE(storage_store(fixture->storage, buffer_bytes(&buffer)));
}

/* Batches are numbers that count up; several are in flight, and now and then a store. */
static void write_until_killed(struct fixture *fixture, uint64_t next, int pipe_end)
{
    struct storage_completion completion;
    size_t waiting = 0;
    REQUIRE(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    fixture_open(fixture);
    for (;;) {
        bool stores = waiting < IN_FLIGHT && next % 3 == 0;
        for (; waiting < IN_FLIGHT; waiting++, next++) {
            REQUIRE(storage_append(fixture->storage,
                                   (struct bytes){(const uint8_t *)&next, sizeof next}, 0));
        }
        if (stores) {
            ask_store(fixture, next);
            waiting++;
        }
        fixture_wait(fixture, &completion);
        waiting--;
        REQUIRE(completion.kind == STORAGE_APPENDED || completion.kind == STORAGE_STORED);
        if (completion.kind == STORAGE_APPENDED) {
            REQUIRE(write(pipe_end, &completion.position, sizeof completion.position) ==
                    sizeof completion.position);
        }
    }
}

struct tail {
    uint64_t length;
    uint64_t last_position;
    bool good;
};

static int count_batch(void *context, uint64_t position, struct bytes batch)
{
    struct tail *tail = context;
    uint64_t number = 0;
    if (batch.length != sizeof number || position <= tail->last_position) {
        tail->good = false;
        return 1;
    }
    memcpy(&number, batch.data, sizeof number);
    tail->good = tail->good && number == tail->length;
    tail->length++;
    tail->last_position = position;
    return 0;
}

static struct tail read_tail(struct fixture *fixture)
{
    struct tail tail = {.good = true};
    char error[STORAGE_ERROR_BYTES];
    bool opened = fixture_try_open(fixture, error);
    cr_assert(opened, "%s", error);
    cr_assert(storage_replay(fixture->storage, count_batch, &tail, error));
    fixture_start(fixture);
    fixture_close(fixture);
    return tail;
}

/* Lets the child acknowledge some batches, kills it, and answers the last position it told of. */
static uint64_t kill_a_writer(struct fixture *fixture, uint64_t next, unsigned seed)
{
    int ends[2];
    uint64_t position = 0;
    cr_assert(pipe(ends) == 0);
    pid_t child = fork();
    cr_assert(ge(int, child, 0)); /* kill(-1) would not be the child */
    if (child == 0) {
        (void)close(ends[0]);
        write_until_killed(fixture, next, ends[1]);
    }
    (void)close(ends[1]);
    for (unsigned acknowledged = seed * 37 % 50; acknowledged > 0; acknowledged--) {
        cr_assert(read(ends[0], &position, sizeof position) == sizeof position);
    }
    (void)usleep(seed * 7919 % 3000);
    cr_assert(kill(child, SIGKILL) == 0);
    while (read(ends[0], &position, sizeof position) == sizeof position) {
    }
    (void)close(ends[0]);
    cr_assert(waitpid(child, NULL, 0) == child);
    return position;
}

Test(crash, every_acknowledged_batch_survives_kill_9)
{
    struct fixture fixture;
    struct tail tail = {0};
    uint64_t acknowledged_ever = 0;
    fixture_init(&fixture);
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        uint64_t acknowledged = kill_a_writer(&fixture, tail.length, seed);
        acknowledged_ever = acknowledged > acknowledged_ever ? acknowledged : acknowledged_ever;
        tail = read_tail(&fixture);
        cr_assert(tail.good, "seed %u: a batch is missing, doubled or torn", seed);
        cr_assert(ge(u64, tail.last_position, acknowledged_ever), "seed %u", seed);
        cr_assert(eq(str,
                     (char *)fixture_sql(&fixture, "SELECT count(*) FROM documents JOIN entries ON "
                                                   "document = id WHERE documents.position <> "
                                                   "entries.position"),
                     "0"),
                  "seed %u: a document is torn", seed);
    }
    cr_assert(gt(u64, tail.length, ROUNDS), "the children have worked");
    fixture_finish(&fixture);
}

/* --- a full disk --- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static bool append_number(struct fixture *fixture, uint64_t number, char *text)
{
    struct storage_completion completion;
    REQUIRE(storage_append(fixture->storage,
                           (struct bytes){(const uint8_t *)&number, sizeof number}, 0));
    fixture_wait(fixture, &completion);
    memcpy(text, completion.text, sizeof completion.text);
    return completion.kind == STORAGE_APPENDED;
}

static void fill_and_heal(struct fixture *fixture)
{
    char text[STORAGE_ERROR_BYTES];
    char *large = calloc(1, 1 << 20);
    uint64_t position = 0;
    REQUIRE(large != NULL && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    fixture_open(fixture);
    REQUIRE(append_number(fixture, 0, text));
    limit_files(256 << 10);
    REQUIRE(!fixture_append(fixture, (struct bytes){(uint8_t *)large, 1 << 20}, &position));
    REQUIRE(position == 0);
    uint64_t number = 1; /* small ones still fit for a while */
    while (append_number(fixture, number, text)) {
        number++;
    }
    fixture_require(strstr(text, fixture->path) != NULL &&
                        strstr(text, "the journal cannot be written") != NULL &&
                        strstr(text, "disk") != NULL,
                    text, __FILE__, __LINE__);
    ask_store(fixture, 5);
    struct storage_completion completion;
    fixture_wait(fixture, &completion);
    REQUIRE(completion.kind == STORAGE_STORE_FAILED && completion.text[0] != '\0');
    limit_files(RLIM_INFINITY);
    REQUIRE(append_number(fixture, number, text));
    ask_store(fixture, 6);
    fixture_wait(fixture, &completion);
    REQUIRE(completion.kind == STORAGE_STORED);
    fixture_close(fixture);
    free(large);
}

Test(crash, a_full_disk_refuses_and_heals)
{
    struct fixture fixture;
    fixture_init(&fixture);
    cr_assert(zero(int, fixture_fork(fill_and_heal, &fixture)));
    struct tail tail = read_tail(&fixture);
    cr_expect(tail.good, "exactly what was acknowledged, in order");
    cr_expect(gt(u64, tail.length, 1));
    cr_expect(eq(str, (char *)fixture_sql(&fixture, "SELECT position FROM documents"), "6"));
    fixture_finish(&fixture);
}

static void start_on_a_full_disk(struct fixture *fixture)
{
    char error[STORAGE_ERROR_BYTES];
    REQUIRE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    limit_files(8 << 10);
    REQUIRE(!fixture_try_open(fixture, error));
    fixture_require(strstr(error, fixture->path) != NULL && strstr(error, "disk") != NULL, error,
                    __FILE__, __LINE__);
    limit_files(RLIM_INFINITY);
    fixture_open(fixture);
    fixture_close(fixture);
}

Test(crash, a_start_on_a_full_disk_is_refused_and_works_later)
{
    struct fixture fixture;
    fixture_init(&fixture);
    cr_expect(zero(int, fixture_fork(start_on_a_full_disk, &fixture)));
    fixture_finish(&fixture);
}
