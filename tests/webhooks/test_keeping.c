/*
 * Goal:   what a target was told, is owed and has refused outlives stops, kills, and a disk that is
 *         full or cannot be read: nothing is lost, and what is told again has the id it had.
 * Method: webhooks on a real file, whose writes and reads the test lets fail; they are stopped or
 *         killed, opened again, and what comes is compared with what was changed.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/storage/faulty_sqlite.h"
#include "tests/webhooks/office.h"

static struct office office;

static void start(void)
{
    faulty_install();
    office_init(&office);
    office.targets.items[0].limits.breaker = 1000;
}

static void finish(void) { office_finish(&office); }

TestSuite(keeping, .init = start, .fini = finish);

static const struct receiver_message *last(void)
{
    cr_assert(gt(sz, office.receiver.length, 0));
    return &office.receiver.messages[office.receiver.length - 1];
}

static const char *count_of(const char *table)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return fixture_sql(&office.fixture, sql);
}

static void open_at_rest(void)
{
    office_open(&office);
    office_rest(&office);
}

/* --- stops and kills --- */

Test(keeping, after_a_clean_stop_nothing_is_told_again)
{
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100);
    office_store(&office);
    uint64_t before_ms = office.now_ms;
    cr_assert(office_stop(&office));
    cr_assert(lt(u64, office.now_ms - before_ms, 200)); /* nothing was under way */
    office_open(&office);
    office_pass(&office, 5000);
    cr_assert(eq(sz, office.receiver.length, 1));
    cr_assert(eq(u64, office_stats(&office).position, 1));
}

Test(keeping, after_a_kill_it_is_told_again_under_its_id)
{
    char id[RECEIVER_TEXT_BYTES];
    open_at_rest();
    office_pass(&office, 2000); /* the cursor is written */
    office_change(&office, "post/1");
    office_pass(&office, 100);
    office_store(&office);
    office_rest(&office);
    (void)snprintf(id, sizeof id, "%s", last()->id);
    office_kill(&office);
    office_open(&office);
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 2));
    cr_assert(eq(str, (char *)last()->id, id));
}

Test(keeping, what_waits_is_tried_on_where_it_was)
{
    office.random = 0;
    office.targets.items[0].limits.attempts_max = 4;
    office.receiver.reply.status = 500;
    open_at_rest();
    office_change(&office, "post/1");
    office.receiver.reply.status = 500;
    office.random = 999;
    office_pass(&office, 1000); /* twice */
    office_store(&office);
    cr_assert(office_stop(&office));
    size_t before = office.receiver.length;
    cr_assert(ge(sz, before, 1));
    cr_assert(lt(sz, before, 4));
    cr_assert(eq(str, (char *)count_of("webhook_waiting"), "1"));
    office_open(&office);
    office_pass(&office, 100000);
    cr_assert(eq(sz, office.receiver.length, 4));
    cr_assert(eq(u64, office_stats(&office).dead, 1));
    cr_assert(eq(str, (char *)count_of("webhook_waiting"), "0"));
    cr_assert(eq(str, (char *)count_of("webhook_dead"), "1"));
}

Test(keeping, a_stop_waits_for_answers_for_two_seconds)
{
    office.receiver.reply.status = REPLY_NEVER;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100);
    uint64_t before_ms = office.now_ms;
    webhooks_drain(office.loop.webhooks);
    cr_assert(not(webhooks_drained(office.loop.webhooks)));
    office_pass(&office, 1900);
    cr_assert(not(webhooks_drained(office.loop.webhooks)));
    cr_assert(office_stop(&office));
    cr_assert(le(u64, office.now_ms - before_ms, 4100));
    office.receiver.reply.status = 200;
    office_open(&office);
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 2));
    cr_assert(eq(str, (char *)last()->id, (char *)office.receiver.messages[0].id));
}

Test(keeping, a_stop_begins_no_delivery)
{
    open_at_rest();
    webhooks_drain(office.loop.webhooks);
    office_change(&office, "post/1");
    office_pass(&office, 1000);
    cr_assert(eq(sz, office.receiver.length, 0));
    cr_assert(office_stop(&office));
    office_open(&office);
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 1));
}

