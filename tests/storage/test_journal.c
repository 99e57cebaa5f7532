/*
 * Goal:   the journal gives back what it took, in its order, and never gives a position twice.
 * Method: appends through the threads, trims, stops and starts again; the oracle is what the test
 *         itself has asked for.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/storage/fixture.h"

enum { BATCHES_MAX = 1024 };

struct tail {
    uint64_t positions[BATCHES_MAX];
    char batches[BATCHES_MAX][16];
    size_t length;
    size_t stop_at; /* the walk ends there */
};

static int keep_batch(void *context, uint64_t position, struct bytes batch)
{
    struct tail *tail = context;
    REQUIRE(tail->length < BATCHES_MAX && batch.length < sizeof tail->batches[0]);
    tail->positions[tail->length] = position;
    memcpy(tail->batches[tail->length], batch.data, batch.length);
    tail->batches[tail->length++][batch.length] = '\0';
    return tail->length == tail->stop_at ? 1 : 0;
}

static struct tail *replay(struct fixture *fixture)
{
    static struct tail tail;
    char error[STORAGE_ERROR_BYTES];
    tail = (struct tail){0};
    REQUIRE(fixture_try_open(fixture, error));
    REQUIRE(storage_replay(fixture->storage, keep_batch, &tail, error));
    fixture_start(fixture);
    return &tail;
}

static uint64_t append(struct fixture *fixture, const char *batch)
{
    uint64_t position = 0;
    cr_assert(fixture_append(fixture, fixture_text(batch), &position));
    return position;
}

Test(journal, a_restart_replays_every_batch_in_order)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    uint64_t one = append(&fixture, "one");
    uint64_t two = append(&fixture, "two");
    cr_assert(lt(u64, one, two));
    fixture_close(&fixture);

    struct tail *tail = replay(&fixture);
    struct storage_info info;
    storage_info(fixture.storage, &info);
    cr_expect(eq(u64, info.position, two));
    cr_assert(eq(sz, tail->length, 2));
    cr_expect(eq(u64, tail->positions[0], one));
    cr_expect(eq(u64, tail->positions[1], two));
    cr_expect(eq(str, tail->batches[0], "one"));
    cr_expect(eq(str, tail->batches[1], "two"));
    fixture_finish(&fixture);
}

Test(journal, a_trim_forgets_up_to_its_position_and_no_further)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)append(&fixture, "one");
    uint64_t two = append(&fixture, "two");
    uint64_t three = append(&fixture, "three");
    storage_trim(fixture.storage, two);
    fixture_close(&fixture);

    struct tail *tail = replay(&fixture);
    cr_assert(eq(sz, tail->length, 1));
    cr_expect(eq(u64, tail->positions[0], three));
    fixture_finish(&fixture);
}

Test(journal, a_stop_finishes_a_trim_of_many_steps)
{
    struct fixture fixture;
    struct storage_completion completion;
    fixture_init(&fixture);
    fixture_open(&fixture);
    for (int i = 0; i < 1000; i++) {
        cr_assert(storage_append(fixture.storage, fixture_text("batch"), 0));
    }
    for (int i = 0; i < 1000; i++) {
        fixture_wait(&fixture, &completion);
        cr_assert(eq(int, completion.kind, STORAGE_APPENDED));
    }
    storage_trim(fixture.storage, completion.position);
    fixture_close(&fixture);
    cr_expect(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM journal"), "0"));
    fixture_finish(&fixture);
}

Test(journal, positions_are_not_reused_after_everything_was_trimmed)
{
    struct fixture fixture;
    struct storage_info info;
    fixture_init(&fixture);
    fixture_open(&fixture);
    uint64_t last = append(&fixture, "one");
    storage_trim(fixture.storage, last);
    fixture_close(&fixture);
    cr_assert(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM journal"), "0"));

    fixture_open(&fixture);
    storage_info(fixture.storage, &info);
    cr_expect(eq(u64, info.position, last));
    cr_expect(gt(u64, append(&fixture, "two"), last));
    fixture_finish(&fixture);
}

/* The wake-up comes once for a group, so its count tells how many commits there were. */
Test(journal, appends_that_wait_together_are_one_commit)
{
    struct fixture fixture;
    struct storage_completion completion;
    char error[STORAGE_ERROR_BYTES];
    char batch[16];
    uint64_t last = 0;
    fixture_init(&fixture);
    cr_assert(fixture_try_open(&fixture, error));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(batch, sizeof batch, "%d", i);
        cr_assert(storage_append(fixture.storage, fixture_text(batch), 0));
    }
    fixture_start(&fixture);
    for (int i = 0; i < 100; i++) {
        fixture_wait(&fixture, &completion);
        cr_assert(eq(int, completion.kind, STORAGE_APPENDED));
        cr_assert(gt(u64, completion.position, last));
        last = completion.position;
    }
    fixture_close(&fixture);
    cr_expect(eq(uint, atomic_load(&fixture.wakes), 1));

    struct tail *tail = replay(&fixture);
    cr_assert(eq(sz, tail->length, 100));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(batch, sizeof batch, "%d", i);
        cr_assert(eq(str, tail->batches[i], batch));
    }
    fixture_finish(&fixture);
}

