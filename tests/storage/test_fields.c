/*
 * Goal:   field numbers are given once and for ever, and data is never read as another type.
 * Method: one file is opened with one declaration after the other, as an operator edits the
 *         configuration, with data in the tables, in the journal's tail, or nowhere.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/codec.h"
#include "tests/storage/fixture.h"

static void declare_post(struct fixture *fixture, const char *first, const char *second)
{
    fixture_forget_schemas(fixture);
    fixture_declare(fixture, "post", first, "g-counter", ELEMENT_STRING);
    fixture_declare(fixture, "post", second, "or-set", ELEMENT_STRING);
}

static int number_of(const struct fixture *fixture, const char *name)
{
    const struct schema *schema = schema_find(&fixture->schemas, fixture_text("post"));
    const struct schema_field *field = schema_field_by_name(schema, fixture_text(name));
    return field == NULL ? -1 : (int)field->number;
}

static void store_field(struct fixture *fixture, uint32_t number)
{
    struct row rows[] = {
        {.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = 1},
        {.kind = ROW_FIELD, .field = number, .position = 1},
    };
    cr_assert(fixture_store_rows(fixture, rows, 2));
}

static void check_refused(struct fixture *fixture, const char *sentence)
{
    char error[STORAGE_ERROR_BYTES];
    cr_assert(not(fixture_try_open(fixture, error)));
    cr_expect(strstr(error, sentence) != NULL && strstr(error, fixture->path) != NULL, "%s", error);
}

Test(fields, numbers_follow_the_first_declaration)
{
    struct fixture fixture;
    fixture_init(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    cr_expect(eq(int, number_of(&fixture, "likes"), 0));
    cr_expect(eq(int, number_of(&fixture, "tags"), 1));
    fixture_close(&fixture);

    fixture_forget_schemas(&fixture); /* dropped, reordered, and with new ones in front */
    fixture_declare(&fixture, "post", "new", "g-counter", ELEMENT_STRING);
    fixture_declare(&fixture, "post", "tags", "or-set", ELEMENT_STRING);
    fixture_open(&fixture);
    cr_expect(eq(int, number_of(&fixture, "tags"), 1));
    cr_expect(eq(int, number_of(&fixture, "new"), 2));
    cr_expect(eq(int, (int)fixture.schemas.schemas[0].fields[0].number, 1), "sorted by number");
    fixture_close(&fixture);

    fixture_declare(&fixture, "post", "likes", "g-counter", ELEMENT_STRING);
    fixture_open(&fixture);
    cr_expect(eq(int, number_of(&fixture, "likes"), 0), "comes back with its number");
    fixture_finish(&fixture);
}

/* Of the first field. */
static int since(const struct fixture *fixture)
{
    return (int)fixture->schemas.schemas[0].fields[0].since;
}

