/*
 * Goal:   any SQLite tool shows the values as they stand, while the hub runs.
 * Method: rows as the codecs show them (JSON text) are stored through the threads; a plain
 *         connection queries the views, whose answers are written by hand.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static struct fixture fixture;

static void set_up(void) { fixture_init(&fixture); }
static void tear_down(void) { fixture_finish(&fixture); }

TestSuite(views, .init = set_up, .fini = tear_down);

struct value {
    const char *document;
    const char *field; /* NULL: only the document */
    const char *key;
    const char *shown;
};

static void store(const char *schema, const struct value *values, size_t length)
{
    struct rows rows;
    rows_init(&rows);
    for (size_t i = 0; i < length; i++) {
        rows_add(&rows, (struct row){.kind = ROW_DOCUMENT,
                                     .name = bytes_of(values[i].document),
                                     .position = i + 1});
        if (values[i].field != NULL) {
            rows_add(&rows, (struct row){.kind = ROW_ENTRY,
                                         .field = fixture_number(&fixture, schema, values[i].field),
                                         .key = bytes_of(values[i].key),
                                         .position = i + 1,
                                         .shown = bytes_of(values[i].shown),
                                         .detail = bytes_of("d")});
        }
    }
    cr_assert(eq(int, (int)fixture_store(&fixture, rows_bytes(&rows)).kind, STORAGE_STORED));
    rows_finish(&rows);
}

#define STORE(schema, ...)                                                                         \
    store(schema, (const struct value[]){__VA_ARGS__},                                             \
          sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value))

static void check(const char *sql, const char *expected)
{
    char text[512];
    fixture_query(&fixture, sql, text, sizeof text);
    cr_expect(eq(str, text, (char *)expected), "%s", sql);
}

Test(views, show_a_document_as_it_stands)
{
    fixture_start(&fixture);
    STORE("post", {"post/42", "likes", "", "17"}, {"post/42", "stock", "", "-3"},
          {"post/42", "tags", "\xa4sync", "\"sync\""},
          {"post/42", "tags",
           "\xa4"
           "crdt",
           "\"crdt\""});
    check("SELECT key || ' ' || position || ' ' || likes || ' ' || stock || ' ' || tags FROM post",
          "42 4 17 -3 [\"crdt\",\"sync\"]");
}

Test(views, fields_without_entries_have_their_empty_value)
{
    fixture_start(&fixture);
    STORE("post", {"post/1", NULL, NULL, NULL});
    check("SELECT likes || ' ' || stock || ' ' || tags FROM post WHERE key = '1'", "0 0 []");
    check("SELECT typeof(likes) || ' ' || json_type(tags) FROM post", "integer array");
}

Test(views, numbers_add_up)
{
    fixture_start(&fixture);
    STORE("post", {"post/1", "likes", "", "2"}, {"post/2", "likes", "", "9007199254740991"});
    check("SELECT sum(likes) FROM post", "9007199254740993");
    check("SELECT typeof(likes) FROM post WHERE key = '1'", "integer");
}

Test(views, elements_of_every_kind_are_valid_json)
{
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "box", "things", "or-set of any");
    fixture_start(&fixture);
    STORE("box", {"box/1", "things", "a", "7"}, {"box/1", "things", "b", "\"7\""},
          {"box/1", "things", "c", "1.5"}, {"box/1", "things", "d", "true"},
          {"box/1", "things", "e", "18446744073709551615"}, {"box/1", "things", "f", "null"},
          {"box/1", "things", "g", "{\"a\":[1,2]}"}, {"box/1", "things", "h", "\"\\u0000'\""},
          {"box/1", "things", "i", "-9223372036854775808"});
    check("SELECT things FROM box",
          "[7,\"7\",1.5,true,18446744073709551615,null,{\"a\":[1,2]},\"\\u0000'\","
          "-9223372036854775808]");
    check("SELECT json_valid(things) FROM box", "1");
    check("SELECT count(*) FROM box, json_each(things) WHERE value = '7'", "1");
}

Test(views, are_one_for_each_schema)
{
    fixture_declare(&fixture, "user", "visits", "g-counter");
    fixture_start(&fixture);
    STORE("user", {"user/1", "visits", "", "5"});
    STORE("post", {"post/1", "likes", "", "6"});
    check("SELECT count(*) || ' ' || visits FROM user", "1 5");
    check("SELECT count(*) || ' ' || likes FROM post", "1 6");
}

Test(views, follow_the_declaration)
{
    fixture_start(&fixture);
    STORE("post", {"post/1", "likes", "", "5"});
    fixture_close(&fixture);
    fixture_declare(&fixture, "post", "views", "g-counter");
    fixture_start(&fixture);
    check("SELECT likes || ' ' || views FROM post", "5 0");
    fixture_close(&fixture);
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "post", "stock", "pn-counter");
    fixture_start(&fixture);
    check("SELECT group_concat(name) FROM pragma_table_info('post')", "key,position,stock");
}

/* Names that SQL reserves, that the tables have, and that differ from SQL's only in their case. */
Test(views, take_any_name)
{
    static const char *const names[] = {"select", "documents", "Journal", "sqlite_x", "a-b"};
    fixture_forget_schemas(&fixture);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fixture_declare(&fixture, names[i], "order", "g-counter");
        fixture_declare(&fixture, names[i], "x-y", "or-set");
    }
    fixture_declare(&fixture, "select", "key", "g-counter");
    fixture_declare(&fixture, "select", "Position", "g-counter");
    fixture_start(&fixture);
    STORE("select", {"select/1", "key", "", "8"});
    STORE("documents", {"documents/1", "order", "", "9"});
    STORE("a-b", {"a-b/1", "x-y", "\xa1x", "\"x\""});
    check("SELECT key || ' ' || position || ' ' || \"key:1\" || ' ' || \"Position:1\" "
          "FROM \"select\"",
          "1 1 8 0");
    check("SELECT \"order\" FROM _documents", "9");
    check("SELECT count(*) FROM documents", "3");
    check("SELECT count(*) FROM _Journal", "0");
    check("SELECT \"x-y\" FROM \"a-b\"", "[\"x\"]");
    fixture_close(&fixture);
    fixture_start(&fixture);
    check("SELECT \"order\" FROM _documents", "9");
}

Test(views, schemas_that_sql_cannot_tell_apart_are_refused)
{
    char error[STORAGE_ERROR_BYTES];
    fixture_declare(&fixture, "Post", "likes", "g-counter");
    cr_assert(not(fixture_try_open(&fixture, error)));
    cr_expect(strstr(error, "post") != NULL && strstr(error, "Post") != NULL, "%s", error);
    cr_expect(strstr(error, fixture.path) != NULL, "%s", error);
}
