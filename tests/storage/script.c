#include "tests/storage/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 6, ENTRIES = 40 };

long script_n;

void script_check(bool good, const char *what, const char *file, int line)
{
    if (!good) {
        (void)fprintf(stderr, "with n=%ld\n", script_n);
    }
    fixture_require(good, what, file, line);
}

/* --- requests --- */

static void note(struct script *script, int number, uint64_t position)
{
    CHECK(position > script->last && position < SCRIPT_POSITIONS);
    script->last = position;
    script->appended[position] = true;
    script->batches[position] = number;
}

/* Two that wait together, so that a commit may have more than one. */
bool script_append_two(struct script *script)
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
bool script_store(struct script *script, uint64_t position)
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

bool script_load(struct script *script)
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
    CHECK(position < SCRIPT_POSITIONS);
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

bool script_replay(struct script *script, bool killed, char error[STORAGE_ERROR_BYTES])
{
    if (!fixture_try_open(&script->fixture, error) ||
        !storage_replay(script->fixture.storage, killed ? check_batch_after_kill : check_batch,
                        script, error)) {
        return false;
    }
    for (uint64_t position = script->trimmed + 1; position < SCRIPT_POSITIONS; position++) {
        CHECK(!script->appended[position]); /* acknowledged, and not there */
    }
    return true;
}

void script_check_journal(struct script *script, bool killed)
{
    char error[STORAGE_ERROR_BYTES];
    bool replayed = script_replay(script, killed, error);
    script_check(replayed, error, __FILE__, __LINE__);
}

/* --- the script --- */

void script_play(struct script *script)
{
    for (int round = 1; round <= ROUNDS; round++) {
        (void)script_append_two(script);
        (void)script_store(script, script->tried + 1);
        (void)script_load(script);
        if (round % 2 == 0 && script->last > 1) {
            script->trimmed = script->last - 1;
            storage_trim(script->fixture.storage, script->trimmed);
        }
    }
}

struct script *script_share(void)
{
    struct script *script =
        mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(script != MAP_FAILED);
    fixture_init(&script->fixture);
    return script;
}

void script_unshare(struct script *script)
{
    fixture_finish(&script->fixture);
    CHECK(munmap(script, sizeof *script) == 0);
}

bool script_play_and_die(struct script *script, enum faulty_call call, long n)
{
    int status = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        faulty_fail(call, n, FAULTY_DIE, false);
        fixture_open(&script->fixture);
        script_play(script);
        fixture_close(&script->fixture);
        fixture_open(&script->fixture);
        script_play(script);
        faulty_die(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULTY_STATUS);
    script->fixture.storage = NULL;
    return WEXITSTATUS(status) == FAULTY_STATUS;
}
