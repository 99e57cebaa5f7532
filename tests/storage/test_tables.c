/*
 * Goal:   what is stored is loaded again, row by row, whatever came before.
 * Method: random runs of rows against a naive table in memory (a failure names its seed), and rows
 *         made by hand where there is something to refuse or to bound.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/storage/catalog.h"
#include "server/storage/tables.h"
#include "tests/storage/fixture.h"

enum { FIELDS = 2, KEYS = 8, SEEDS = 20, STORES = 30, ROWS_BYTES = 1 << 20 };

/* --- a model --- */

struct cell {
    enum row_kind kind; /* 0: nothing */
    uint64_t position;
    uint8_t detail;
};

struct model {
    struct cell cells[FIELDS][KEYS];
    uint64_t horizon[FIELDS];
    uint64_t position;
    uint64_t seed;
    uint64_t random;
    uint8_t bytes[KEYS]; /* what keys and details point to */
};

static uint64_t below(struct model *model, uint64_t bound)
{
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (model->random >> 33) % bound;
}

/* One more row, made up and entered into the model. */
static struct row make_row(struct model *model, uint8_t *detail)
{
    uint32_t field = (uint32_t)below(model, FIELDS);
    size_t key = (size_t)below(model, KEYS);
    struct row row = {.field = field, .position = ++model->position};
    model->bytes[key] = (uint8_t)key;
    row.key = (struct bytes){&model->bytes[key], 1};
    if (below(model, 8) == 0) {
        row.kind = ROW_FIELD;
        row.horizon = model->position - below(model, model->position);
        model->horizon[field] = row.horizon;
        for (size_t i = 0; i < KEYS; i++) {
            struct cell *cell = &model->cells[field][i];
            if (cell->kind == ROW_REMOVAL && cell->position <= row.horizon) {
                cell->kind = 0;
            }
        }
        return row;
    }
    row.kind = below(model, 2) == 0 ? ROW_ENTRY : ROW_REMOVAL;
    *detail = (uint8_t)below(model, 256);
    row.detail = (struct bytes){detail, 1};
    row.shown = fixture_text("1");
    model->cells[field][key] = (struct cell){row.kind, row.position, *detail};
    return row;
}

static void store_some(struct fixture *fixture, struct model *model)
{
    struct row rows[8];
    uint8_t details[8];
    size_t length = 1 + (size_t)below(model, 7);
    for (size_t i = 1; i < length; i++) {
        rows[i] = make_row(model, &details[i]);
    }
    rows[0] = (struct row){.kind = ROW_DOCUMENT,
                           .name = fixture_text("post/1"),
                           .position = model->position,
                           .next_index = model->position + 5};
    cr_assert(fixture_store_rows(fixture, rows, length));
}

/* What replays a failure is told with it. */
#define AGREE(good) cr_assert(good, "seed %d", (int)model->seed)

/* Takes from the model what was loaded; what is left was not. */
static void check_row(struct model *model, const struct row *row, uint64_t last[2])
{
    size_t order = row->kind == ROW_ENTRY ? 0 : 1;
    AGREE(row->kind == ROW_ENTRY || row->kind == ROW_REMOVAL);
    AGREE(last[order] < row->position); /* the hub needs them in this order */
    last[order] = row->position;
    AGREE(row->field < FIELDS && row->key.length == 1 && row->key.data[0] < KEYS);
    struct cell *cell = &model->cells[row->field][row->key.data[0]];
    AGREE(cell->kind == row->kind && cell->position == row->position);
    if (row->kind == ROW_ENTRY) {
        AGREE(row->detail.length == 1 && row->detail.data[0] == cell->detail);
    }
    cell->kind = 0;
}

static void check_all_taken(struct model *model)
{
    for (size_t field = 0; field < FIELDS; field++) {
        AGREE(model->horizon[field] == 0);
        for (size_t key = 0; key < KEYS; key++) {
            AGREE(model->cells[field][key].kind == 0);
        }
    }
}

