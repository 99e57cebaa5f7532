/*
 * Goal:   any SQLite tool can query the live values, while the hub runs.
 * Method: rows with the values that codecs show are stored; a plain connection of its own asks the
 *         view; the answers are written down here.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/storage/fixture.h"

enum { LIKES, STOCK, TAGS };

static struct row shown(uint32_t field, const char *key, const char *json)
{
    return (struct row){.kind = ROW_ENTRY,
                        .field = field,
                        .key = fixture_text(key),
                        .position = 1,
                        .shown = fixture_text(json),
                        .detail = fixture_text("detail")};
}

static void store(struct fixture *fixture, const char *name, const struct row *rows, size_t length)
{
    uint8_t data[4096];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct row head = {.kind = ROW_DOCUMENT, .name = fixture_text(name), .position = 17};
    fixture_write_rows(&buffer, &head, 1);
    fixture_write_rows(&buffer, rows, length);
    cr_assert(fixture_store(fixture, buffer_bytes(&buffer)));
}

static void expect(const struct fixture *fixture, const char *sql, const char *answer)
{
    cr_expect(eq(str, (char *)fixture_sql(fixture, sql), (char *)answer), "%s", sql);
}

Test(views, a_plain_connection_reads_converged_values)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct row rows[] = {shown(LIKES, "", "41"),
                         shown(STOCK, "", "-7"),
                         shown(TAGS, "\xa2zz", "\"zz\""),
                         shown(TAGS, "\xa1\"", "\"\\\"\""),
                         shown(TAGS, "\x05", "5"),
                         shown(TAGS,
                               "\xa1"
                               "5",
                               "\"5\"")};
    store(&fixture, "post/42", rows, 6);
    expect(&fixture, "SELECT key FROM post", "42");
    expect(&fixture, "SELECT position FROM post", "17");
    expect(&fixture, "SELECT likes + 1 FROM post", "42");
    expect(&fixture, "SELECT typeof(likes) FROM post", "integer");
    expect(&fixture, "SELECT stock FROM post", "-7");
    expect(&fixture, "SELECT tags FROM post", "[5,\"\\\"\",\"5\",\"zz\"]");
    expect(&fixture, "SELECT post.key FROM post, json_each(tags) WHERE json_each.value = 'zz'",
           "42");
    fixture_finish(&fixture);
}

Test(views, fields_that_nothing_happened_to_show_their_empty_values)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    store(&fixture, "post/new", NULL, 0);
    expect(&fixture, "SELECT likes FROM post", "0");
    expect(&fixture, "SELECT stock FROM post", "0");
    expect(&fixture, "SELECT tags FROM post", "[]");
    expect(&fixture, "SELECT typeof(likes) FROM post", "integer");
    fixture_finish(&fixture);
}

/* Numbers that SQLite's integers do not hold stay as they were written. */
Test(views, numbers_keep_their_value)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct row rows[] = {shown(TAGS, "\x01", "18446744073709551615"),
                         shown(TAGS, "\x02", "9223372036854775807"),
                         shown(TAGS, "\x03", "1.5"),
                         shown(TAGS, "\x04", "true"),
                         shown(TAGS, "\x05", "-9223372036854775808"),
                         shown(TAGS, "\x06", "null")};
    store(&fixture, "post/42", rows, 6);
    expect(&fixture, "SELECT tags FROM post",
           "[18446744073709551615,9223372036854775807,1.5,true,-9223372036854775808,null]");
    fixture_finish(&fixture);
}

Test(views, a_view_follows_the_declaration)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    store(&fixture, "post/42", NULL, 0);
    fixture_close(&fixture);
    fixture_declare(&fixture, "post", "views", "g-counter", ELEMENT_STRING);
    fixture_open(&fixture);
    expect(&fixture, "SELECT views FROM post", "0");
    fixture_finish(&fixture);
}

/* The names are the operator's: they must not break the start, nor the tables. */
Test(views, names_that_sql_has_taken_get_an_underscore)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_declare(&fixture, "documents", "key", "g-counter", ELEMENT_STRING);
    fixture_declare(&fixture, "sqlite_x", "position", "g-counter", ELEMENT_STRING);
    fixture_declare(&fixture, "select", "table", "g-counter", ELEMENT_STRING);
    fixture_declare(&fixture, "select", "a-b", "or-set", ELEMENT_STRING);
    fixture_open(&fixture);
    store(&fixture, "documents/1", NULL, 0);
    store(&fixture, "sqlite_x/2", NULL, 0);
    store(&fixture, "select/3", NULL, 0);
    expect(&fixture, "SELECT key FROM _documents", "1");
    expect(&fixture, "SELECT \"key:1\" FROM _documents", "0");
    expect(&fixture, "SELECT key FROM _sqlite_x", "2");
    expect(&fixture, "SELECT \"table\" FROM \"select\"", "0");
    expect(&fixture, "SELECT \"a-b\" FROM \"select\"", "[]");
    expect(&fixture, "SELECT count(*) FROM documents", "3");
    fixture_finish(&fixture);
}

Test(views, schemas_that_differ_only_in_capitals_are_refused)
{
    struct fixture fixture;
    char error[STORAGE_ERROR_BYTES];
    fixture_init(&fixture);
    fixture_declare(&fixture, "Post", "likes", "g-counter", ELEMENT_STRING);
    cr_assert(not(fixture_try_open(&fixture, error)));
    cr_expect(strstr(error, "post and Post") != NULL, "%s", error);
    fixture_finish(&fixture);
}
