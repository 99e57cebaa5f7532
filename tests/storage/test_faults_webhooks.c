/*
 * Goal:   what targets were told is kept as a whole or not at all: of a keep that a full or failing
 *         disk, or memory, does not take nothing is there, and it is said so; one that is
 *         acknowledged is there after the next start. A load is whole, or refused with a reason.
 * Method: the n-th write, sync, read or allocation fails, once or with all behind it, while rows
 *         that carry one number are kept and loaded, for every n until nothing fails any more. The
 *         oracle is the number that was acknowledged last. A failure tells n.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/storage/script.h"

enum { SWEEP_MAX = 20000, ROUNDS = 3 };

struct plan {
    enum faulty_call call;
    int code;
    bool lasting;
};

static void open_webhooks(struct fixture *fixture)
{
    char error[STORAGE_ERROR_BYTES];
    bool opened =
        fixture_try_open(fixture, error) && storage_open_webhooks(fixture->storage, error);
    script_check(opened, error, __FILE__, __LINE__);
    fixture_start(fixture);
}

/* A target, what waits for it, and a letter, all with this number. */
static bool keep(struct fixture *fixture, uint64_t number)
{
    struct buffer buffer;
    struct storage_completion done;
    const struct row rows[] = {
        {.kind = ROW_TARGET,
         .name = fixture_text("orders"),
         .key = fixture_text("0123456789abcdef"),
         .position = number},
        {.kind = ROW_DELIVERED},
        {.kind = ROW_WAITING, .name = fixture_text("post/1"), .position = number},
        {.kind = ROW_WAITING, .name = fixture_text("post/2"), .position = number},
        {.kind = ROW_LETTER, .name = fixture_text("post/3"), .position = number, .text = {0}}};
    buffer_init(&buffer, 4096);
    struct writer writer = writer_to(&buffer);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        row_write(&writer, &rows[i]);
    }
    CHECK(writer.status == PROTOCOL_OK && storage_keep(fixture->storage, buffer_bytes(&buffer)));
    buffer_finish(&buffer);
    fixture_wait(fixture, &done);
    bool kept = done.kind == STORAGE_KEPT;
    CHECK(kept || (done.kind == STORAGE_KEEP_FAILED && strstr(done.text, fixture->path) != NULL));
    storage_completion_finish(&done);
    return kept;
}

/* False: it was refused, with a reason. `number` 0: there is nothing. */
static bool load(struct fixture *fixture, uint64_t number)
{
    uint8_t data[64];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    struct storage_completion done;
    struct row row;
    int rows = 0;
    row_request_write(&writer, &(struct row_request){.kind = ROWS_TARGETS, .limit = 1});
    CHECK(writer.status == PROTOCOL_OK && storage_load(fixture->storage, 1, buffer_bytes(&buffer)));
    fixture_wait(fixture, &done);
    bool loaded = done.kind == STORAGE_LOADED;
    CHECK(loaded || (done.kind == STORAGE_LOAD_FAILED && strstr(done.text, fixture->path) != NULL));
    struct reader reader = reader_of(done.bytes);
    for (; loaded && row_read(&reader, &row); rows++) {
        CHECK(row.position == number);
        CHECK(row.kind == (rows == 0 ? ROW_TARGET : ROW_WAITING));
        CHECK(rows > 0 || row.next_index == number); /* letters: one with each that was kept */
    }
    CHECK(!loaded || rows == (number == 0 ? 0 : 3));
    storage_completion_finish(&done);
    return loaded;
}

/* True: the failure was met. */
static bool run(const struct plan *plan, long n)
{
    struct fixture fixture;
    uint64_t kept = 0;
    script_n = n;
    fixture_init(&fixture);
    open_webhooks(&fixture);
    faulty_fail(plan->call, n, plan->code, plan->lasting);
    for (int i = 0; i < ROUNDS; i++) {
        kept += keep(&fixture, kept + 1);
        (void)load(&fixture, kept);
    }
    bool met = faulty_has_failed();
    faulty_heal();
    CHECK(load(&fixture, kept));
    kept += keep(&fixture, kept + 1);
    CHECK(kept > (met ? 0 : ROUNDS));
    (void)storage_close(fixture.storage);
    open_webhooks(&fixture);
    CHECK(load(&fixture, kept));
    fixture_finish(&fixture);
    return met;
}

static void sweep(struct plan plan)
{
    long n = 1;
    faulty_install();
    while (n < SWEEP_MAX && run(&plan, n)) {
        n += plan.call == FAULTY_MEMORY ? 1 + n / 4 : 1;
    }
    cr_expect(n > (plan.call == FAULTY_READ ? 1 : 3), "it met %ld failures only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(kept, a_write_that_fails_once)
{
    sweep((struct plan){FAULTY_WRITE, SQLITE_IOERR_WRITE, false});
}

Test(kept, a_disk_that_is_full) { sweep((struct plan){FAULTY_WRITE, SQLITE_FULL, true}); }

Test(kept, a_sync_that_fails_once) { sweep((struct plan){FAULTY_SYNC, SQLITE_IOERR_FSYNC, false}); }

Test(kept, syncs_that_fail) { sweep((struct plan){FAULTY_SYNC, SQLITE_IOERR_FSYNC, true}); }

Test(kept, a_read_that_fails_once) { sweep((struct plan){FAULTY_READ, SQLITE_IOERR_READ, false}); }

Test(kept, reads_that_fail) { sweep((struct plan){FAULTY_READ, SQLITE_IOERR_READ, true}); }

Test(kept, memory_that_runs_out_once) { sweep((struct plan){FAULTY_MEMORY, 0, false}); }

Test(kept, memory_that_runs_out) { sweep((struct plan){FAULTY_MEMORY, 0, true}); }

static bool open_on_bad_machine(struct plan plan, long n)
{
    struct fixture fixture;
    char error[STORAGE_ERROR_BYTES];
    script_n = n;
    fixture_init(&fixture);
    script_check(fixture_try_open(&fixture, error), error, __FILE__, __LINE__);
    faulty_fail(plan.call, n, plan.code, plan.lasting);
    bool opened = storage_open_webhooks(fixture.storage, error);
    bool met = faulty_has_failed();
    CHECK(opened || (met && strstr(error, fixture.path) != NULL));
    (void)storage_close(fixture.storage);
    faulty_heal();
    open_webhooks(&fixture);
    CHECK(keep(&fixture, 1));
    CHECK(load(&fixture, 1));
    fixture_finish(&fixture);
    return met;
}

static void sweep_open(struct plan plan)
{
    long n = 1;
    faulty_install();
    while (n < SWEEP_MAX && open_on_bad_machine(plan, n)) {
        n += plan.call == FAULTY_MEMORY ? 1 + n / 4 : 1;
    }
    cr_expect(n > 1, "opening met %ld failures only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(kept, tables_made_on_a_full_disk)
{
    sweep_open((struct plan){FAULTY_WRITE, SQLITE_FULL, true});
}

Test(kept, tables_made_without_memory) { sweep_open((struct plan){FAULTY_MEMORY, 0, false}); }
