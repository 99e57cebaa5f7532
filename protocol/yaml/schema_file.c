#include "protocol/yaml/schema_file.h"

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

/* The options of a field, where they stand; `{0}`: there is none. */
struct options {
    const struct protocol_codec *codec;
    struct yaml_value of;
    struct yaml_value min;
    struct yaml_value max;
    struct yaml_value wins;
    struct yaml_value write;
};

static void read_option_type(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_type(value, key, &((struct options *)target)->codec);
}

static void keep_option(struct yaml_value value, const struct yaml_key *key, void *target)
{
    *(struct yaml_value *)((char *)target + key->offset) = value;
}

static bool is_given(struct yaml_value option) { return option.reading != NULL; }

/* False: the option is there, and the type does not take it. */
static bool check_option(const struct options *options, struct yaml_value option, bool taken,
                         const char *name, const char *lacks)
{
    if (taken || !is_given(option)) {
        return true;
    }
    yaml_mistake(option, "\"%s\" for the type %s, which has no %s; expected %s", name,
                 options->codec->type->name, lacks, "the type alone");
    return false;
}

static bool check_options(const struct options *options)
{
    const struct protocol_codec *codec = options->codec;
    bool of =
        check_option(options, options->of, codec->takes_of || codec->takes_type, "of", "elements");
    bool min = check_option(options, options->min, codec->takes_bounds, "min", "bounds");
    bool max = check_option(options, options->max, codec->takes_bounds, "max", "bounds");
    return check_option(options, options->wins, codec->takes_wins, "wins", "sides") && of && min &&
           max;
}

static bool read_of(struct yaml_value value, enum element_of *of)
{
    struct bytes text;
    if (is_given(value) && (!yaml_text(value, &text) || !element_of_find(text, of))) {
        yaml_mistake(value, "%s as what the elements are; expected %s", yaml_show(value).text,
                     list_of().text);
        return false;
    }
    return true;
}

/* A counter starts at 0, so 0 is within the bounds. */
static bool read_bound(struct yaml_value value, int64_t least, int64_t greatest,
                       const char *expected, int64_t *bound)
{
    struct bytes text = {0};
    char digits[24] = "";
    char *end = digits;
    if (!is_given(value)) {
        return true;
    }
    bool read = yaml_text(value, &text) && text.length > 0 && text.length < sizeof digits;
    if (read) {
        memcpy(digits, text.data, text.length);
        *bound = strtoll(digits, &end, 10);
    }
    if (!read || *end != '\0' || *bound < least || *bound > greatest) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected);
        return false;
    }
    return true;
}

static bool read_bounds(const struct options *options, struct crdt_declaration *declared)
{
    bool min = read_bound(options->min, -CRDT_INTEGER_MAX, 0,
                          "a whole number of at most 0: a counter starts at 0", &declared->min);
    return read_bound(options->max, 0, CRDT_INTEGER_MAX,
                      "a whole number of at least 0: a counter starts at 0", &declared->max) &&
           min;
}

static bool read_wins(struct yaml_value value, bool *disable_wins)
{
    struct bytes text = {0};
    if (!is_given(value)) {
        return true;
    }
    bool read = yaml_text(value, &text);
    *disable_wins = read && bytes_equal(text, (struct bytes){(const uint8_t *)"disable", 7});
    if (!*disable_wins &&
        !(read && bytes_equal(text, (struct bytes){(const uint8_t *)"enable", 6}))) {
        yaml_mistake(value, "%s as what wins; expected enable or disable", yaml_show(value).text);
        return false;
    }
    return true;
}

/* Who writes the field; what stands in a map has no rights of its own. */
static bool read_write(struct yaml_value value, bool *guarded)
{
    struct bytes text = {0};
    if (!is_given(value)) {
        return true;
    }
    if (guarded == NULL) {
        yaml_mistake(value, "\"write\" inside a map; expected it beside the map's type");
        return false;
    }
    *guarded =
        yaml_text(value, &text) && bytes_equal(text, (struct bytes){(const uint8_t *)"admin", 5});
    if (!*guarded) {
        yaml_mistake(value, "%s as who writes; expected admin, or no key \"write\"",
                     yaml_show(value).text);
    }
    return *guarded;
}

static bool read_declaration(struct yaml_value value, struct declaration *declared, size_t depth,
                             bool *guarded);

static bool read_inner(const struct options *options, struct yaml_value value,
                       struct declaration *declared, size_t depth)
{
    struct declaration inner = {0};
    if (!is_given(options->of)) {
        yaml_mistake(value, "no key \"of\" for the type map; expected the type of its values");
        return false;
    }
    if (depth == LIMIT_MAP_DEPTH) {
        yaml_mistake(options->of, "one more map in a map; expected at most %d", LIMIT_MAP_DEPTH);
        return false;
    }
    if (!read_declaration(options->of, &inner, depth + 1, NULL)) {
        return false;
    }
    if (!declaration_hold(declared, &inner)) {
        declaration_finish(&inner);
        yaml_mistake(options->of, "no memory for the type; expected some");
        return false;
    }
    return true;
}