static void check_load(struct fixture *fixture, const struct model *expected)
{
    struct model copy = *expected;
    struct model *model = &copy;
    struct bytes bytes;
    struct row row;
    uint64_t last[2] = {0};
    AGREE(fixture_load(fixture, "post/1", &bytes, NULL));
    struct reader reader = reader_of(bytes);
    AGREE(row_read(&reader, &row) && row.kind == ROW_DOCUMENT);
    AGREE(row.position == model->position && row.next_index == model->position + 5);
    AGREE(bytes_equal(row.name, fixture_text("post/1")));
    while (row_read(&reader, &row)) {
        if (row.kind == ROW_FIELD) {
            AGREE(row.horizon == model->horizon[row.field]);
            model->horizon[row.field] = 0;
        } else {
            check_row(model, &row, last);
        }
    }
    AGREE(reader_ok(&reader));
    check_all_taken(model);
    free((void *)(uintptr_t)bytes.data);
}

Test(tables, random_runs_of_rows_load_as_a_naive_table_has_them)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fixture fixture;
        struct model model = {.random = seed, .seed = seed};
        fixture_init(&fixture);
        fixture.relaxed = true; /* faster, and the same tables */
        fixture_open(&fixture);
        for (int i = 0; i < STORES; i++) {
            store_some(&fixture, &model);
            check_load(&fixture, &model);
            if (i == STORES / 2) {
                fixture_close(&fixture);
                fixture_open(&fixture);
            }
        }
        fixture_finish(&fixture);
    }
}

/* --- rows made by hand --- */

static const struct row document = {
    .kind = ROW_DOCUMENT, .name = {(const uint8_t *)"post/1", 6}, .position = 9, .next_index = 2};

static struct row replica_row(unsigned number, uint64_t seq)
{
    return (struct row){.kind = ROW_REPLICA,
                        .replica = fixture_replica(number),
                        .index = number,
                        .seq = seq,
                        .position = 8,
                        .at_ms = 1700000000000,
                        .detail = fixture_text("detail"),
                        .principal = fixture_text("ann")};
}

Test(tables, only_the_replicas_asked_for_are_loaded)
{
    struct fixture fixture;
    struct bytes bytes;
    struct row row;
    struct row rows[] = {document, replica_row(2, 4), replica_row(3, 5), replica_row(2, 6)};
    fixture_init(&fixture);
    fixture_open(&fixture);
    cr_assert(fixture_store_rows(&fixture, rows, 4));
    cr_assert(fixture_load(&fixture, "post/1", &bytes, NULL)); /* asks for 1 and 2 */
    struct reader reader = reader_of(bytes);
    cr_assert(row_read(&reader, &row) && row.kind == ROW_DOCUMENT);
    cr_assert(row_read(&reader, &row) && row.kind == ROW_REPLICA);
    struct replica_id expected = fixture_replica(2);
    cr_expect(replica_id_equal(&row.replica, &expected));
    cr_expect(eq(u64, row.index, 2));
    cr_expect(eq(u64, row.seq, 6));
    cr_expect(eq(u64, row.position, 8));
    cr_expect(eq(u64, row.at_ms, 1700000000000));
    cr_expect(bytes_equal(row.detail, fixture_text("detail")));
    cr_expect(bytes_equal(row.principal, fixture_text("ann")));
    cr_expect(not(row_read(&reader, &row)));
    cr_expect(reader_ok(&reader));
    free((void *)(uintptr_t)bytes.data);
    fixture_finish(&fixture);
}

Test(tables, a_document_that_is_not_there_gives_no_rows)
{
    struct fixture fixture;
    struct bytes bytes;
    fixture_init(&fixture);
    fixture_open(&fixture);
    cr_assert(fixture_store_rows(&fixture, &document, 1));
    cr_assert(fixture_load(&fixture, "post/2", &bytes, NULL));
    cr_expect(zero(sz, bytes.length));
    free((void *)(uintptr_t)bytes.data);
    fixture_finish(&fixture);
}