Test(fields, that_were_away_say_since_when_they_are_back)
{
    struct fixture fixture;
    uint64_t position = 0;
    fixture_init(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    cr_assert(fixture_append(&fixture, fixture_text("one"), &position));
    cr_expect(eq(int, since(&fixture), 0));
    fixture_close(&fixture);
    fixture_open(&fixture);
    cr_expect(eq(int, since(&fixture), 0), "it has always been there");
    fixture_close(&fixture);
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "page", "title", "lww-register", ELEMENT_STRING);
    fixture_open(&fixture);
    fixture_close(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    cr_expect(eq(int, since(&fixture), (int)position));
    fixture_close(&fixture);
    fixture_open(&fixture);
    cr_expect(eq(int, since(&fixture), (int)position), "for good");
    cr_assert(fixture_append(&fixture, fixture_text("two"), &position));
    struct schema_set less = {0};
    struct schema_set more = {0};
    cr_assert(schema_set_add(&less, fixture_text("post")) != NULL);
    struct storage_completion completion;
    cr_assert(storage_declare(fixture.storage, &less));
    fixture_wait(&fixture, &completion);
    cr_expect(eq(int, completion.kind, STORAGE_DECLARED));
    struct schema *post = schema_set_add(&more, fixture_text("post"));
    struct schema_field *field = schema_add_field(post, fixture_text("likes"));
    declaration_init(&field->declared, protocol_codec_find(fixture_text("g-counter")), false);
    cr_assert(storage_declare(fixture.storage, &more));
    fixture_wait(&fixture, &completion);
    cr_expect(eq(int, completion.kind, STORAGE_DECLARED));
    cr_expect(eq(int, (int)more.schemas[0].fields[0].since, (int)position));
    cr_expect(
        eq(str, (char *)(uintptr_t)fixture_sql(&fixture, "SELECT count(*) FROM journal"), "0"));
    /* Refused as a whole: nothing of it is kept. */
    field = schema_add_field(&more.schemas[0], fixture_text("fresh"));
    declaration_init(&field->declared, protocol_codec_find(fixture_text("g-counter")), false);
    cr_assert(schema_set_add(&more, fixture_text("POST")) != NULL);
    cr_assert(storage_declare(fixture.storage, &more));
    fixture_wait(&fixture, &completion);
    cr_expect(eq(int, completion.kind, STORAGE_DECLARE_FAILED));
    cr_expect(strstr(completion.text, "would have one SQL view") != NULL, "%s", completion.text);
    cr_expect(eq(str,
                 (char *)(uintptr_t)fixture_sql(&fixture,
                                                "SELECT count(*) FROM fields WHERE name = 'fresh'"),
                 "0"));
    schema_set_finish(&less);
    schema_set_finish(&more);
    fixture_finish(&fixture);
}

Test(fields, another_type_is_refused_for_a_field_with_data)
{
    struct fixture fixture;
    fixture_init(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    store_field(&fixture, 0);
    store_field(&fixture, 1);
    fixture_close(&fixture);

    declare_post(&fixture, "tags", "likes"); /* the types change places */
    check_refused(&fixture, "field post.tags holds data of type or-set "
                            "{\"of\":\"string\"} and is declared as g-counter {}");
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "post", "tags", "or-set", ELEMENT_INT);
    check_refused(&fixture, "of type or-set {\"of\":\"string\"} and is declared as or-set "
                            "{\"of\":\"int\"}");
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    fixture_finish(&fixture);
}

/* The value 7 of the field in the document's row. */
static void store_value(struct fixture *fixture, const char *name)
{
    struct row rows[] = {
        {.kind = ROW_DOCUMENT, .name = fixture_text(name), .position = 1},
        {.kind = ROW_FIELD, .position = 1},
        {.kind = ROW_ENTRY, .position = 1, .shown = fixture_text("7"), .detail = fixture_text("x")},
    };
    cr_assert(fixture_store_rows(fixture, rows, 3));
}

static void declare_stock(struct fixture *fixture, int64_t min, int64_t max)
{
    fixture_forget_schemas(fixture);
    fixture_declare(fixture, "shop", "stock", "bounded-counter", ELEMENT_STRING);
    fixture->schemas.schemas[0].fields[0].declared.crdt.min = min;
    fixture->schemas.schemas[0].fields[0].declared.crdt.max = max;
}

Test(fields, bounds_are_narrowed_as_far_as_the_values_allow)
{
    struct fixture fixture;
    fixture_init(&fixture);
    declare_stock(&fixture, 0, 10);
    fixture_open(&fixture);
    store_value(&fixture, "shop/b");
    store_value(&fixture, "shop/a");
    fixture_close(&fixture);
    declare_stock(&fixture, 0, 6);
    check_refused(&fixture,
                  "field shop.stock is beyond its new bounds {\"min\":0,\"max\":6}, first "
                  "in shop/a: change the value first, or widen the bounds");
    declare_stock(&fixture, 0, 7);
    fixture_open(&fixture);
    fixture_close(&fixture);
    declare_stock(&fixture, -1, 100);
    fixture_open(&fixture);
    cr_expect(eq(str,
                 (char *)(uintptr_t)fixture_sql(&fixture, "SELECT count(*) || options FROM "
                                                          "fields"),
                 "1{\"min\":-1,\"max\":100}"));
    fixture_finish(&fixture);
}

Test(fields, a_dropped_field_with_data_keeps_its_type)
{
    struct fixture fixture;
    fixture_init(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    store_field(&fixture, 0);
    fixture_close(&fixture);
    fixture_forget_schemas(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    declare_post(&fixture, "other", "likes");
    check_refused(&fixture, "field post.likes holds data of type g-counter");
    fixture_finish(&fixture);
}

Test(fields, a_field_without_data_takes_its_new_type_under_a_new_number)
{
    struct fixture fixture;
    fixture_init(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    store_field(&fixture, 0);
    fixture_close(&fixture);
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "post", "tags", "g-counter", ELEMENT_STRING);
    fixture_open(&fixture);
    cr_expect(eq(int, number_of(&fixture, "tags"), 2));
    fixture_finish(&fixture);
}

/* The tail's updates may be of any field, and only the hub could tell. */
Test(fields, a_tail_in_the_journal_counts_as_data)
{
    struct fixture fixture;
    uint64_t position = 0;
    fixture_init(&fixture);
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    cr_assert(fixture_append(&fixture, fixture_text("batch"), &position));
    fixture_close(&fixture);
    declare_post(&fixture, "tags", "likes");
    check_refused(&fixture, "field post.tags may hold data of type or-set");

    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
    storage_trim(fixture.storage, position);
    fixture_close(&fixture);
    declare_post(&fixture, "tags", "likes");
    fixture_open(&fixture);
    fixture_finish(&fixture);
}

Test(fields, more_than_a_schema_may_ever_have_are_refused)
{
    struct fixture fixture;
    char name[32];
    fixture_init(&fixture);
    fixture_forget_schemas(&fixture);
    for (int i = 0; i < LIMIT_FIELDS; i++) {
        (void)snprintf(name, sizeof name, "f%d", i);
        fixture_declare(&fixture, "post", name, "g-counter", ELEMENT_STRING);
    }
    fixture_open(&fixture);
    fixture_close(&fixture);
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "post", "another", "g-counter", ELEMENT_STRING);
    check_refused(&fixture, "field post.another would be one too many");
    fixture_finish(&fixture);
}