Test(keeping, without_webhooks_there_is_nothing_to_stop)
{
    webhooks_drain(NULL);
    cr_assert(webhooks_drained(NULL));
    webhooks_close(NULL);
    webhooks_finish(NULL);
}

/* --- a target that is new, gone or wants other documents --- */

Test(keeping, a_new_target_is_told_what_changes_from_then_on)
{
    open_at_rest();
    office_change(&office, "post/1");
    office_store(&office);
    office_pass(&office, 2000);
    cr_assert(office_stop(&office));
    (void)office_target(&office, "fresh");
    open_at_rest();
    office_change(&office, "post/2");
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 3));
    cr_assert(eq(sz, office_count(&office, "post/1"), 1));
    cr_assert(eq(sz, office_count(&office, "post/2"), 2));
}

Test(keeping, a_new_target_is_told_what_changes_before_the_start_has_read)
{
    office.idle_storage = true; /* a slow disk, or one that cannot be read for a while */
    office_open(&office);
    office_change(&office, "post/1");
    office_pass(&office, 1000);
    cr_assert(eq(sz, office.receiver.length, 0));
    office.idle_storage = false;
    office_pass(&office, 1000);
    cr_assert(eq(sz, office.receiver.length, 1));
    cr_assert(eq(u64, last()->after, 0));
}

static struct webhook_target hide_orders(void)
{
    struct webhook_target hidden = office.targets.items[0];
    office.targets.items[0] = office.targets.items[1];
    office.targets.length = 1;
    return hidden;
}

Test(keeping, a_target_that_comes_back_goes_on_where_it_was)
{
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100);
    office_store(&office);
    cr_assert(office_stop(&office));
    (void)office_target(&office, "others");
    struct webhook_target hidden = hide_orders();
    open_at_rest();
    office_change(&office, "post/2");
    office_store(&office);
    office_pass(&office, 2000);
    cr_assert(office_stop(&office));
    cr_assert(eq(str, (char *)last()->target, "others"));
    office.targets.items[1] = hidden;
    office.targets.length = 2;
    office_open(&office);
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 3));
    cr_assert(eq(str, (char *)last()->target, "orders"));
    cr_assert(eq(str, (char *)last()->document, "post/2"));
}

Test(keeping, what_waits_and_is_not_wanted_any_more_is_not_told)
{
    office.receiver.reply.status = REPLY_NEVER;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 1100);
    office_store(&office);
    office_rest(&office);
    cr_assert(eq(str, (char *)count_of("webhook_waiting"), "1"));
    office_kill(&office);
    office_wants(&office.targets.items[0], "cart/*");
    office.receiver.reply.status = 200;
    office_open(&office);
    office_pass(&office, 2000);
    cr_assert(eq(sz, office.receiver.length, 1));
    cr_assert(eq(str, (char *)count_of("webhook_waiting"), "0"));
}

Test(keeping, what_waits_beyond_a_smaller_bound_is_found_again)
{
    char name[32];
    office.receiver.reply.status = REPLY_NEVER;
    open_at_rest();
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        office_change(&office, name);
    }
    office_store(&office);
    office_pass(&office, 1100);
    office_kill(&office);
    cr_assert(eq(str, (char *)count_of("webhook_waiting"), "30"));
    office.targets.items[0].limits.owed_max = 10;
    office.receiver.reply.status = 200;
    office_open(&office);
    office_pass(&office, 5000);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        bool told = false;
        for (size_t k = 0; k < office.receiver.length; k++) {
            told = told || (office.receiver.messages[k].taken &&
                            strcmp(office.receiver.messages[k].document, name) == 0);
        }
        cr_assert(told, "%s was lost", name);
    }
}

/* --- a restored journal --- */

