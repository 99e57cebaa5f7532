/*
 * Goal:   a document's rows come back as they were stored: all of a document's or none, the newest
 *         of each, and without what they replaced.
 * Method: rows are stored and loaded through the threads; what comes back is written as text, one
 *         row a line, and compared. Damage is done by a plain connection.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static struct fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture);
    fixture_start(&fixture);
}

static void tear_down(void) { fixture_finish(&fixture); }

TestSuite(tables, .init = set_up, .fini = tear_down);

static struct row document(const char *name, uint64_t position, uint64_t next_index)
{
    return (struct row){.kind = ROW_DOCUMENT,
                        .name = bytes_of(name),
                        .position = position,
                        .next_index = next_index};
}

static struct row field(uint32_t number, uint64_t position, uint64_t horizon)
{
    return (struct row){
        .kind = ROW_FIELD, .field = number, .position = position, .horizon = horizon};
}

static struct row entry(uint32_t number, const char *key, uint64_t position, const char *detail)
{
    return (struct row){.kind = ROW_ENTRY,
                        .field = number,
                        .key = bytes_of(key),
                        .position = position,
                        .shown = bytes_of("1"),
                        .detail = bytes_of(detail)};
}

static struct row removal(uint32_t number, const char *key, uint64_t position)
{
    return (struct row){
        .kind = ROW_REMOVAL, .field = number, .key = bytes_of(key), .position = position};
}

static struct row replica(uint8_t n, uint64_t index, uint64_t seq, const char *detail)
{
    return (struct row){.kind = ROW_REPLICA,
                        .replica = replica_of(n),
                        .index = index,
                        .seq = seq,
                        .position = seq + 10,
                        .at_ms = 1700000000000 + seq,
                        .detail = bytes_of(detail),
                        .principal = bytes_of("user:7")};
}

static struct row rejected(uint64_t seq)
{
    return (struct row){.kind = ROW_REJECTED,
                        .replica = replica_of(1),
                        .seq = seq,
                        .at_ms = seq,
                        .code = bytes_of("OVERFLOW"),
                        .text = bytes_of("too much"),
                        .detail = bytes_of("packet")};
}

static enum storage_completion_kind store(const struct row *rows, size_t length)
{
    struct rows out;
    rows_init(&out);
    for (size_t i = 0; i < length; i++) {
        rows_add(&out, rows[i]);
    }
    struct storage_completion done = fixture_store(&fixture, rows_bytes(&out));
    rows_finish(&out);
    return done.kind;
}

#define STORE(...)                                                                                 \
    cr_assert(eq(int,                                                                              \
                 (int)store((const struct row[]){__VA_ARGS__},                                     \
                            sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row)),       \
                 STORAGE_STORED))

static int print_row(char *text, size_t capacity, const struct row *row)
{
    switch (row->kind) {
    case ROW_DOCUMENT:
        return snprintf(text, capacity, "document %.*s %d next %d\n", (int)row->name.length,
                        (const char *)row->name.data, (int)row->position, (int)row->next_index);
    case ROW_FIELD:
        return snprintf(text, capacity, "field %d %d horizon %d\n", (int)row->field,
                        (int)row->position, (int)row->horizon);
    case ROW_ENTRY:
        return snprintf(text, capacity, "entry %d [%.*s] %d %.*s\n", (int)row->field,
                        (int)row->key.length, (const char *)row->key.data, (int)row->position,
                        (int)row->detail.length, (const char *)row->detail.data);
    case ROW_REMOVAL:
        return snprintf(text, capacity, "removal %d [%.*s] %d\n", (int)row->field,
                        (int)row->key.length, (const char *)row->key.data, (int)row->position);
    case ROW_REPLICA:
        return snprintf(text, capacity, "replica %02x index %d seq %d at %d %d %.*s %.*s\n",
                        row->replica.bytes[15], (int)row->index, (int)row->seq, (int)row->position,
                        (int)(row->at_ms - 1700000000000), (int)row->detail.length,
                        (const char *)row->detail.data, (int)row->principal.length,
                        (const char *)row->principal.data);
    case ROW_REJECTED:
        break;
    }
    return -1;
}

static void print_rows(struct bytes bytes, char *text, size_t capacity)
{
    struct reader reader = reader_of(bytes);
    struct row row;
    size_t length = 0;
    text[0] = '\0';
    while (row_read(&reader, &row)) {
        int added = print_row(text + length, capacity - length, &row);
        cr_assert(added > 0 && (size_t)added < capacity - length);
        length += (size_t)added;
    }
    cr_expect(reader_ok(&reader));
}

static void check_load(const char *name, const char *expected)
{
    char text[4096];
    struct storage_completion done = fixture_load(&fixture, name, true, NULL, 0);
    cr_assert(eq(int, (int)done.kind, STORAGE_LOADED), "%s", done.text);
    cr_expect(eq(u64, done.request, 77));
    print_rows(done.bytes, text, sizeof text);
    cr_expect(eq(str, text, (char *)expected));
    storage_completion_finish(&done);
}

static void check_count(const char *table, const char *expected)
{
    char sql[128];
    char text[32];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    fixture_query(&fixture, sql, text, sizeof text);
    cr_expect(eq(str, text, (char *)expected), "%s", table);
}

Test(tables, rows_come_back_as_they_were_stored)
{
    static const char expected[] = "document post/1 9 next 2\n"
                                   "field 0 7 horizon 0\n"
                                   "field 2 9 horizon 3\n"
                                   "entry 0 [] 7 seven\n"
                                   "entry 2 [b] 8 dots-b\n"
                                   "entry 2 [a] 9 dots-a\n"
                                   "removal 2 [d] 4\n"
                                   "removal 2 [c] 5\n";
    STORE(document("post/1", 9, 2), field(0, 7, 0), field(2, 9, 3), entry(2, "a", 9, "dots-a"),
          entry(0, "", 7, "seven"), entry(2, "b", 8, "dots-b"), removal(2, "c", 5),
          removal(2, "d", 4), replica(1, 0, 5, "one"), replica(2, 1, 6, ""));
    check_load("post/1", expected);
    fixture_close(&fixture);
    fixture_start(&fixture);
    check_load("post/1", expected);
}

Test(tables, replicas_come_when_they_are_asked_for)
{
    char text[1024];
    const struct replica_id asked[] = {replica_of(2), replica_of(3), replica_of(1)};
    STORE(document("post/1", 9, 2), replica(1, 0, 5, "one"), replica(2, 1, 6, ""));
    STORE(document("post/2", 9, 2), replica(3, 0, 5, "of another document"));
    struct storage_completion done = fixture_load(&fixture, "post/1", false, asked, 3);
    print_rows(done.bytes, text, sizeof text);
    cr_expect(eq(str, text,
                 "replica 02 index 1 seq 6 at 16 6  user:7\n"
                 "replica 01 index 0 seq 5 at 15 5 one user:7\n"));
    storage_completion_finish(&done);
    STORE(document("post/1", 12, 2), replica(1, 0, 8, "later"));
    done = fixture_load(&fixture, "post/1", false, &asked[2], 1);
    print_rows(done.bytes, text, sizeof text);
    cr_expect(eq(str, text, "replica 01 index 0 seq 8 at 18 8 later user:7\n"));
    storage_completion_finish(&done);
}

Test(tables, a_document_that_is_not_there_has_no_rows)
{
    STORE(document("post/1", 1, 0));
    check_load("post/2", "");
    check_load("user/1", "");
}

Test(tables, a_key_may_hold_slashes)
{
    STORE(document("post/a/b", 1, 0), entry(0, "", 1, "x"));
    check_load("post/a/b", "document post/a/b 1 next 0\nentry 0 [] 1 x\n");
    check_load("post/a", "");
}

Test(tables, documents_do_not_mix)
{
    STORE(document("post/1", 1, 0), entry(0, "", 1, "one"), document("user/1", 2, 0),
          entry(0, "", 2, "two"));
    check_load("post/1", "document post/1 1 next 0\nentry 0 [] 1 one\n");
    check_load("user/1", "document user/1 2 next 0\nentry 0 [] 2 two\n");
}

Test(tables, an_entry_replaces_the_removal_and_the_other_way_round)
{
    STORE(document("post/1", 1, 0), entry(2, "a", 1, "x"), removal(2, "b", 1));
    STORE(document("post/1", 2, 0), removal(2, "a", 2), entry(2, "b", 2, "y"));
    check_load("post/1", "document post/1 2 next 0\nentry 2 [b] 2 y\nremoval 2 [a] 2\n");
    STORE(document("post/1", 3, 0), entry(2, "a", 3, "z"), entry(2, "b", 3, "w"));
    check_load("post/1", "document post/1 3 next 0\nentry 2 [a] 3 z\nentry 2 [b] 3 w\n");
    check_count("removals", "0");
}

Test(tables, removals_up_to_the_horizon_of_their_field_are_forgotten)
{
    STORE(document("post/1", 5, 0), removal(2, "a", 3), removal(2, "b", 4), removal(3, "c", 3),
          document("post/2", 5, 0), removal(2, "d", 3));
    STORE(document("post/1", 6, 0), field(2, 6, 3));
    check_load("post/1", "document post/1 6 next 0\nfield 2 6 horizon 3\n"
                         "removal 3 [c] 3\nremoval 2 [b] 4\n");
    check_load("post/2", "document post/2 5 next 0\nremoval 2 [d] 3\n");
}

Test(tables, a_store_that_fails_leaves_its_document_as_it_was)
{
    struct rows out;
    rows_init(&out);
    STORE(document("post/1", 1, 0), entry(2, "a", 1, "before"));
    rows_add(&out, document("post/1", 2, 0));
    rows_add(&out, entry(2, "a", 2, "after"));
    struct bytes cut = rows_bytes(&out);
    for (size_t less = 1; less < 12; less++) {
        struct storage_completion done =
            fixture_store(&fixture, (struct bytes){cut.data, cut.length - less});
        cr_expect(eq(int, (int)done.kind, STORAGE_STORE_FAILED));
        cr_expect(done.text[0] != '\0');
    }
    check_load("post/1", "document post/1 1 next 0\nentry 2 [a] 1 before\n");
    rows_finish(&out);
}

Test(tables, rows_without_a_document_are_refused)
{
    const struct row lost[] = {entry(2, "a", 1, "x")};
    STORE(document("post/1", 1, 0));
    cr_expect(eq(int, (int)store(lost, 1), STORAGE_STORE_FAILED));
    check_count("entries", "0");
}

/* 3 MiB of rows in some thousand documents; each must be there with its own entry. */
Test(tables, appends_pass_between_the_steps_of_a_large_store)
{
    enum { DOCUMENTS = 4000 };
    struct rows out;
    char name[32];
    char detail[700];
    memset(detail, 'x', sizeof detail);
    detail[sizeof detail - 1] = '\0';
    rows_init(&out);
    for (int i = 0; i < DOCUMENTS; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        rows_add(&out, document(name, 5, 0));
        rows_add(&out, entry(0, "", 5, detail));
    }
    require(storage_store(fixture.storage, rows_bytes(&out)));
    require(storage_append(fixture.storage, bytes_of("a"), 1));
    cr_expect(eq(int, (int)fixture_wait(&fixture).kind, STORAGE_APPENDED));
    cr_expect(eq(int, (int)fixture_wait(&fixture).kind, STORAGE_STORED));
    check_count("documents", "4000");
    check_count("entries", "4000");
    rows_finish(&out);
}

