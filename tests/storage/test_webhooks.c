/*
 * Goal:   what the targets of webhooks were told is kept, bounded, and found again.
 * Method: rows through the storage's threads, and what SQL sees of them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/limits.h"
#include "server/storage/webhooks.h"
#include "tests/storage/fixture.h"

static struct fixture fixture;
static struct storage_completion completion;

static void start(void)
{
    char error[STORAGE_ERROR_BYTES];
    fixture_init(&fixture);
    REQUIRE(fixture_try_open(&fixture, error));
    REQUIRE(storage_open_webhooks(fixture.storage, error));
    fixture_start(&fixture);
}

static void finish(void)
{
    storage_completion_finish(&completion);
    fixture_finish(&fixture);
}

TestSuite(webhooks, .init = start, .fini = finish);

static struct bytes text_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static enum storage_completion_kind keep(const struct row *rows, size_t length)
{
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX / 2);
    fixture_write_rows(&buffer, rows, length);
    REQUIRE(storage_keep(fixture.storage, buffer_bytes(&buffer)));
    buffer_finish(&buffer);
    storage_completion_finish(&completion);
    fixture_wait(&fixture, &completion);
    return completion.kind;
}

/* The answer's rows; borrowed until the next. */
static struct reader load(const struct row_request *request)
{
    fixture_ask(&fixture, request, &completion);
    return reader_of(completion.bytes);
}

static struct row target(void)
{
    return (struct row){.kind = ROW_TARGET,
                        .name = text_of("orders"),
                        .key = text_of("0123456789abcdef"),
                        .position = 7,
                        .index = UINT64_MAX,
                        .horizon = 5,
                        .paused = true};
}

