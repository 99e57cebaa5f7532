#include "server/config_schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"

/* Lists the words that a value could have been: `a, b or c`. */
struct word_list {
    char text[512];
    size_t length;
};

static void list_add(struct word_list *list, const char *word, bool last)
{
    const char *before = list->length == 0 ? "" : last ? " or " : ", ";
    size_t room = sizeof list->text - list->length;
    int written = snprintf(&list->text[list->length], room, "%s%s", before, word);
    if (written > 0 && (size_t)written < room) {
        list->length += (size_t)written;
    }
}

static struct word_list list_types(void)
{
    struct word_list list = {0};
    for (size_t i = 0; protocol_codec_at(i) != NULL; i++) {
        list_add(&list, protocol_codec_at(i)->type->name, protocol_codec_at(i + 1) == NULL);
    }
    return list;
}

static struct word_list list_of(void)
{
    struct word_list list = {0};
    for (int of = ELEMENT_STRING; of <= ELEMENT_ANY; of++) {
        list_add(&list, element_of_text((enum element_of)of), of == ELEMENT_ANY);
    }
    return list;
}

static bool check_name(struct bytes name, struct yaml_value key)
{
    if (!schema_name_valid(name)) {
        yaml_mistake(key,
                     "the name %s; expected a letter, then letters, digits, _ and -, at most %d "
                     "characters",
                     yaml_show_text(name).text, LIMIT_SCHEMA_NAME_BYTES);
        return false;
    }
    return true;
}

static void read_type(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    const struct protocol_codec **codec = target;
    struct bytes text;
    *codec = yaml_text(value, &text) ? protocol_codec_find(text) : NULL;
    if (*codec == NULL) {
        yaml_mistake(value, "%s as a type; expected %s", yaml_show(value).text, list_types().text);
    }
}

struct options {
    const struct protocol_codec *codec;
    enum element_of of;
    struct yaml_value of_value; /* `{0}`: there is none */
};

static void read_option_type(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_type(value, key, &((struct options *)target)->codec);
}

static void read_option_of(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    struct options *options = target;
    struct bytes text;
    options->of_value = value;
    if (!yaml_text(value, &text) || !element_of_find(text, &options->of)) {
        yaml_mistake(value, "%s as what the elements are; expected %s", yaml_show(value).text,
                     list_of().text);
    }
}

/* `{type: or-set, of: string}`; answers the codec, or NULL after a mistake. */
static const struct protocol_codec *read_options(struct yaml_value value, enum element_of *of)
{
    static const struct yaml_key keys[] = {
        {.name = "type", .read = read_option_type, .required = "the type of the field"},
        {.name = "of", .read = read_option_of},
    };
    struct options options = {.of = ELEMENT_STRING};
    yaml_read_keys(value, keys, sizeof keys / sizeof *keys, "a type", &options);
    if (options.codec != NULL && !options.codec->has_elements && options.of_value.reading != NULL) {
        yaml_mistake(options.of_value, "\"of\" for the type %s, which has no elements; expected %s",
                     options.codec->type->name, "the type alone");
        return NULL;
    }
    *of = options.of;
    return options.codec;
}

static void read_field(struct bytes name, struct yaml_value key, struct yaml_value value,
                       void *target)
{
    struct schema *schema = target;
    const struct protocol_codec *codec = NULL;
    enum element_of of = ELEMENT_STRING;
    if (value.node != NULL && fy_node_is_mapping(value.node)) {
        codec = read_options(value, &of);
    } else {
        read_type(value, NULL, &codec);
    }
    if (!check_name(name, key) || codec == NULL) {
        return;
    }
    if (schema->length == LIMIT_FIELDS) {
        yaml_mistake(key, "one more field; expected at most %d in a schema", LIMIT_FIELDS);
        return;
    }
    struct schema_field *field = schema_add_field(schema, name);
    if (field == NULL) {
        yaml_mistake(key, "no memory for the field; expected some");
        return;
    }
    field->codec = codec;
    field->of = of;
}

/* The schema to read fields into; `unnamed` after a mistake: fields are read for theirs too. */
static struct schema *add_schema(struct schema_set *schemas, struct bytes name,
                                 struct yaml_value key, struct schema *unnamed)
{
    if (!check_name(name, key)) {
        return unnamed;
    }
    if (schemas->length == LIMIT_SCHEMAS) {
        yaml_mistake(key, "one more schema; expected at most %d", LIMIT_SCHEMAS);
        return unnamed;
    }
    struct schema *schema = schema_set_add(schemas, name);
    if (schema == NULL) {
        yaml_mistake(key, "no memory for the schema; expected some");
        return unnamed;
    }
    return schema;
}

static void read_schema(struct bytes name, struct yaml_value key, struct yaml_value value,
                        void *target)
{
    struct schema unnamed = {0};
    struct schema *schema = add_schema(target, name, key, &unnamed);
    yaml_read_names(value, "fields and their types, such as \"likes: g-counter\"", read_field,
                    schema);
    free(unnamed.fields);
}

void config_read_schemas(struct yaml_value value, struct schema_set *schemas)
{
    yaml_read_names(value, "schemas, such as \"post: {likes: g-counter}\"", read_schema, schemas);
}