Test(tables, malformed_rows_are_refused_and_nothing_of_them_stays)
{
    static const uint8_t garbage[] = {0x91, 0xc1};
    struct fixture fixture;
    struct buffer buffer;
    struct row entry = {.kind = ROW_ENTRY, .position = 1};
    fixture_init(&fixture);
    fixture_open(&fixture);
    cr_assert(fixture_store_rows(&fixture, &document, 1));
    cr_expect(not(fixture_store_rows(&fixture, &entry, 1)), "a row before any DOCUMENT row");

    buffer_init(&buffer, ROWS_BYTES);
    struct row rows[] = {document, entry};
    rows[0].name = fixture_text("post/2");
    fixture_write_rows(&buffer, rows, 2);
    cr_assert(eq(int, buffer_append(&buffer, garbage, sizeof garbage), PROTOCOL_OK));
    cr_expect(not(fixture_store(&fixture, buffer_bytes(&buffer))));
    buffer_finish(&buffer);
    cr_expect(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM documents"), "1"));
    cr_expect(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM entries"), "0"));
    cr_expect(fixture_store_rows(&fixture, rows, 2), "the next store works");
    fixture_finish(&fixture);
}

Test(tables, the_newest_ten_thousand_rejections_are_kept)
{
    struct fixture fixture;
    struct buffer buffer;
    struct row row = {.kind = ROW_REJECTED,
                      .replica = fixture_replica(1),
                      .code = fixture_text("OVERFLOW"),
                      .text = fixture_text("too much"),
                      .detail = fixture_text("packet")};
    fixture_init(&fixture);
    fixture_open(&fixture);
    buffer_init(&buffer, ROWS_BYTES);
    fixture_write_rows(&buffer, &document, 1);
    for (row.seq = 1; row.seq <= 10005; row.seq++) {
        fixture_write_rows(&buffer, &row, 1);
    }
    cr_assert(fixture_store(&fixture, buffer_bytes(&buffer)));
    buffer_finish(&buffer);
    cr_expect(eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM rejected"), "10000"));
    cr_expect(eq(str, (char *)fixture_sql(&fixture, "SELECT min(seq) FROM rejected"), "6"));
    fixture_finish(&fixture);
}

static bool is_60_bytes(void *context, size_t written_bytes)
{
    (void)context;
    return written_bytes >= 60;
}

/* An append waits behind one step at most, so a step has a bound and ends between documents. */
Test(tables, a_long_store_goes_in_steps_of_whole_documents)
{
    struct buffer buffer;
    sqlite3 *database = NULL;
    bool more = true;
    size_t steps = 0;
    char name[32];
    struct row rows[2] = {document,
                          {.kind = ROW_ENTRY, .detail = fixture_text("0123456789012345678901234")}};
    cr_assert(sqlite3_open(":memory:", &database) == SQLITE_OK);
    cr_assert(database_exec(database, catalog_schema_sql) == SQLITE_OK);
    struct tables *tables = tables_open_writer(database);
    buffer_init(&buffer, ROWS_BYTES);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        rows[0].name = fixture_text(name);
        fixture_write_rows(&buffer, rows, 2); /* some 50 bytes */
    }
    struct reader reader = reader_of(buffer_bytes(&buffer));
    while (more) {
        size_t left = reader.left.length;
        cr_assert(tables_store_some(tables, &reader, is_60_bytes, NULL, &more) == SQLITE_OK);
        cr_expect(eq(sz, left - reader.left.length, buffer.length / 5), "two documents");
        steps++;
    }
    cr_expect(eq(sz, steps, 5));
    buffer_finish(&buffer);
    tables_close(tables);
    cr_assert(sqlite3_close(database) == SQLITE_OK);
}

/*
 * Without appends a step ends with its bytes: this store would be eight steps, and let nine appends
 * pass. As one always waits here, the steps are shorter.
 */
Test(tables, a_store_lets_appends_pass_that_wait)
{
    enum { BYTES = 2 << 20 };
    struct fixture fixture;
    struct storage_completion completion = {.kind = STORAGE_APPENDED};
    struct buffer buffer;
    size_t appends = 0;
    char name[32];
    struct row rows[2] = {document,
                          {.kind = ROW_ENTRY,
                           .detail = fixture_text("0123456789012345678901234567890123456789"
                                                  "0123456789012345678901234567890123456789")}};
    fixture_init(&fixture);
    fixture_open(&fixture);
    buffer_init(&buffer, (size_t)2 * BYTES);
    for (int i = 0; buffer.length < BYTES; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        rows[0].name = fixture_text(name);
        fixture_write_rows(&buffer, rows, 2);
    }
    cr_assert(storage_store(fixture.storage, buffer_bytes(&buffer)));
    for (; completion.kind == STORAGE_APPENDED; appends++) {
        cr_assert(storage_append(fixture.storage, fixture_text("x"), 0));
        fixture_wait(&fixture, &completion);
    }
    cr_expect(eq(int, completion.kind, STORAGE_STORED));
    cr_expect(gt(sz, appends, 12), "only %zu have passed", appends);
    buffer_finish(&buffer);
    fixture_finish(&fixture);
}