Test(tables, the_newest_refused_updates_are_kept)
{
    enum { REJECTED = 10050 };
    struct rows out;
    char text[32];
    rows_init(&out);
    rows_add(&out, document("post/1", 1, 0));
    for (uint64_t seq = 1; seq <= REJECTED; seq++) {
        rows_add(&out, rejected(seq));
    }
    cr_assert(eq(int, (int)fixture_store(&fixture, rows_bytes(&out)).kind, STORAGE_STORED));
    rows_finish(&out);
    check_count("rejected", "10000");
    fixture_query(&fixture, "SELECT min(seq) || ' ' || max(seq) FROM rejected", text, sizeof text);
    cr_expect(eq(str, text, "51 10050"));
    check_load("post/1", "document post/1 1 next 0\n");
}

static void check_damage(const char *sql, const char *table)
{
    const struct replica_id asked = replica_of(1);
    fixture_exec(&fixture, sql);
    struct storage_completion done = fixture_load(&fixture, "post/1", true, &asked, 1);
    cr_expect(eq(int, (int)done.kind, STORAGE_LOAD_FAILED), "%s", sql);
    cr_expect(eq(u64, done.request, 77));
    cr_expect(strstr(done.text, table) != NULL, "%s: %s", sql, done.text);
    cr_expect(strstr(done.text, "post/1") != NULL, "%s: %s", sql, done.text);
    storage_completion_finish(&done);
}

Test(tables, a_damaged_row_is_reported_with_its_table)
{
    STORE(document("post/1", 9, 2), field(2, 9, 0), entry(2, "a", 9, "x"), removal(2, "c", 5),
          replica(1, 0, 5, "one"));
    check_damage("UPDATE replicas SET detail = 5", "replicas");
    check_damage("UPDATE removals SET position = 'x'", "removals");
    check_damage("UPDATE entries SET detail = 'text'", "entries");
    check_damage("UPDATE document_fields SET horizon = -1", "document_fields");
    check_damage("UPDATE documents SET position = 'x'", "documents");
}

Test(tables, a_malformed_request_is_refused)
{
    require(storage_load(fixture.storage, 5, bytes_of("\x93\xa1x")));
    struct storage_completion done = fixture_wait(&fixture);
    cr_expect(eq(int, (int)done.kind, STORAGE_LOAD_FAILED));
    cr_expect(eq(u64, done.request, 5));
}
