/*
 * Goal:   a copy of the file is of one moment, whatever is written while it is made, and loads pass
 *         between its steps.
 * Method: the storage without threads, so that the test says what comes between two steps: appends
 *         and loads. The copy's bytes are put together as a client would, and read by SQLite.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/backup.h"
#include "tests/storage/fixture.h"

enum { BATCHES = 40, BATCH_BYTES = 100000 };

static struct fixture fixture;
static uint64_t requests;

static void init(void)
{
    fixture_init(&fixture);
    char error[STORAGE_ERROR_BYTES];
    REQUIRE(fixture_try_open(&fixture, error));
}

static void finish(void) { fixture_finish(&fixture); }

TestSuite(backup, .init = init, .fini = finish);

static void append(char fill)
{
    static uint8_t batch[BATCH_BYTES];
    struct storage_completion completion;
    memset(batch, fill, sizeof batch);
    REQUIRE(storage_append(fixture.storage, (struct bytes){batch, sizeof batch}, 1));
    REQUIRE(storage_write_some(fixture.storage));
    REQUIRE(storage_poll(fixture.storage, &completion) && completion.kind == STORAGE_APPENDED);
    storage_completion_finish(&completion);
}

static uint64_t ask(const struct row_request *request)
{
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    struct writer writer = writer_to(&bytes);
    row_request_write(&writer, request);
    REQUIRE(storage_load(fixture.storage, ++requests, buffer_bytes(&bytes)));
    buffer_finish(&bytes);
    return requests;
}

/* Runs turns of the reader until the request is answered. */
static struct storage_completion answer(uint64_t request, void (*between)(void))
{
    struct storage_completion completion;
    for (;;) {
        REQUIRE(storage_read_one(fixture.storage));
        if (storage_poll(fixture.storage, &completion)) {
            REQUIRE(completion.request == request);
            return completion;
        }
        between();
    }
}

static void nothing(void) {}

static unsigned steps;

static void write_more(void)
{
    append('y');
    steps++;
}

static struct row copy_row(const struct storage_completion *completion)
{
    struct row row;
    struct reader reader = reader_of(completion->bytes);
    cr_assert(eq(int, completion->kind, STORAGE_LOADED), "%s", completion->text);
    cr_assert(row_read(&reader, &row) && row.kind == ROW_COPY);
    return row;
}

static void begin(void (*between)(void), uint64_t *position, uint64_t *bytes)
{
    uint64_t request = ask(&(struct row_request){.kind = ROWS_COPY_BEGIN});
    struct storage_completion completion = answer(request, between);
    struct row row = copy_row(&completion);
    *position = row.position;
    *bytes = row.index;
    storage_completion_finish(&completion);
}

static void fetch(const char *path, uint64_t bytes)
{
    FILE *file = fopen(path, "we");
    uint64_t got = 0;
    while (got < bytes) {
        struct storage_completion completion =
            answer(ask(&(struct row_request){
                       .kind = ROWS_COPY_PIECE, .before = got, .limit = BACKUP_PIECE_BYTES}),
                   nothing);
        struct row row = copy_row(&completion);
        REQUIRE(row.detail.length > 0 && row.detail.length <= bytes - got);
        REQUIRE(fwrite(row.detail.data, 1, row.detail.length, file) == row.detail.length);
        got += row.detail.length;
        storage_completion_finish(&completion);
    }
    REQUIRE(fclose(file) == 0);
}

Test(backup, is_of_the_moment_in_which_it_began)
{
    uint64_t position;
    uint64_t bytes;
    for (int i = 0; i < BATCHES; i++) {
        append('x');
    }
    begin(write_more, &position, &bytes);
    cr_assert(gt(uint, steps, 2), "others came between the steps");
    cr_expect(eq(u64, position, BATCHES));
    struct fixture copy = fixture;
    (void)snprintf(copy.path, sizeof copy.path, "%s/copy", fixture.folder);
    fetch(copy.path, bytes);
    cr_expect(eq(str, (char *)(uintptr_t)fixture_sql(&copy, "PRAGMA integrity_check"), "ok"));
    cr_expect(eq(str, (char *)(uintptr_t)fixture_sql(&copy, "SELECT count(*) FROM journal"), "40"));
    cr_expect(eq(str, (char *)(uintptr_t)fixture_sql(&copy, "PRAGMA journal_mode"), "delete"));
}

static unsigned loads;

static void load_passes(void)
{
    struct storage_completion completion;
    uint64_t request =
        ask(&(struct row_request){.kind = ROWS_DOCUMENT, .name = fixture_text("post/1")});
    REQUIRE(storage_read_one(fixture.storage)); /* a step of the copy, or the load */
    if (!storage_poll(fixture.storage, &completion)) {
        REQUIRE(storage_read_one(fixture.storage));
        REQUIRE(storage_poll(fixture.storage, &completion));
    }
    REQUIRE(completion.request == request && completion.kind == STORAGE_LOADED);
    storage_completion_finish(&completion);
    loads++;
}

Test(backup, lets_loads_pass)
{
    uint64_t position;
    uint64_t bytes;
    for (int i = 0; i < 8 * BATCHES; i++) {
        append('x');
    }
    begin(load_passes, &position, &bytes);
    cr_expect(gt(uint, loads, 2));
}

static void check_refused(const struct row_request *request)
{
    struct storage_completion completion = answer(ask(request), nothing);
    cr_expect(eq(int, completion.kind, STORAGE_LOAD_FAILED));
    cr_expect(strstr(completion.text, fixture.path) != NULL, "%s", completion.text);
    storage_completion_finish(&completion);
}

Test(backup, is_gone_when_it_is_given_back)
{
    uint64_t position;
    uint64_t bytes;
    append('x');
    check_refused(&(struct row_request){.kind = ROWS_COPY_PIECE, .limit = 1});
    begin(nothing, &position, &bytes);
    struct storage_completion completion =
        answer(ask(&(struct row_request){.kind = ROWS_COPY_END}), nothing);
    storage_completion_finish(&completion);
    check_refused(&(struct row_request){.kind = ROWS_COPY_PIECE, .limit = 1});
}

Test(backup, has_no_bytes_behind_its_end)
{
    uint64_t position;
    uint64_t bytes;
    append('x');
    begin(nothing, &position, &bytes);
    check_refused(&(struct row_request){.kind = ROWS_COPY_PIECE, .before = bytes + 1, .limit = 1});
}
