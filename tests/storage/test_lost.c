/*
 * Goal:   a batch that is missing from the journal is told of, not skipped: what it held was
 *         acknowledged. What happens to a healthy file is never taken for a loss.
 * Method: a plain connection deletes rows from files of the storage, and replays must end there; or
 *         it does what trims, tools and a new journal id do, and replays must find the rest.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/storage/fixture.h"

enum { BATCHES = 5 };

static int count_batch(void *context, uint64_t position, struct bytes batch)
{
    (void)position;
    (void)batch;
    ++*(int *)context;
    return 0;
}

static void check_loss(const char *sql, int expected, const char *where)
{
    struct fixture fixture;
    char error[STORAGE_ERROR_BYTES] = "";
    uint64_t position = 0;
    int count = 0;
    fixture_init(&fixture);
    fixture_open(&fixture);
    for (int i = 0; i < BATCHES; i++) {
        REQUIRE(fixture_append(&fixture, fixture_text("x"), &position));
    }
    fixture_close(&fixture);
    (void)fixture_sql(&fixture, sql);
    cr_assert(fixture_try_open(&fixture, error), "%s", error);
    bool replayed = storage_replay(fixture.storage, count_batch, &count, error);
    cr_expect(eq(int, replayed, where == NULL), "%s: %s", sql, error);
    cr_expect(eq(int, count, expected), "%s", sql);
    cr_expect(where == NULL || strstr(error, where) != NULL, "%s: %s", sql, error);
    fixture_finish(&fixture);
}

Test(lost, a_batch_between_others_is_missed)
{
    check_loss("DELETE FROM journal WHERE position = 3", 2, "after position 2");
}

Test(lost, the_last_batch_is_missed)
{
    check_loss("DELETE FROM journal WHERE position = 5", 4, "after position 4");
}

Test(lost, the_first_batches_may_be_trimmed)
{
    check_loss("DELETE FROM journal WHERE position < 3", 3, NULL);
    check_loss("DELETE FROM journal WHERE position < 5", 1, NULL);
    check_loss("DELETE FROM journal", 0, NULL);
}

Test(lost, nothing_by_a_vacuum_or_a_new_journal_id)
{
    check_loss("VACUUM", BATCHES, NULL);
    check_loss("UPDATE meta SET value = randomblob(16) WHERE key = 'journal'", BATCHES, NULL);
    check_loss("UPDATE meta SET value = CASE key WHEN 'clean' THEN 0 WHEN 'relaxed' THEN 1 "
               "ELSE zeroblob(36) END WHERE key IN ('clean', 'relaxed', 'boot')",
               BATCHES, NULL);
}
