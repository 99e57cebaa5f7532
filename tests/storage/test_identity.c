/*
 * Goal:   the journal's id changes exactly when acknowledged commits may be lost: relaxed, no clean
 *         stop, and another start of the operating system.
 * Method: every combination of the three, made with a process that ends without closing and a boot
 *         id that is changed by hand.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <unistd.h>

#include "tests/storage/fixture.h"

static struct journal_id identity(struct fixture *fixture, struct storage_info *info)
{
    char error[STORAGE_ERROR_BYTES];
    cr_assert(fixture_try_open(fixture, error));
    storage_info(fixture->storage, info);
    return info->journal;
}

static void append_twice(struct fixture *fixture)
{
    uint64_t position;
    fixture_open(fixture);
    REQUIRE(fixture_append(fixture, fixture_text("one"), &position));
    REQUIRE(fixture_append(fixture, fixture_text("two"), &position));
}

static void run_and_stop(struct fixture *fixture)
{
    append_twice(fixture);
    fixture_close(fixture);
}

static void check(bool relaxed, bool clean, bool rebooted)
{
    struct fixture fixture;
    struct storage_info info;
    fixture_init(&fixture);
    fixture.relaxed = relaxed;
    struct journal_id before = identity(&fixture, &info);
    cr_assert(zero(sz, info.ancestor_count));
    fixture_start(&fixture);
    fixture_close(&fixture);
    cr_assert(zero(int, fixture_fork(clean ? run_and_stop : append_twice, &fixture)));
    if (rebooted) {
        (void)fixture_sql(&fixture, "UPDATE meta SET value = zeroblob(36) WHERE key = 'boot'");
    }
    struct journal_id after = identity(&fixture, &info);
    bool same = memcmp(&before, &after, sizeof before) == 0;
    bool lost = relaxed && !clean && rebooted;
    cr_expect(same == !lost, "relaxed %d, clean %d, rebooted %d", relaxed, clean, rebooted);
    cr_assert(eq(sz, info.ancestor_count, lost ? 1 : 0));
    if (lost) {
        cr_expect(memcmp(&info.ancestors[0].journal, &before, sizeof before) == 0);
        cr_expect(eq(u64, info.ancestors[0].position, 2));
    }
    fixture_finish(&fixture);
}

Test(identity, changes_exactly_when_commits_may_be_lost)
{
    for (int i = 0; i < 8; i++) {
        check((i & 1) != 0, (i & 2) != 0, (i & 4) != 0);
    }
}

Test(identity, two_files_have_two)
{
    struct fixture one;
    struct fixture two;
    struct storage_info info;
    fixture_init(&one);
    fixture_init(&two);
    struct journal_id first = identity(&one, &info);
    struct journal_id second = identity(&two, &info);
    cr_expect(memcmp(&first, &second, sizeof first) != 0);
    fixture_finish(&one);
    fixture_finish(&two);
}

/* A start that is refused must not look like a crash afterwards. */
Test(identity, a_refused_start_leaves_the_clean_mark)
{
    struct fixture fixture;
    char error[STORAGE_ERROR_BYTES];
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    fixture_declare(&fixture, "POST", "likes", "g-counter", ELEMENT_STRING);
    cr_assert(not(fixture_try_open(&fixture, error)));
    cr_expect(
        eq(str, (char *)fixture_sql(&fixture, "SELECT value FROM meta WHERE key = 'clean'"), "1"));
    fixture_finish(&fixture);
}

Test(identity, a_damaged_meta_is_refused)
{
    struct fixture fixture;
    char error[STORAGE_ERROR_BYTES];
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    (void)fixture_sql(&fixture, "UPDATE meta SET value = x'00' WHERE key = 'journal'");
    cr_assert(not(fixture_try_open(&fixture, error)));
    cr_expect(strstr(error, "meta is damaged") != NULL, "%s", error);
    fixture_finish(&fixture);
}