Test(webhooks, targets_and_what_waits_for_them_come_back)
{
    struct row rows[] = {
        target(),
        {.kind = ROW_WAITING, .name = text_of("post/1"), .position = 3, .seq = 2, .at_ms = 99},
        {.kind = ROW_WAITING, .name = text_of("post/2"), .position = 4}};
    cr_assert(eq(int, keep(rows, 3), STORAGE_KEPT));
    struct row gone[] = {target(), {.kind = ROW_DELIVERED, .name = text_of("post/2")}};
    cr_assert(eq(int, keep(gone, 2), STORAGE_KEPT));
    struct reader reader = load(&(struct row_request){.kind = ROWS_TARGETS});
    struct row row;
    cr_assert(row_read(&reader, &row));
    cr_assert(eq(int, row.kind, ROW_TARGET));
    cr_assert(bytes_equal(row.name, text_of("orders")));
    cr_assert(bytes_equal(row.key, text_of("0123456789abcdef")));
    cr_assert(eq(u64, row.position, 7));
    cr_assert(eq(u64, row.index, UINT64_MAX));
    cr_assert(eq(u64, row.horizon, 5));
    cr_assert(row.paused);
    cr_assert(row_read(&reader, &row));
    cr_assert(bytes_equal(row.name, text_of("post/1")));
    cr_assert(eq(u64, row.position, 3));
    cr_assert(eq(u64, row.seq, 2));
    cr_assert(eq(u64, row.at_ms, 99));
    cr_assert(not(row_read(&reader, &row)));
    struct row all[] = {target(), {.kind = ROW_DELIVERED}};
    cr_assert(eq(int, keep(all, 2), STORAGE_KEPT));
    cr_assert(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM webhook_waiting"), "0"));
}

Test(webhooks, rows_of_nobody_are_refused_and_nothing_is_written)
{
    struct row rows[] = {{.kind = ROW_WAITING, .name = text_of("post/1")}};
    cr_assert(eq(int, keep(rows, 1), STORAGE_KEEP_FAILED));
    struct row mixed[] = {target(), {.kind = ROW_DOCUMENT, .name = text_of("post/1")}};
    cr_assert(eq(int, keep(mixed, 2), STORAGE_KEEP_FAILED));
    cr_assert(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM webhook_targets"), "0"));
}

Test(webhooks, dead_letters_are_bounded_listed_and_taken_out)
{
    struct row rows[LIMIT_KEPT_LETTERS + 3] = {target()};
    for (size_t i = 1; i < LIMIT_KEPT_LETTERS + 3; i++) {
        rows[i] = (struct row){.kind = ROW_LETTER,
                               .name = text_of("post/1"),
                               .horizon = i,
                               .position = i + 1,
                               .field = 404,
                               .text = text_of("Not Found")};
    }
    cr_assert(eq(int, keep(rows, LIMIT_KEPT_LETTERS + 3), STORAGE_KEPT));
    cr_assert(eq(str,
                 (char *)fixture_sql(&fixture, "SELECT count(*) || ' ' || min(id) FROM "
                                               "webhook_dead"),
                 "1000 3"));
    struct row_request request = {
        .kind = ROWS_LETTERS, .search = text_of("orders"), .before = 1002, .limit = 2};
    struct reader reader = load(&request);
    struct row row;
    cr_assert(row_read(&reader, &row));
    cr_assert(eq(u64, row.index, 1001));
    cr_assert(eq(u64, row.horizon, 1001));
    cr_assert(eq(u32, row.field, 404));
    cr_assert(row_read(&reader, &row));
    cr_assert(eq(u64, row.index, 1000));
    cr_assert(not(row_read(&reader, &row)));
    struct row resent[] = {target(), {.kind = ROW_RESENT, .index = 1001}};
    cr_assert(eq(int, keep(resent, 2), STORAGE_KEPT));
    reader = load(&(struct row_request){.kind = ROWS_TARGETS});
    cr_assert(row_read(&reader, &row));
    cr_assert(eq(u64, row.next_index, 999));
}

static void store_document(struct writer *writer, const char *name, uint64_t position)
{
    row_write(writer,
              &(struct row){.kind = ROW_DOCUMENT, .name = text_of(name), .position = position});
}

static void expect_changed(struct reader *reader, const char *name, uint64_t position)
{
    struct row row;
    cr_assert(row_read(reader, &row));
    cr_assert(eq(int, row.kind, ROW_DOCUMENT));
    cr_assert(bytes_equal(row.name, text_of(name)), "%s", name);
    cr_assert(eq(u64, row.position, position));
}

Test(webhooks, documents_are_found_by_position_page_by_page)
{
    uint8_t key[16] = {0};
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    struct writer writer = writer_to(&buffer);
    store_document(&writer, "post/1", 9);
    store_document(&writer, "post/2", 5);
    store_document(&writer, "post/3", 9);
    store_document(&writer, "post/4", 7);
    REQUIRE(writer.status == PROTOCOL_OK && fixture_store(&fixture, buffer_bytes(&buffer)));
    buffer_finish(&buffer);
    key[7] = 5;
    memset(key + 8, 0xff, 8); /* all documents of position 5 */
    struct row_request request = {.kind = ROWS_CHANGED, .after = {key, sizeof key}, .limit = 2};
    struct reader reader = load(&request);
    expect_changed(&reader, "post/4", 7);
    expect_changed(&reader, "post/1", 9);
    struct row row;
    cr_assert(not(row_read(&reader, &row)));
    key[7] = 9;
    memset(key + 8, 0, 8);
    key[15] = 1; /* post/1 has the number 1 */
    reader = load(&request);
    expect_changed(&reader, "post/3", 9);
    cr_assert(not(row_read(&reader, &row)));
    const char *plan = fixture_sql(&fixture, "SELECT count(*) FROM sqlite_schema WHERE name = "
                                             "'documents_position'");
    cr_assert(eq(str, (char *)plan, "1"));
}

/* --- what is damaged, malformed or not there --- */

static void expect_damaged(const struct row_request *request, const char *reason)
{
    (void)load(request);
    cr_assert(eq(int, completion.kind, STORAGE_LOAD_FAILED));
    cr_assert(strstr(completion.text, fixture.path) != NULL, "%s", completion.text);
    cr_assert(strstr(completion.text, reason) != NULL, "%s", completion.text);
}

static void keep_one_of_each(void)
{
    struct row rows[] = {target(),
                         {.kind = ROW_WAITING, .name = text_of("post/1"), .position = 3},
                         {.kind = ROW_LETTER,
                          .name = text_of("post/2"),
                          .position = 4,
                          .field = 500,
                          .text = text_of("HTTP 500")}};
    cr_assert(eq(int, keep(rows, 3), STORAGE_KEPT));
}

Test(webhooks, a_damaged_row_is_told_by_its_table_and_nothing_is_answered)
{
    static const struct {
        const char *table;
        const char *damage;
    } damages[] = {
        {"webhook_targets", "target = zeroblob(3)"},
        {"webhook_targets", "target = printf('%.*c', 1000, 'x')"},
        {"webhook_targets", "target = CAST(x'ff' AS TEXT)"},
        {"webhook_targets", "journal = 7"},
        {"webhook_targets", "journal = zeroblob(1000)"},
        {"webhook_targets", "position = -1"},
        {"webhook_targets", "document = 'x'"},
        {"webhook_targets", "floor = -1"},
        {"webhook_targets", "paused = 'x'"},
        {"webhook_waiting", "document = printf('%.*c', 300, 'x')"},
        {"webhook_waiting", "position = -1"},
        {"webhook_waiting", "at = 'x'"},
        {"webhook_waiting", "attempts = zeroblob(1)"},
        {"webhook_dead", "document = CAST(x'c3' AS TEXT)"},
        {"webhook_dead", "after = -1"},
        {"webhook_dead", "position = 'x'"},
        {"webhook_dead", "at = -1"},
        {"webhook_dead", "attempts = -1"},
        {"webhook_dead", "status = 1000"},
        {"webhook_dead", "reason = zeroblob(3)"},
        {"webhook_dead", "reason = printf('%.*c', 2000, 'x')"},
    };
    char sql[160];
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        bool letters = strcmp(damages[i].table, "webhook_dead") == 0;
        struct row_request request = {.kind = letters ? ROWS_LETTERS : ROWS_TARGETS,
                                      .search = text_of("orders"),
                                      .limit = 10};
        (void)fixture_sql(&fixture, "DELETE FROM webhook_targets");
        (void)fixture_sql(&fixture, "DELETE FROM webhook_waiting");
        (void)fixture_sql(&fixture, "DELETE FROM webhook_dead");
        keep_one_of_each();
        (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s", damages[i].table, damages[i].damage);
        (void)fixture_sql(&fixture, sql);
        (void)snprintf(sql, sizeof sql, "a row of the table %s is damaged", damages[i].table);
        expect_damaged(&request, sql);
    }
}

Test(webhooks, a_place_that_is_no_place_is_refused)
{
    uint8_t key[15] = {0};
    (void)load(&(struct row_request){.kind = ROWS_CHANGED, .after = {key, sizeof key}, .limit = 2});
    cr_assert(eq(int, completion.kind, STORAGE_LOAD_FAILED));
}

Test(webhooks, a_keep_that_is_cut_off_is_refused_and_nothing_is_written)
{
    struct row rows[] = {target(), {.kind = ROW_WAITING, .name = text_of("post/1"), .seq = 2}};
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    struct writer writer = writer_to(&buffer);
    row_write(&writer, &rows[0]);
    row_write(&writer, &rows[1]);
    REQUIRE(writer.status == PROTOCOL_OK);
    buffer.length--;
    REQUIRE(storage_keep(fixture.storage, buffer_bytes(&buffer)));
    buffer_finish(&buffer);
    fixture_wait(&fixture, &completion);
    cr_assert(eq(int, completion.kind, STORAGE_KEEP_FAILED));
    cr_assert(strstr(completion.text, "the tables of webhooks cannot be written") != NULL);
    cr_assert(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM webhook_targets"), "0"));
}

Test(webhooks, what_waits_for_one_target_is_not_another_ones)
{
    struct row others = target();
    others.name = text_of("others");
    struct row rows[] = {target(),
                         {.kind = ROW_WAITING, .name = text_of("post/1"), .position = 1},
                         {.kind = ROW_LETTER, .name = text_of("post/9"), .position = 1},
                         others,
                         {.kind = ROW_WAITING, .name = text_of("post/1"), .position = 2},
                         {.kind = ROW_LETTER, .name = text_of("post/9"), .position = 2},
                         {.kind = ROW_RESENT, .index = 1},
                         {.kind = ROW_DELIVERED}};
    cr_assert(eq(int, keep(rows, 8), STORAGE_KEPT));
    cr_assert(eq(str,
                 (char *)fixture_sql(&fixture, "SELECT group_concat(target || position) "
                                               "FROM webhook_waiting"),
                 "orders1"));
    cr_assert(eq(str,
                 (char *)fixture_sql(&fixture, "SELECT group_concat(target || position) FROM "
                                               "(SELECT * FROM webhook_dead ORDER BY id)"),
                 "orders1,others2"));
}

Test(webhooks, tables_of_another_kind_are_refused_with_a_sentence)
{
    char error[STORAGE_ERROR_BYTES];
    fixture_close(&fixture);
    (void)fixture_sql(&fixture, "ALTER TABLE webhook_dead DROP COLUMN reason");
    REQUIRE(fixture_try_open(&fixture, error));
    cr_assert(not(storage_open_webhooks(fixture.storage, error)));
    cr_assert(strstr(error, "the tables of webhooks are not what this program makes") != NULL, "%s",
              error);
}

Test(webhooks, a_hub_without_them_answers_nothing_of_them)
{
    struct row rows[] = {target()};
    fixture_close(&fixture);
    fixture_open(&fixture);
    cr_assert(eq(int, keep(rows, 1), STORAGE_KEEP_FAILED));
    (void)load(&(struct row_request){.kind = ROWS_TARGETS});
    cr_assert(eq(int, completion.kind, STORAGE_LOAD_FAILED));
}