Test(keeping, after_a_restore_it_goes_on_from_the_restore_point)
{
    open_at_rest();
    for (int i = 0; i < 3; i++) {
        office_change(&office, "post/1");
        office_pass(&office, 100);
    }
    office_change(&office, "post/2");
    office_pass(&office, 100);
    office_store(&office);
    cr_assert(office_stop(&office));
    cr_assert(eq(sz, office.receiver.length, 4));
    office.ancestor = office.journal;
    memset(&office.journal, 'k', sizeof office.journal);
    office.restored = 3;
    office_open(&office);
    office_pass(&office, 2000);
    cr_assert(eq(sz, office.receiver.length, 5)); /* post/2, which stands at 4 */
    cr_assert(eq(u64, last()->after, 3));
    cr_assert(eq(str,
                 (char *)fixture_sql(&office.fixture, "SELECT hex(journal) FROM webhook_targets"),
                 "6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B"));
}

Test(keeping, of_a_journal_that_nobody_knows_all_is_told_anew)
{
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100);
    office_store(&office);
    cr_assert(office_stop(&office));
    (void)fixture_sql(&office.fixture, "UPDATE webhook_targets SET journal = x'0102'");
    office_open(&office);
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 2));
    cr_assert(eq(u64, last()->after, 0));
}

/* --- a disk that fails --- */

Test(keeping, what_a_full_disk_has_not_taken_is_written_when_it_can)
{
    open_at_rest();
    office_pass(&office, 2000);
    faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, true);
    office.receiver.reply.status = 422;
    office_change(&office, "post/1");
    office_pass(&office, 1500);
    office.receiver.reply.status = 500;
    office.random = 999;
    office_change(&office, "post/2");
    office_pass(&office, 1500);
    const char *log = office_log(&office);
    cr_assert(strstr(log, "error storage-failed reason=") != NULL, "%s", log);
    cr_assert(strstr(log, "the tables of webhooks cannot be written") != NULL, "%s", log);
    cr_assert(eq(str, (char *)count_of("webhook_dead"), "0"));
    faulty_heal();
    office.receiver.reply.status = REPLY_NEVER;
    office_pass(&office, 3000);
    cr_assert(eq(str, (char *)count_of("webhook_dead"), "1"));
    cr_assert(eq(str,
                 (char *)fixture_sql(&office.fixture,
                                     "SELECT document || ' ' || position FROM webhook_waiting"),
                 "post/2 1"));
    cr_assert(eq(u64, office_stats(&office).letters, 1));
    office_pass(&office, 3000);
    cr_assert(eq(str, (char *)count_of("webhook_dead"), "1"));
}

Test(keeping, letters_that_come_while_others_are_written_follow_once)
{
    office.receiver.reply.status = 404;
    open_at_rest();
    office_pass(&office, 2000);
    office_change(&office, "post/1");
    office_pass(&office, 50);
    office.idle_storage = true;
    office_pass(&office, 1000); /* the first is on its way to the storage */
    office_change(&office, "post/2");
    office_pass(&office, 50);
    office.idle_storage = false;
    office_pass(&office, 3000);
    cr_assert(
        eq(str,
           (char *)fixture_sql(&office.fixture, "SELECT group_concat(document) FROM webhook_dead"),
           "post/1,post/2"));
}

