/*
 * Goal:   a disk that is full or fails, memory that runs out, the death of the process and of the
 *         machine cost a request, never the truth. What is acknowledged is there, what is refused
 *         is not, no document is half stored; and a machine that has healed needs no restart.
 * Method: a script of appends, stores, loads and trims runs on a machine whose n-th write, sync or
 *         allocation fails, or is where it dies, for every n until the script gets by (allocations
 *         in ever wider steps). When the power goes, all that was not synced is gone. The oracle is
 *         a list of what was answered. A failure tells n.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/faulty_sqlite.h"
#include "tests/storage/fixture.h"

enum { ROUNDS = 6, POSITIONS_MAX = 64, SWEEP_MAX = 20000, ENTRIES = 40 };

struct plan {
    enum faulty_call call;
    int code;
    bool lasting;
};

/* The n of the run, for the message. */
static long running;

#define CHECK(good) check((good), #good, __LINE__)
static void check(bool good, const char *what, int line)
{
    if (!good) {
        (void)fprintf(stderr, "with n=%ld\n", running);
    }
    fixture_require(good, what, __FILE__, line);
}

/* What was asked and answered. */
struct script {
    struct fixture fixture;
    bool appended[POSITIONS_MAX]; /* by position */
    int batches[POSITIONS_MAX];
    int next_batch;
    uint64_t last;
    uint64_t trimmed;
    uint64_t stored; /* position of the document's last store that was acknowledged; 0: none */
    uint64_t tried;  /* and of the last one that was asked */
};

/* --- requests --- */

static void note(struct script *script, int number, uint64_t position)
{
    CHECK(position > script->last && position < POSITIONS_MAX);
    script->last = position;
    script->appended[position] = true;
    script->batches[position] = number;
}

/* Two that wait together, so that a commit may have more than one. */
static bool append_two(struct script *script)
{
    bool good = true;
    char batch[16];
    int first = script->next_batch;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(batch, sizeof batch, "batch %d", script->next_batch++);
        CHECK(storage_append(script->fixture.storage, fixture_text(batch), 1));
    }
    for (int i = 0; i < 2; i++) {
        struct storage_completion done;
        fixture_wait(&script->fixture, &done);
        CHECK(done.kind == STORAGE_APPENDED || done.kind == STORAGE_APPEND_FAILED);
        CHECK(done.kind == STORAGE_APPENDED || done.text[0] != '\0');
        if (done.kind == STORAGE_APPENDED) {
            note(script, first + i, done.position);
        }
        good = good && done.kind == STORAGE_APPENDED;
    }
    return good;
}

/* The document and all its entries carry one position, so that a mixture shows. */
static bool store(struct script *script, uint64_t position)
{
    static uint8_t data[64 << 10];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    struct row document = {
        .kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = position};
    row_write(&writer, &document);
    for (int i = 0; i < ENTRIES; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%0*d", i % 12 + 3, i);
        struct row entry = {.kind = ROW_ENTRY,
                            .field = 2,
                            .key = fixture_text(key),
                            .position = position,
                            .shown = fixture_text("\"x\""),
                            .detail = fixture_text("dots")};
        row_write(&writer, &entry);
    }
    CHECK(writer.status == PROTOCOL_OK);
    script->tried = position;
    if (!fixture_store(&script->fixture, buffer_bytes(&buffer))) {
        return false;
    }
    script->stored = position;
    return true;
}

/* --- the checks --- */

static void check_rows(const struct script *script, struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    struct row row;
    uint64_t position = 0;
    int entries = 0;
    while (row_read(&reader, &row)) {
        position = row.kind == ROW_DOCUMENT ? row.position : position;
        CHECK(row.kind == ROW_DOCUMENT || row.kind == ROW_ENTRY);
        CHECK(row.position == position);
        entries += row.kind == ROW_ENTRY ? 1 : 0;
    }
    CHECK(reader_ok(&reader));
    CHECK(position >= script->stored && position <= script->tried);
    CHECK(entries == (position == 0 ? 0 : ENTRIES));
}

static bool load(struct script *script)
{
    struct bytes rows;
    char text[STORAGE_ERROR_BYTES];
    bool loaded = fixture_load(&script->fixture, "post/1", &rows, text);
    CHECK(loaded || text[0] != '\0');
    if (loaded) {
        check_rows(script, rows);
        free((void *)(uintptr_t)rows.data);
    }
    return loaded;
}

static int check_batch(void *context, uint64_t position, struct bytes batch)
{
    struct script *script = context;
    char expected[16];
    CHECK(position < POSITIONS_MAX);
    CHECK(script->appended[position]);
    (void)snprintf(expected, sizeof expected, "batch %d", script->batches[position]);
    CHECK(batch.length == strlen(expected));
    CHECK(memcmp(batch.data, expected, batch.length) == 0);
    script->appended[position] = false; /* seen */
    return 0;
}

