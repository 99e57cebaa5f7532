/*
 * Goal:   a disk that is full or fails, memory that runs out, the death of the process and of the
 *         machine cost a request, never the truth. What is acknowledged is there, what is refused
 *         is not, no document is half stored; and a machine that has healed needs no restart.
 * Method: a script of appends, stores, loads and trims runs on a machine whose n-th write, sync,
 *         read or allocation fails, or is where it dies, for every n until the script gets by
 *         (allocations in ever wider steps). When the power goes, all that was not synced is gone.
 *         The oracle is a list of what was answered. A failure tells n.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/storage/script.h"

enum { SWEEP_MAX = 20000 };

struct plan {
    enum faulty_call call;
    int code;
    bool lasting;
};

static void play_healed(struct script *script)
{
    CHECK(script_append_two(script));
    CHECK(script_store(script, script->tried + 1));
    CHECK(script_load(script));
}

static bool run_stopped(struct script *script, const struct plan *plan, long n)
{
    fixture_open(&script->fixture);
    faulty_fail(plan->call, n, plan->code, plan->lasting);
    script_play(script);
    bool met = faulty_has_failed();
    faulty_heal();
    play_healed(script);
    fixture_close(&script->fixture);
    return met;
}

/* True: the script has met its failure. */
static bool run(const struct plan *plan, long n)
{
    struct script script = {.last = 0};
    script_n = n;
    fixture_init(&script.fixture);
    bool met = run_stopped(&script, plan, n);
    script_check_journal(&script, false);
    fixture_start(&script.fixture);
    CHECK(script_load(&script));
    fixture_finish(&script.fixture);
    return met;
}

/* ThreadSanitizer makes all of it ten times as long: then all steps widen. */
#ifdef __SANITIZE_THREAD__
enum { SLOW = true };
#else
enum { SLOW = false };
#endif

static long after(long n, enum faulty_call call)
{
    return n + (SLOW || call == FAULTY_MEMORY ? 1 + n / 16 : 1);
}