/* Without a word to the target each: what cannot be read is given up. */
Test(keeping, letters_that_a_full_disk_takes_none_of_are_bounded_and_told_to_the_log)
{
    enum { ROUNDS = 120 };
    char name[OFFICE_DOCUMENTS][LIMIT_DOCUMENT_NAME_BYTES];
    office.targets.items[0].limits.attempts_max = 1;
    office.targets.items[0].limits.gather_ms = 0;
    office.code = CODE_UNAVAILABLE;
    open_at_rest();
    office_pass(&office, 2000);
    faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, true);
    for (int i = 0; i < OFFICE_DOCUMENTS; i++) {
        (void)snprintf(name[i], sizeof name[i], "post/%0200d", i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < OFFICE_DOCUMENTS; i++) {
            office_change(&office, name[i]);
        }
        office_rest(&office);
    }
    struct webhook_stats stats = office_stats(&office);
    cr_assert(eq(u64, stats.dead, (uint64_t)ROUNDS * OFFICE_DOCUMENTS));
    cr_assert(eq(u64, stats.letters, LIMIT_KEPT_LETTERS));
    faulty_heal();
    office_pass(&office, 3000);
    cr_assert(eq(str, (char *)count_of("webhook_dead"), "1000"));
    uint64_t written =
        strtoull(fixture_sql(&office.fixture, "SELECT max(id) FROM webhook_dead"), NULL, 10);
    cr_assert(gt(u64, written, 1000));
    cr_assert(lt(u64, written, stats.dead));
    office.code = CODE_NONE;
    office_change(&office, name[0]);
    office_pass(&office, 2000);
    cr_assert(eq(sz, office.receiver.length, 1));
    static const char line[] = "warning webhook-dead ";
    size_t dead = 0;
    for (const char *log = office_log(&office); log != NULL; log = strchr(log, '\n')) {
        log += *log == '\n';
        dead += strncmp(log, line, strlen(line)) == 0;
    }
    cr_assert(eq(sz, dead, (size_t)ROUNDS * OFFICE_DOCUMENTS));
}

Test(keeping, letters_beyond_those_that_are_kept_are_not_counted)
{
    char name[32];
    office.targets.items[0].limits.attempts_max = 1;
    office.targets.items[0].limits.gather_ms = 0;
    office.code = CODE_UNAVAILABLE;
    open_at_rest();
    for (int i = 0; i < 1024; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i % OFFICE_DOCUMENTS);
        office_change(&office, name);
        office_rest(&office);
    }
    office_pass(&office, 2000);
    cr_assert(eq(str, (char *)count_of("webhook_dead"), "1000"));
    cr_assert(eq(u64, office_stats(&office).letters, 1000));
}

Test(keeping, a_start_that_cannot_read_tries_again_within_a_minute_and_loses_nothing)
{
    open_at_rest();
    office_pass(&office, 2000);
    cr_assert(office_stop(&office));
    (void)fixture_sql(&office.fixture, "UPDATE webhook_targets SET floor = -1");
    open_at_rest();
    const char *log = office_log(&office);
    cr_assert(strstr(log, "a row of the table webhook_targets is damaged") != NULL, "%s", log);
    office_change(&office, "post/1");
    office_store(&office);
    office_pass(&office, 30000);
    cr_assert(eq(sz, office.receiver.length, 0));
    (void)fixture_sql(&office.fixture, "UPDATE webhook_targets SET floor = 0");
    office_pass(&office, 31000);
    cr_assert(eq(sz, office.receiver.length, 1));
}

Test(keeping, a_hub_that_could_not_read_stops_at_once_and_writes_nothing)
{
    office_open(&office);
    office_pass(&office, 2000);
    cr_assert(office_stop(&office));
    office.idle_storage = true;
    office_open(&office);
    uint64_t before_ms = office.now_ms;
    cr_assert(office_stop(&office));
    cr_assert(le(u64, office.now_ms, before_ms + 100));
    cr_assert(eq(str, (char *)count_of("webhook_targets"), "1"));
}

Test(keeping, a_page_that_cannot_be_read_is_asked_for_again)
{
    char name[32];
    office.targets.items[0].limits.owed_max = 10;
    open_at_rest();
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        office_change(&office, name);
    }
    office_store(&office);
    while (storage_write_some(office.loop.storage)) {
    }
    (void)fixture_sql(&office.fixture, "UPDATE documents SET key = x'ff' WHERE key = '20'");
    office_pass(&office, 2000);
    const char *log = office_log(&office);
    cr_assert(strstr(log, "a row of the table documents is damaged") != NULL, "%s", log);
    (void)fixture_sql(&office.fixture, "UPDATE documents SET key = '20' WHERE key = x'ff'");
    office_pass(&office, 5000);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        cr_assert(ge(sz, office_count(&office, name), 1), "%s was lost", name);
    }
}