/* A process that was killed may have left a batch that it had not answered for yet, as the last. */
static int check_batch_after_kill(void *context, uint64_t position, struct bytes batch)
{
    struct script *script = context;
    return position > script->last ? 0 : check_batch(context, position, batch);
}

static void check_journal(struct script *script, bool killed)
{
    char error[STORAGE_ERROR_BYTES];
    bool opened = fixture_try_open(&script->fixture, error);
    check(opened, error, __LINE__);
    bool replayed = storage_replay(script->fixture.storage,
                                   killed ? check_batch_after_kill : check_batch, script, error);
    check(replayed, error, __LINE__);
    for (uint64_t position = script->trimmed + 1; position < POSITIONS_MAX; position++) {
        CHECK(!script->appended[position]); /* acknowledged, and not there */
    }
}

/* --- the script --- */

static void play(struct script *script)
{
    for (int round = 1; round <= ROUNDS; round++) {
        (void)append_two(script);
        (void)store(script, script->tried + 1);
        (void)load(script);
        if (round % 2 == 0 && script->last > 1) {
            script->trimmed = script->last - 1;
            storage_trim(script->fixture.storage, script->trimmed);
        }
    }
}

static void play_healed(struct script *script)
{
    CHECK(append_two(script));
    CHECK(store(script, script->tried + 1));
    CHECK(load(script));
}

static bool run_stopped(struct script *script, const struct plan *plan, long n)
{
    fixture_open(&script->fixture);
    faulty_fail(plan->call, n, plan->code, plan->lasting);
    play(script);
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
    running = n;
    fixture_init(&script.fixture);
    bool met = run_stopped(&script, plan, n);
    check_journal(&script, false);
    fixture_start(&script.fixture);
    CHECK(load(&script));
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

Test(faults, memory_that_runs_out_once) { sweep((struct plan){FAULTY_MEMORY, 0, false}); }

Test(faults, memory_that_runs_out) { sweep((struct plan){FAULTY_MEMORY, 0, true}); }

/* --- the process dies, or the power goes --- */

/* In memory that the processes share, so that what the dead one was told is known. */
static struct script *share_script(void)
{
    struct script *script =
        mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(script != MAP_FAILED);
    fixture_init(&script->fixture);
    return script;
}

static void unshare_script(struct script *script)
{
    fixture_finish(&script->fixture);
    CHECK(munmap(script, sizeof *script) == 0);
}

/* Two sessions with a stop in between, so that death may come while the log is moved into the file;
 * then death, if it has not come before. True: it has come before. */
static bool play_and_die(struct script *script, enum faulty_call call, long n)
{
    int status = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        faulty_fail(call, n, FAULTY_DIE, false);
        fixture_open(&script->fixture);
        play(script);
        fixture_close(&script->fixture);
        fixture_open(&script->fixture);
        play(script);
        faulty_die(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULTY_STATUS);
    script->fixture.storage = NULL;
    return WEXITSTATUS(status) == FAULTY_STATUS;
}

static bool die_and_check(enum faulty_call call, long n, bool power)
{
    running = n;
    struct script *script = share_script();
    bool met = play_and_die(script, call, n);
    if (power) {
        faulty_lose_power(script->fixture.folder);
    }
    check_journal(script, true);
    fixture_start(&script->fixture);
    CHECK(load(script));
    unshare_script(script);
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
    play(&script);
    fixture_close(&script.fixture);
    faulty_lose_power(script.fixture.folder);
    (void)fixture_sql(&script.fixture, "UPDATE meta SET value = zeroblob(36) WHERE key = 'boot'");
    check_journal(&script, false);
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
    struct script *script = share_script();
    script->fixture.relaxed = true;
    fixture_open(&script->fixture);
    struct journal_id journal = journal_of(&script->fixture);
    fixture_close(&script->fixture);
    (void)play_and_die(script, FAULTY_WRITE, 0);
    faulty_lose_power(script->fixture.folder);
    (void)fixture_sql(&script->fixture, "UPDATE meta SET value = zeroblob(36) WHERE key = 'boot'");
    fixture_open(&script->fixture);
    storage_info(script->fixture.storage, &info);
    cr_expect(info.position < script->last, "the machine has lost nothing");
    cr_expect(not(same_journal(&journal, &info.journal)));
    cr_assert(eq(sz, info.ancestor_count, 1));
    cr_expect(same_journal(&journal, &info.ancestors[0].journal));
    cr_expect(eq(u64, info.ancestors[0].position, info.position));
    unshare_script(script);
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
    running = n;
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
    check(opened || strstr(error, fixture.path) != NULL, error, __LINE__);
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

Test(faults, a_file_without_memory) { sweep_open((struct plan){FAULTY_MEMORY, 0, false}, true); }
