#include "server/grants.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "server/hub/access.h"

static const char subject_mark[] = "{sub}";
enum { MARK_LENGTH = sizeof subject_mark - 1 };

static bool is_mark(struct bytes pattern, size_t at)
{
    return pattern.length - at >= MARK_LENGTH &&
           memcmp(pattern.data + at, subject_mark, MARK_LENGTH) == 0;
}

/* A brace that is no {sub} would be a name that nobody means. */
static bool has_known_marks(struct bytes pattern)
{
    for (size_t i = 0; i < pattern.length; i++) {
        uint8_t byte = pattern.data[i];
        bool star = byte == '*' && i + 1 < pattern.length;
        bool end = byte == '}' && (i + 1 < MARK_LENGTH || !is_mark(pattern, i + 1 - MARK_LENGTH));
        if (byte < ' ' || star || end || (byte == '{' && !is_mark(pattern, i))) {
            return false;
        }
    }
    return true;
}

bool grant_pattern_valid(struct bytes pattern)
{
    struct bytes schema;
    struct bytes key;
    if (pattern.length == 1 && pattern.data[0] == '*') {
        return true;
    }
    document_name_split(pattern, &schema, &key);
    return pattern.length <= LIMIT_DOCUMENT_NAME_BYTES && schema_name_valid(schema) &&
           key.length > 0 && has_known_marks(pattern);
}

unsigned grant_right(struct bytes word)
{
    static const struct {
        const char *word;
        unsigned right;
    } rights[] = {{"read", ACCESS_READ},
                  {"write", ACCESS_WRITE},
                  {"presence", ACCESS_PRESENCE},
                  {"admin", ACCESS_ADMIN}};
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        if (bytes_equal(word, bytes_of_text(rights[i].word))) {
            return rights[i].right;
        }
    }
    return 0;
}

bool grants_add(struct grants *grants, struct bytes pattern, unsigned rights)
{
    struct grant *grown = realloc(grants->items, (grants->length + 1) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    grants->items = grown;
    char *copy = strndup((const char *)pattern.data, pattern.length);
    if (copy == NULL) {
        return false;
    }
    grown[grants->length++] = (struct grant){.pattern = copy, .rights = rights};
    return true;
}

void grants_finish(struct grants *grants)
{
    for (size_t i = 0; i < grants->length; i++) {
        free(grants->items[i].pattern);
    }
    free(grants->items);
    *grants = (struct grants){0};
}

/* The pattern with the principal filled in; false: no document has such a name. */
static bool fill_in(struct bytes pattern, const char *subject, struct buffer *name)
{
    for (size_t i = 0; i < pattern.length;) {
        bool mark = is_mark(pattern, i);
        struct bytes part = mark ? bytes_of_text(subject) : (struct bytes){pattern.data + i, 1};
        if ((mark && strchr(subject, '/') != NULL) ||
            buffer_append(name, part.data, part.length) != PROTOCOL_OK) {
            return false;
        }
        i += mark ? MARK_LENGTH : 1;
    }
    return true;
}

void grants_write(const struct grants *grants, const char *subject, struct writer *writer)
{
    for (size_t i = 0; i < grants->length; i++) {
        uint8_t room[LIMIT_DOCUMENT_NAME_BYTES];
        struct buffer name = {.data = room, .capacity = sizeof room, .limit = sizeof room};
        struct bytes pattern = bytes_of_text(grants->items[i].pattern);
        bool prefix = pattern.data[pattern.length - 1] == '*';
        pattern.length -= prefix;
        if (fill_in(pattern, subject, &name)) {
            access_grant(writer, buffer_bytes(&name), prefix, grants->items[i].rights);
        }
    }
}

/* 0: something is no right. */
static unsigned parse_rights(const json_t *list)
{
    unsigned rights = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        unsigned right = word == NULL ? 0 : grant_right(bytes_of_text(word));
        if (right == 0) {
            return 0;
        }
        rights |= right;
    }
    return rights;
}

static enum grants_status parse_object(json_t *object, struct grants *grants)
{
    const char *pattern;
    json_t *list;
    if (!json_is_object(object) || json_object_size(object) > GRANTS_MAX) {
        return GRANTS_BAD;
    }
    json_object_foreach(object, pattern, list)
    {
        unsigned rights = parse_rights(list);
        if (rights == 0 || !grant_pattern_valid(bytes_of_text(pattern))) {
            return GRANTS_BAD;
        }
        if (!grants_add(grants, bytes_of_text(pattern), rights)) {
            return GRANTS_NO_MEMORY;
        }
    }
    return GRANTS_OK;
}

enum grants_status grants_parse(const char *json, struct grants *grants)
{
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    enum grants_status status = parse_object(object, grants);
    grants->given = true;
    json_decref(object);
    return status;
}
