#include "protocol/schema.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/reader.h"

void schema_finish(struct schema *schema)
{
    for (size_t i = 0; i < schema->length; i++) {
        declaration_finish(&schema->fields[i].declared);
    }
    free(schema->fields);
    schema->fields = NULL;
    schema->length = 0;
}

void schema_set_finish(struct schema_set *set)
{
    for (size_t i = 0; i < set->length; i++) {
        schema_finish(&set->schemas[i]);
    }
    free(set->schemas);
    *set = (struct schema_set){0};
}

struct schema *schema_set_add(struct schema_set *set, struct bytes name)
{
    struct schema *grown = realloc(set->schemas, (set->length + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    set->schemas = grown;
    struct schema *added = &grown[set->length++];
    *added = (struct schema){0};
    memcpy(added->name, name.data, name.length);
    return added;
}

struct schema_field *schema_add_field(struct schema *schema, struct bytes name)
{
    struct schema_field *grown = realloc(schema->fields, (schema->length + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    schema->fields = grown;
    struct schema_field *added = &grown[schema->length++];
    *added = (struct schema_field){0};
    memcpy(added->name, name.data, name.length);
    return added;
}

const struct schema *schema_find(const struct schema_set *set, struct bytes name)
{
    for (size_t i = 0; i < set->length; i++) {
        if (bytes_equal(bytes_of_text(set->schemas[i].name), name)) {
            return &set->schemas[i];
        }
    }
    return NULL;
}

const struct schema_field *schema_field_by_number(const struct schema *schema, uint64_t number)
{
    for (size_t i = 0; i < schema->length; i++) {
        if (schema->fields[i].number == number) {
            return &schema->fields[i];
        }
    }
    return NULL;
}

const struct schema_field *schema_field_by_name(const struct schema *schema, struct bytes name)
{
    for (size_t i = 0; i < schema->length; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (!field->aside && bytes_equal(bytes_of_text(field->name), name)) {
            return field;
        }
    }
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = ((const struct schema_field *)a)->number;
    uint32_t right = ((const struct schema_field *)b)->number;
    return (left > right) - (left < right);
}

void schema_sort(struct schema *schema)
{
    if (schema->length > 0) { /* else there are none to point to */
        qsort(schema->fields, schema->length, sizeof *schema->fields, by_number);
    }
}

bool schema_equal(const struct schema *a, const struct schema *b)
{
    if (strcmp(a->name, b->name) != 0 || a->length != b->length) {
        return false;
    }
    for (size_t i = 0; i < a->length; i++) {
        const struct schema_field *one = &a->fields[i];
        const struct schema_field *other = &b->fields[i];
        if (one->number != other->number || strcmp(one->name, other->name) != 0 ||
            !declaration_equal(&one->declared, &other->declared)) {
            return false;
        }
    }
    return true;
}

void schema_adopt(struct schema *schema, struct schema *from)
{
    struct schema_field *fields = schema->fields;
    for (size_t i = 0; i < schema->length; i++) {
        struct schema_field field = fields[i];
        struct declaration kept = from->fields[i].declared;
        fields[i] = from->fields[i];
        fields[i].declared = field.declared;
        from->fields[i] = field;
        from->fields[i].declared = kept;
    }
    schema->fields = from->fields;
    from->fields = fields;
}

/* By the schema's name too, or all canaries would be the same people. */
bool schema_offers(const struct schema *schema, struct bytes principal)
{
    uint64_t hash = bytes_hash(principal, bytes_hash(bytes_of_text(schema->name), 0));
    return hash % SCHEMA_SHARE_ALL >= schema->withheld;
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

bool schema_name_valid(struct bytes name)
{
    if (name.length == 0 || name.length > LIMIT_SCHEMA_NAME_BYTES || !is_letter(name.data[0])) {
        return false;
    }
    for (size_t i = 1; i < name.length; i++) {
        uint8_t byte = name.data[i];
        bool digit = byte >= '0' && byte <= '9';
        if (!is_letter(byte) && !digit && byte != '_' && byte != '-') {
            return false;
        }
    }
    return true;
}

void document_name_split(struct bytes name, struct bytes *schema, struct bytes *key)
{
    const uint8_t *slash = name.length == 0 ? NULL : memchr(name.data, '/', name.length);
    size_t before = slash == NULL ? name.length : (size_t)(slash - name.data);
    size_t behind = slash == NULL ? name.length : before + 1;
    *schema = (struct bytes){name.data, before};
    *key = (struct bytes){name.length == 0 ? NULL : name.data + behind, name.length - behind};
}

int document_name_compare(struct bytes a, struct bytes b)
{
    struct bytes schemas[2];
    struct bytes keys[2];
    document_name_split(a, &schemas[0], &keys[0]);
    document_name_split(b, &schemas[1], &keys[1]);
    int order = bytes_compare(schemas[0], schemas[1]);
    return order != 0 ? order : bytes_compare(keys[0], keys[1]);
}

bool document_name_valid(struct bytes name, struct bytes *schema, struct bytes *key)
{
    if (name.length == 0 || name.length > LIMIT_DOCUMENT_NAME_BYTES || !utf8_valid(name)) {
        return false;
    }
    document_name_split(name, schema, key);
    for (size_t i = 0; i < key->length; i++) {
        if (key->data[i] < 0x20 || key->data[i] == 0x7f) {
            return false;
        }
    }
    return key->length > 0 && schema_name_valid(*schema);
}