/* `{type: or-set, of: string}`. */
static bool read_options(struct yaml_value value, struct declaration *declared, size_t depth,
                         bool *guarded)
{
    static const struct yaml_key keys[] = {
        {.name = "type", .read = read_option_type, .required = "the type of the field"},
        {.name = "of", .read = keep_option, .offset = offsetof(struct options, of)},
        {.name = "min", .read = keep_option, .offset = offsetof(struct options, min)},
        {.name = "max", .read = keep_option, .offset = offsetof(struct options, max)},
        {.name = "wins", .read = keep_option, .offset = offsetof(struct options, wins)},
        {.name = "write", .read = keep_option, .offset = offsetof(struct options, write)},
    };
    struct options options = {0};
    yaml_read_keys(value, keys, sizeof keys / sizeof *keys, "a type", &options);
    if (options.codec == NULL || !check_options(&options)) {
        return false;
    }
    declaration_init(declared, options.codec, depth > 0);
    bool write = read_write(options.write, guarded);
    if (options.codec->takes_type) {
        return read_inner(&options, value, declared, depth) && write;
    }
    bool of = read_of(options.of, &declared->of);
    bool bounds = read_bounds(&options, &declared->crdt);
    return read_wins(options.wins, &declared->crdt.disable_wins) && of && bounds && write;
}

/* A type's name, or a mapping of its options. False after a mistake. */
static bool read_declaration(struct yaml_value value, struct declaration *declared, size_t depth,
                             bool *guarded)
{
    const struct protocol_codec *codec = NULL;
    if (value.node != NULL && fy_node_is_mapping(value.node)) {
        return read_options(value, declared, depth, guarded);
    }
    read_type(value, NULL, &codec);
    if (codec != NULL && codec->takes_type) {
        yaml_mistake(value,
                     "the type %s alone; expected {type: %s, of: ...} with the type of its "
                     "values",
                     codec->type->name, codec->type->name);
        return false;
    }
    if (codec != NULL) {
        declaration_init(declared, codec, depth > 0);
    }
    return codec != NULL;
}

static void read_field(struct bytes name, struct yaml_value key, struct yaml_value value,
                       void *target)
{
    struct schema *schema = target;
    struct declaration declared = {0};
    bool guarded = false;
    bool good = read_declaration(value, &declared, 0, &guarded);
    if (!check_name(name, key) || !good) {
        declaration_finish(&declared);
        return;
    }
    struct schema_field *field =
        schema->length == LIMIT_FIELDS ? NULL : schema_add_field(schema, name);
    if (field == NULL && schema->length == LIMIT_FIELDS) {
        yaml_mistake(key, "one more field; expected at most %d in a schema", LIMIT_FIELDS);
    } else if (field == NULL) {
        yaml_mistake(key, "no memory for the field; expected some");
    }
    if (field == NULL) {
        declaration_finish(&declared);
    } else {
        field->declared = declared;
        field->guarded = guarded;
    }
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
    schema_finish(&unnamed);
}

void schema_file_read(struct yaml_value value, struct schema_set *schemas)
{
    yaml_read_names(value, SCHEMA_FILE_EXPECTED, read_schema, schemas);
}

struct file_reading {
    struct schema_set *schemas;
    bool seen;
};

static void read_file_key(struct bytes name, struct yaml_value key, struct yaml_value value,
                          void *target)
{
    struct file_reading *reading = target;
    (void)key;
    if (bytes_equal(name, (struct bytes){(const uint8_t *)"schemas", 7})) {
        reading->seen = true;
        schema_file_read(value, reading->schemas);
    }
}

static void read_root(struct yaml_value root, void *target)
{
    struct file_reading reading = {target, false};
    yaml_read_names(root, "keys and values, such as \"schemas: {post: {likes: g-counter}}\"",
                    read_file_key, &reading);
    if (!reading.seen) {
        yaml_mistake(root, "no key \"schemas\"; expected " SCHEMA_FILE_EXPECTED);
    }
}

bool schema_file_parse(struct bytes text, const char *filename, struct schema_set *schemas,
                       struct buffer *mistakes)
{
    struct yaml_lines lines = {filename, mistakes};
    *schemas = (struct schema_set){0};
    if (!yaml_parse(text, read_root, schemas, yaml_report_line, &lines)) {
        schema_set_finish(schemas);
        return false;
    }
    return true;
}
