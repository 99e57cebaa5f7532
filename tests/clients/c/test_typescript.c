/*
 * Goal:   whatever an operator may declare has its type in the generated module.
 * Method: a schema with every codec there is, alone and inside a map. What the module looks like,
 *         and that the compiler takes it, is tested in tests/e2e/generate.test.mjs.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "clients/c/typescript.h"
#include "protocol/codec.h"
#include "protocol/yaml/schema_file.h"

static struct schema_set parse(const char *text)
{
    struct schema_set schemas;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 16);
    bool good = schema_file_parse((struct bytes){(const uint8_t *)text, strlen(text)}, "f",
                                  &schemas, &mistakes);
    cr_assert(good, "%.*s", (int)mistakes.length, (const char *)mistakes.data);
    buffer_finish(&mistakes);
    return schemas;
}

Test(typescript, every_type_has_a_name_of_its_own)
{
    for (size_t i = 0; protocol_codec_at(i) != NULL; i++) {
        char text[256];
        const char *type = protocol_codec_at(i)->type->name;
        const char *of = protocol_codec_at(i)->takes_type ? ", of: flag" : "";
        (void)snprintf(
            text, sizeof text,
            "schemas: {post: {alone: {type: %s%s}, held: {type: map, of: {type: %s%s}}}}", type, of,
            type, of);
        struct schema_set schemas = parse(text);
        const struct schema_field *fields = schemas.schemas[0].fields;
        cr_expect(typescript_type_name(&fields[0].declared) != NULL, "%s", type);
        cr_expect(typescript_type_name(fields[1].declared.inner) != NULL, "%s in a map", type);
        schema_set_finish(&schemas);
    }
}

Test(typescript, a_module_beyond_the_limit_is_none)
{
    struct schema_set schemas = parse("data: a.db\nschemas: {post: {likes: g-counter}}\n");
    struct buffer text;
    buffer_init(&text, 64);
    cr_expect(not(typescript_write(&schemas, &text)));
    buffer_finish(&text);
    buffer_init(&text, 1 << 16);
    cr_expect(typescript_write(&schemas, &text));
    buffer_finish(&text);
    schema_set_finish(&schemas);
}
