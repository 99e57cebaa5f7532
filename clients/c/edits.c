#include "clients/c/edits.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/counter.h"
#include "crdt/orset.h"
#include "protocol/element.h"

/* --- elements --- */

static bool write_json(struct writer *writer, const json_t *value, size_t depth);

static int by_bytes(const void *a, const void *b)
{
    return bytes_compare(buffer_bytes(a), buffer_bytes(b));
}

/* Keys ascend by their canonical bytes; each is encoded with its value behind it. */
static bool write_json_object(struct writer *writer, json_t *object, size_t depth)
{
    size_t length = json_object_size(object);
    struct buffer *pairs = calloc(length + 1, sizeof *pairs);
    bool good = pairs != NULL;
    size_t made = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!good) {
            break;
        }
        buffer_init(&pairs[made], LIMIT_ELEMENT_BYTES);
        struct writer pair = writer_to(&pairs[made++]);
        write_text(&pair, key);
        good = write_json(&pair, value, depth + 1) && pair.status == PROTOCOL_OK;
    }
    if (good) {
        qsort(pairs, made, sizeof *pairs, by_bytes);
        write_map(writer, length);
    }
    for (size_t i = 0; i < made; i++) {
        if (good) {
            write_raw(writer, buffer_bytes(&pairs[i]));
        }
        buffer_finish(&pairs[i]);
    }
    free(pairs);
    return good;
}

static bool write_json(struct writer *writer, const json_t *value, size_t depth)
{
    bool good = depth <= LIMIT_ELEMENT_DEPTH;
    switch (json_typeof(value)) {
    case JSON_NULL:
        write_nil(writer);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        write_bool(writer, json_is_true(value));
        break;
    case JSON_INTEGER:
        write_element_number(writer, (double)json_integer_value(value));
        break;
    case JSON_REAL:
        write_element_number(writer, json_real_value(value));
        break;
    case JSON_STRING:
        write_text(writer, json_string_value(value));
        break;
    case JSON_ARRAY:
        write_array(writer, json_array_size(value));
        for (size_t i = 0; good && i < json_array_size(value); i++) {
            good = write_json(writer, json_array_get(value, i), depth + 1);
        }
        break;
    case JSON_OBJECT:
        good = good && write_json_object(writer, (json_t *)(uintptr_t)value, depth);
        break;
    }
    return good;
}

/* Strings and bytes stand as they are; everything else is JSON. */
static bool write_element(struct writer *writer, const char *text, enum element_of of)
{
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};
    if (of == ELEMENT_STRING) {
        write_string(writer, bytes);
        return true;
    }
    if (of == ELEMENT_BYTES) {
        write_bin(writer, bytes);
        return true;
    }
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    bool good = value != NULL && write_json(writer, value, 0);
    json_decref(value);
    return good;
}

typedef enum crdt_status set_edit(struct crdt_orset_change *change, struct bytes element);

static bool edit_elements(const struct edit *edit, const struct schema_field *field,
                          struct crdt_change *change, set_edit *apply)
{
    bool good = edit->length > 0;
    for (size_t i = 0; i < edit->length && good; i++) {
        struct buffer element;
        buffer_init(&element, LIMIT_ELEMENT_BYTES);
        struct writer writer = writer_to(&element);
        good = write_element(&writer, edit->values[i], field->declared.of) &&
               writer.status == PROTOCOL_OK;
        struct reader reader = reader_of(buffer_bytes(&element));
        struct bytes checked = good ? read_element(&reader, field->declared.of) : (struct bytes){0};
        good = good && reader_ok(&reader) &&
               apply((struct crdt_orset_change *)change, checked) == CRDT_OK;
        buffer_finish(&element);
    }
    return good;
}

static bool add(const struct edit *edit, const struct schema_field *field,
                struct crdt_change *change, struct crdt_entry *entry)
{
    (void)entry;
    return edit_elements(edit, field, change, crdt_orset_add);
}

static bool remove_elements(const struct edit *edit, const struct schema_field *field,
                            struct crdt_change *change, struct crdt_entry *entry)
{
    (void)entry;
    return edit_elements(edit, field, change, crdt_orset_remove);
}

static bool clear(const struct edit *edit, const struct schema_field *field,
                  struct crdt_change *change, struct crdt_entry *entry)
{
    (void)field;
    (void)entry;
    crdt_orset_clear((struct crdt_orset_change *)change);
    return edit->length == 0;
}

/* --- counters --- */

/* A whole number of at least 1; none stands for 1. */
static bool amount_of(const struct edit *edit, uint64_t *amount)
{
    char *end;
    *amount = 1;
    if (edit->length == 0) {
        return true;
    }
    errno = 0;
    *amount = strtoull(edit->values[0], &end, 10);
    return edit->length == 1 && edit->values[0][0] >= '0' && edit->values[0][0] <= '9' &&
           *end == '\0' && errno == 0 && *amount >= 1 && *amount <= (uint64_t)CRDT_INTEGER_MAX;
}

static bool increment(const struct edit *edit, const struct schema_field *field,
                      struct crdt_change *change, struct crdt_entry *entry)
{
    uint64_t amount;
    (void)field;
    return amount_of(edit, &amount) &&
           crdt_counter_count((struct crdt_counter_change *)change, entry, amount, 0) == CRDT_OK;
}

static bool decrement(const struct edit *edit, const struct schema_field *field,
                      struct crdt_change *change, struct crdt_entry *entry)
{
    uint64_t amount;
    (void)field;
    return amount_of(edit, &amount) &&
           crdt_counter_count((struct crdt_counter_change *)change, entry, 0, amount) == CRDT_OK;
}

static const struct {
    const struct crdt_type *type;
    const char *verb;
    bool (*apply)(const struct edit *edit, const struct schema_field *field,
                  struct crdt_change *change, struct crdt_entry *entry);
} edits[] = {
    {&crdt_gcounter, "increment", increment},  {&crdt_pncounter, "increment", increment},
    {&crdt_pncounter, "decrement", decrement}, {&crdt_orset, "add", add},
    {&crdt_orset, "remove", remove_elements},  {&crdt_orset, "clear", clear},
};

bool edit_apply(const struct edit *edit, const struct schema_field *field,
                struct crdt_change *change, struct crdt_entry *entry)
{
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        if (edits[i].type == field->declared.crdt.type && strcmp(edits[i].verb, edit->verb) == 0) {
            return edits[i].apply(edit, field, change, entry);
        }
    }
    return false;
}
