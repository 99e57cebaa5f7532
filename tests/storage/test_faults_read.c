/*
 * Goal:   a disk that cannot be read, or gives less than it was asked for, costs a start or a
 *         request, with a reason that names the file. What is answered is whole: a batch, a
 *         document or a name is never left out. And a file that was opened on such a disk is as
 *         good as before when the disk has healed.
 * Method: a process leaves a file with a log behind, as a crash does. Then the n-th read fails,
 *         once or with all after it, or the n-th of the log is cut in half, for every n until the
 *         opening, the replay, the load and the browsing get by. The oracle is what the dead
 *         process was told.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/storage/script.h"

enum { SWEEP_MAX = 20000, REQUEST_BYTES = 512 };

struct plan {
    int code;
    bool lasting;
};

/* How many rows of a kind the answer has; false: it was refused, with a reason. */
static bool count(struct script *script, const struct row_request *request, enum row_kind kind,
                  int *rows)
{
    uint8_t data[REQUEST_BYTES];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    struct storage_completion completion;
    struct row row;
    row_request_write(&writer, request);
    CHECK(writer.status == PROTOCOL_OK);
    CHECK(storage_load(script->fixture.storage, 1, buffer_bytes(&buffer)));
    fixture_wait(&script->fixture, &completion);
    bool loaded = completion.kind == STORAGE_LOADED;
    CHECK(loaded || strstr(completion.text, script->fixture.path) != NULL);
    struct reader reader = reader_of(completion.bytes);
    *rows = 0;
    while (loaded && row_read(&reader, &row)) {
        *rows += row.kind == kind ? 1 : 0;
    }
    storage_completion_finish(&completion);
    return loaded;
}

/* What an operator asks. */
static void browse(struct script *script)
{
    const struct row_request requests[] = {
        {.kind = ROWS_NAMES, .limit = 10},
        {.kind = ROWS_REJECTED, .limit = 10},
        {.kind = ROWS_WRITERS, .name = fixture_text("post/1"), .limit = 10},
        {.kind = ROWS_SILENT, .silent_before_ms = 1},
    };
    const enum row_kind kinds[] = {ROW_DOCUMENT, ROW_REJECTED, ROW_DOCUMENT, ROW_SILENT};
    const int expected[] = {1, 0, 1, 0};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int rows = 0;
        CHECK(!count(script, &requests[i], kinds[i], &rows) || rows == expected[i]);
    }
}

static void read_all(struct script *script)
{
    char error[STORAGE_ERROR_BYTES];
    struct script before = *script;
    if (script_replay(script, true, error)) {
        fixture_start(&script->fixture);
        (void)script_load(script);
        browse(script);
    } else {
        CHECK(faulty_has_failed());
        script_check(strstr(error, script->fixture.path) != NULL, error, __FILE__, __LINE__);
    }
    (void)storage_close(script->fixture.storage);
    script->fixture.storage = NULL;
    memcpy(script->appended, before.appended, sizeof before.appended);
}

/* True: the failure was met. */
static bool read_on_bad_machine(struct plan plan, long n)
{
    script_n = n;
    struct script *script = script_share();
    (void)script_play_and_die(script, FAULTY_READ, 0);
    faulty_fail(FAULTY_READ, n, plan.code, plan.lasting);
    read_all(script);
    bool met = faulty_has_failed();
    faulty_heal();
    script_check_journal(script, true);
    fixture_start(&script->fixture);
    CHECK(script_load(script));
    script_unshare(script);
    return met;
}

static void sweep(struct plan plan)
{
    long n = 1;
    faulty_install();
    while (n < SWEEP_MAX && read_on_bad_machine(plan, n)) {
        n++;
    }
    cr_expect(n > 10, "the start met %ld reads only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(reads, that_fail_once) { sweep((struct plan){SQLITE_IOERR_READ, false}); }

Test(reads, that_fail) { sweep((struct plan){SQLITE_IOERR_READ, true}); }

Test(reads, of_the_log_that_are_cut_in_half_once)
{
    sweep((struct plan){SQLITE_IOERR_SHORT_READ, false});
}

Test(reads, of_the_log_that_are_cut_in_half)
{
    sweep((struct plan){SQLITE_IOERR_SHORT_READ, true});
}