static void sweep(struct plan plan)
{
    long n = 1;
    faulty_install();
    while (n < SWEEP_MAX && run(&plan, n)) {
        n = after(n, plan.call);
    }
    cr_expect(n > 10, "the script met %ld failures only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(faults, a_write_that_fails_once)
{
    sweep((struct plan){FAULTY_WRITE, SQLITE_IOERR_WRITE, false});
}

Test(faults, a_disk_that_is_full) { sweep((struct plan){FAULTY_WRITE, SQLITE_FULL, true}); }

Test(faults, a_sync_that_fails_once)
{
    sweep((struct plan){FAULTY_SYNC, SQLITE_IOERR_FSYNC, false});
}

Test(faults, syncs_that_fail) { sweep((struct plan){FAULTY_SYNC, SQLITE_IOERR_FSYNC, true}); }

Test(faults, a_read_that_fails_once)
{
    sweep((struct plan){FAULTY_READ, SQLITE_IOERR_READ, false});
}

Test(faults, reads_that_fail) { sweep((struct plan){FAULTY_READ, SQLITE_IOERR_READ, true}); }

Test(faults, memory_that_runs_out_once) { sweep((struct plan){FAULTY_MEMORY, 0, false}); }

Test(faults, memory_that_runs_out) { sweep((struct plan){FAULTY_MEMORY, 0, true}); }

/* --- the process dies, or the power goes --- */

static bool die_and_check(enum faulty_call call, long n, bool power)
{
    script_n = n;
    struct script *script = script_share();
    bool met = script_play_and_die(script, call, n);
    if (power) {
        faulty_lose_power(script->fixture.folder);
    }
    script_check_journal(script, true);
    fixture_start(&script->fixture);
    CHECK(script_load(script));
    script_unshare(script);
    return met;
}

static void sweep_deaths(enum faulty_call call, bool power)
{
    long n = 1;
    faulty_install();
    if (power) {
        faulty_keep_synced();
    }
    while (n < SWEEP_MAX && die_and_check(call, n, power)) {
        n = after(n, call);
    }
    cr_expect(n > 20, "the script met %ld calls only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(death, at_any_write_keeps_what_is_acknowledged) { sweep_deaths(FAULTY_WRITE, false); }

Test(death, at_any_sync_keeps_what_is_acknowledged) { sweep_deaths(FAULTY_SYNC, false); }

Test(power, may_go_at_any_write) { sweep_deaths(FAULTY_WRITE, true); }

Test(power, may_go_at_any_sync) { sweep_deaths(FAULTY_SYNC, true); }

static struct journal_id journal_of(const struct fixture *fixture)
{
    struct storage_info info;
    storage_info(fixture->storage, &info);
    return info.journal;
}

static bool same_journal(const struct journal_id *a, const struct journal_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

Test(power, a_clean_stop_is_on_the_disk_even_when_relaxed)
{
    struct script script = {.last = 0};
    faulty_install();
    faulty_keep_synced();
    fixture_init(&script.fixture);
    script.fixture.relaxed = true;
    fixture_open(&script.fixture);
    struct journal_id journal = journal_of(&script.fixture);
    script_play(&script);
    fixture_close(&script.fixture);
    faulty_lose_power(script.fixture.folder);
    (void)fixture_sql(&script.fixture, "UPDATE meta SET value = zeroblob(36) WHERE key = 'boot'");
    script_check_journal(&script, false);
    struct journal_id after = journal_of(&script.fixture);
    cr_expect(same_journal(&journal, &after));
    fixture_finish(&script.fixture);
}

/* The acknowledged batches of a relaxed hub may be gone: then a client that has seen them must find
 * another journal id, even though the last thing on the disk was a clean stop. */
Test(power, what_relaxed_has_lost_shows)
{
    struct storage_info info;
    faulty_install();
    faulty_keep_synced();
    struct script *script = script_share();
    script->fixture.relaxed = true;
    fixture_open(&script->fixture);
    struct journal_id journal = journal_of(&script->fixture);
    fixture_close(&script->fixture);
    (void)script_play_and_die(script, FAULTY_WRITE, 0);
    faulty_lose_power(script->fixture.folder);
    (void)fixture_sql(&script->fixture, "UPDATE meta SET value = zeroblob(36) WHERE key = 'boot'");
    fixture_open(&script->fixture);
    storage_info(script->fixture.storage, &info);
    cr_expect(info.position < script->last, "the machine has lost nothing");
    cr_expect(not(same_journal(&journal, &info.journal)));
    cr_assert(eq(sz, info.ancestor_count, 1));
    cr_expect(same_journal(&journal, &info.ancestors[0].journal));
    cr_expect(eq(u64, info.ancestors[0].position, info.position));
    script_unshare(script);
}

static long syncs_of_an_append(bool relaxed)
{
    struct fixture fixture;
    uint64_t position = 0;
    fixture_init(&fixture);
    fixture.relaxed = relaxed;
    fixture_open(&fixture);
    CHECK(fixture_append(&fixture, fixture_text("a"), &position));
    faulty_heal();
    CHECK(fixture_append(&fixture, fixture_text("b"), &position));
    long syncs = faulty_count(FAULTY_SYNC);
    fixture_finish(&fixture);
    return syncs;
}

Test(power, an_append_waits_for_the_disk_once_and_relaxed_never)
{
    faulty_install();
    cr_expect(eq(long, syncs_of_an_append(false), 1));
    cr_expect(eq(long, syncs_of_an_append(true), 0));
}

/* --- opening --- */

/* True: the failure was met. */
static bool open_on_bad_machine(struct plan plan, long n, bool again)
{
    struct fixture fixture;
    char error[STORAGE_ERROR_BYTES];
    uint64_t position = 0;
    script_n = n;
    fixture_init(&fixture);
    if (again) {
        fixture_open(&fixture);
        CHECK(fixture_append(&fixture, fixture_text("a"), &position));
        fixture_close(&fixture);
    }
    faulty_fail(plan.call, n, plan.code, plan.lasting);
    bool opened = fixture_try_open(&fixture, error);
    bool met = faulty_has_failed();
    CHECK(opened || met);
    script_check(opened || strstr(error, fixture.path) != NULL, error, __FILE__, __LINE__);
    (void)storage_close(fixture.storage);
    fixture.storage = NULL;
    faulty_heal();
    fixture_open(&fixture);
    CHECK(fixture_append(&fixture, fixture_text("b"), &position));
    CHECK(position == (again ? 2 : 1));
    fixture_finish(&fixture);
    return met;
}

static void sweep_open(struct plan plan, bool again)
{
    long n = 1;
    faulty_install();
    while (n < SWEEP_MAX && open_on_bad_machine(plan, n, again)) {
        n += plan.call == FAULTY_MEMORY ? 1 + n / 16 : 1;
    }
    cr_expect(n > 1, "opening met %ld failures only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(faults, a_new_file_on_a_full_disk)
{
    sweep_open((struct plan){FAULTY_WRITE, SQLITE_FULL, true}, false);
}

Test(faults, a_file_on_a_full_disk)
{
    sweep_open((struct plan){FAULTY_WRITE, SQLITE_FULL, true}, true);
}

Test(faults, a_file_on_a_disk_that_cannot_sync)
{
    sweep_open((struct plan){FAULTY_SYNC, SQLITE_IOERR_FSYNC, true}, true);
}

Test(faults, a_file_that_cannot_be_read)
{
    sweep_open((struct plan){FAULTY_READ, SQLITE_IOERR_READ, true}, true);
}

Test(faults, a_file_without_memory) { sweep_open((struct plan){FAULTY_MEMORY, 0, false}, true); }