Test(journal, a_replay_that_is_stopped_is_not_a_damaged_journal)
{
    struct fixture fixture;
    struct tail tail = {.stop_at = 1};
    char error[STORAGE_ERROR_BYTES] = "";
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)append(&fixture, "one");
    (void)append(&fixture, "two");
    fixture_close(&fixture);
    cr_assert(fixture_try_open(&fixture, error));
    cr_assert(not(storage_replay(fixture.storage, keep_batch, &tail, error)));
    cr_expect(eq(sz, tail.length, 1));
    cr_expect(strstr(error, "damaged") == NULL && strstr(error, "position 1") != NULL, "%s", error);
    fixture_finish(&fixture);
}

Test(journal, a_damaged_batch_is_reported_with_table_and_position)
{
    struct fixture fixture;
    struct tail tail = {0};
    char error[STORAGE_ERROR_BYTES] = "";
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)append(&fixture, "one");
    (void)append(&fixture, "two");
    (void)append(&fixture, "three");
    fixture_close(&fixture);
    (void)fixture_sql(&fixture, "UPDATE journal SET batch = 'text' WHERE position = 3");

    cr_assert(fixture_try_open(&fixture, error));
    cr_assert(not(storage_replay(fixture.storage, keep_batch, &tail, error)));
    cr_expect(eq(sz, tail.length, 2));
    cr_expect(strstr(error, "table journal is damaged after position 2") != NULL, "%s", error);
    cr_expect(strstr(error, fixture.path) != NULL, "%s", error);
    fixture_finish(&fixture);
}

/* What a trigger refuses leaves the transaction open, which a full disk would end by itself. */
Test(journal, a_group_that_fails_leaves_nothing_behind)
{
    static const char *const group[] = {"one", "bad", "two"};
    struct fixture fixture;
    struct storage_completion completion;
    char error[STORAGE_ERROR_BYTES];
    fixture_init(&fixture);
    cr_assert(fixture_try_open(&fixture, error));
    (void)fixture_sql(&fixture, "CREATE TRIGGER refuse BEFORE INSERT ON journal WHEN new.batch = "
                                "x'626164' BEGIN SELECT raise(ABORT, 'refused by a trigger'); END");
    for (size_t i = 0; i < 3; i++) {
        cr_assert(storage_append(fixture.storage, fixture_text(group[i]), 0));
    }
    fixture_start(&fixture);
    for (size_t i = 0; i < 3; i++) {
        fixture_wait(&fixture, &completion);
        cr_expect(eq(int, completion.kind, STORAGE_APPEND_FAILED));
        cr_expect(zero(u64, completion.position));
        cr_expect(strstr(completion.text, "refused by a trigger") != NULL, "%s", completion.text);
    }
    (void)fixture_sql(&fixture, "DROP TRIGGER refuse");
    (void)append(&fixture, "three");
    fixture_close(&fixture);

    struct tail *tail = replay(&fixture);
    cr_assert(eq(sz, tail->length, 1));
    cr_expect(eq(str, tail->batches[0], "three"));
    fixture_finish(&fixture);
}

/* An append waits for one step at most. Steps are taken through the journal's interface. */
Test(journal, a_step_of_a_trim_is_bounded_by_bytes_too)
{
    enum { LARGE = 40, BATCH_BYTES = 512 << 10 };
    struct fixture fixture;
    uint64_t position = 0;
    uint64_t start;
    bool more = true;
    int steps = 0;
    sqlite3 *database = NULL;
    uint8_t *data = calloc(1, BATCH_BYTES);
    fixture_init(&fixture);
    fixture.relaxed = true;
    fixture_open(&fixture);
    REQUIRE(data != NULL);
    for (int i = 0; i < LARGE; i++) {
        REQUIRE(fixture_append(&fixture, (struct bytes){data, BATCH_BYTES}, &position));
    }
    fixture_close(&fixture);
    cr_assert(eq(int, sqlite3_open(fixture.path, &database), SQLITE_OK));
    struct journal *journal = journal_sqlite_open(database);
    for (start = 1; more; steps++) {
        cr_assert(eq(int, journal->operations->trim(journal, position - 1, &more), 0));
        uint64_t left = (uint64_t)atoi(fixture_sql(&fixture, "SELECT min(position) FROM journal"));
        cr_expect(le(u64, (left - start) * BATCH_BYTES, 2 << 20));
        cr_assert(left > start || !more);
        start = left;
    }
    cr_expect(eq(u64, start, position));
    cr_expect(ge(int, steps, LARGE / 4));
    journal->operations->close(journal);
    (void)sqlite3_close(database);
    free(data);
    fixture_finish(&fixture);
}
