/*
 * Goal:   the storage's threads and its caller share nothing without a lock.
 * Method: appends, stores, loads and trims at once, as fast as completions come, over several
 *         openings; ThreadSanitizer watches (preset tsan), and each request has its answer. A plain
 *         program, since Criterion cannot start under ThreadSanitizer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/storage/fixture.h"

enum { OPENINGS = 3, ROUNDS = 300, IN_FLIGHT = 4 };

struct counts {
    size_t asked;
    size_t answered;
};

static void ask_append(struct fixture *fixture, uint64_t number)
{
    struct bytes batch = {(const uint8_t *)&number, sizeof number};
    REQUIRE(storage_append(fixture->storage, batch, number));
}

static void ask_store(struct fixture *fixture, uint64_t number)
{
    uint8_t data[256];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct row rows[] = {
        {.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = number},
        {.kind = ROW_ENTRY, .position = number, .detail = fixture_text("detail")},
    };
    fixture_write_rows(&buffer, rows, 2);
    REQUIRE(storage_store(fixture->storage, buffer_bytes(&buffer)));
}

static void ask_load(struct fixture *fixture, uint64_t number)
{
    uint8_t data[64];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    struct row_request request = {.name = fixture_text("post/1"), .document = true};
    row_request_write(&writer, &request);
    REQUIRE(storage_load(fixture->storage, number, buffer_bytes(&buffer)));
}

/* Reads what a thread has written, so that a missing lock shows. */
static void take(struct fixture *fixture, struct counts *counts)
{
    struct storage_completion completion;
    fixture_wait(fixture, &completion);
    REQUIRE(completion.kind == STORAGE_APPENDED || completion.kind == STORAGE_STORED ||
            completion.kind == STORAGE_LOADED);
    if (completion.kind == STORAGE_APPENDED && completion.position % 16 == 0) {
        storage_trim(fixture->storage, completion.position);
    }
    struct reader reader = reader_of(completion.bytes);
    struct row row;
    while (row_read(&reader, &row)) {
    }
    REQUIRE(reader_ok(&reader));
    storage_completion_finish(&completion);
    counts->answered++;
}

static void work(struct fixture *fixture)
{
    struct counts counts = {0};
    for (uint64_t number = 1; number <= ROUNDS; number++) {
        ask_append(fixture, number);
        ask_store(fixture, number);
        ask_load(fixture, number);
        counts.asked += 3;
        while (counts.asked - counts.answered > 3 * IN_FLIGHT) {
            take(fixture, &counts);
        }
    }
    while (counts.answered < counts.asked) {
        take(fixture, &counts);
    }
}

int main(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.relaxed = true; /* more turns in the same time */
    for (int i = 0; i < OPENINGS; i++) {
        fixture_open(&fixture);
        work(&fixture);
        ask_append(&fixture, 1); /* closing finishes what is under way */
        ask_store(&fixture, 1);
        ask_load(&fixture, 1);
        fixture_close(&fixture);
    }
    fixture_finish(&fixture);
    (void)printf("no race seen\n");
    return 0;
}
