/*
 * Goal:   field numbers are given once and for ever, and data is never read as another type.
 * Method: one file is opened with one declaration after the other, as an operator edits the
 *         configuration, with data in the tables, in the journal's tail, or nowhere.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

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
    uint8_t data[256];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    struct row document = {.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = 1};
    struct row field = {.kind = ROW_FIELD, .field = number, .position = 1};
    row_write(&writer, &document);
    row_write(&writer, &field);
    cr_assert(fixture_store(fixture, buffer_bytes(&buffer)));
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
    check_refused(&fixture, "field post.tags holds data of type or-set {\"of\":\"string\"} and is "
                            "declared as g-counter {}");
    fixture_forget_schemas(&fixture);
    fixture_declare(&fixture, "post", "tags", "or-set", ELEMENT_INT);
    check_refused(&fixture, "of type or-set {\"of\":\"string\"} and is declared as or-set "
                            "{\"of\":\"int\"}");
    declare_post(&fixture, "likes", "tags");
    fixture_open(&fixture);
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
