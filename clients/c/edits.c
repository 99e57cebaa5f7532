#include "clients/c/edits.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "protocol/element.h"
#include "protocol/json/element_json.h"

/* An edit's arguments on their way from words to msgpack, one behind the other. */
struct argument_list {
    struct buffer buffer;
    struct bytes *arguments; /* lengths; the places follow once the buffer grows no more */
    size_t length;
};

/* --- words --- */

static bool write_amount(struct writer *writer, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long amount = strtoull(text, &end, 10);
    write_uint(writer, amount);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* Strings and bytes stand as they are; everything else is JSON. */
static bool write_element(struct writer *writer, const char *text, enum element_of of)
{
    if (of == ELEMENT_STRING) {
        write_string(writer, bytes_of_text(text));
        return true;
    }
    if (of == ELEMENT_BYTES) {
        write_bin(writer, bytes_of_text(text));
        return true;
    }
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    bool good = value != NULL && element_from_json(writer, value);
    json_decref(value);
    return good;
}

static bool write_word(struct writer *writer, const char *text, enum edit_takes takes,
                       enum element_of of)
{
    switch (takes) {
    case EDIT_AMOUNT:
    case EDIT_RESERVE:
        return write_amount(writer, text);
    case EDIT_ELEMENTS:
    case EDIT_VALUE:
        return write_element(writer, text, of);
    case EDIT_KEYS:
        write_string(writer, bytes_of_text(text));
        return true;
    case EDIT_UNKNOWN:
    case EDIT_NOTHING:
    case EDIT_PUT:
        break;
    }
    return false;
}

bool edit_read_element(const struct declaration *declared, const char *text, struct buffer *buffer,
                       struct bytes *element)
{
    struct writer writer = writer_to(buffer);
    bool good = write_element(&writer, text, declared->of) && writer.status == PROTOCOL_OK;
    struct reader reader = reader_of(buffer_bytes(buffer));
    if (good) {
        *element = read_element(&reader, declared->of);
    }
    return good && reader_ok(&reader);
}

/* --- lists of arguments --- */

static bool add_word(struct argument_list *list, const char *text, enum edit_takes takes,
                     enum element_of of)
{
    struct writer writer = writer_to(&list->buffer);
    size_t before = list->buffer.length;
    bool good = write_word(&writer, text, takes, of) && writer.status == PROTOCOL_OK;
    list->arguments[list->length++].length = list->buffer.length - before;
    return good;
}

static bool add_words(struct argument_list *list, const struct edit *edit,
                      const struct declaration *declared);

/* `put KEY VERB VALUE...`; and `put KEY VALUE` where a value can be set. */
static bool add_put(struct argument_list *list, const struct edit *edit,
                    const struct declaration *declared)
{
    struct edit inner = {.verb = "set", .values = edit->values + 1, .length = 1};
    if (edit->length < 2 || declared->inner == NULL) {
        return false;
    }
    if (edit->length > 2 || edit_takes(bytes_of_text("set"), declared->inner) == EDIT_UNKNOWN) {
        inner = (struct edit){
            .verb = edit->values[1], .values = edit->values + 2, .length = edit->length - 2};
    }
    return add_word(list, edit->values[0], EDIT_KEYS, ELEMENT_STRING) &&
           add_word(list, inner.verb, EDIT_KEYS, ELEMENT_STRING) &&
           add_words(list, &inner, declared->inner);
}

static bool add_words(struct argument_list *list, const struct edit *edit,
                      const struct declaration *declared)
{
    enum edit_takes takes = edit_takes(bytes_of_text(edit->verb), declared);
    bool good = takes != EDIT_UNKNOWN;
    if (takes == EDIT_PUT) {
        return add_put(list, edit, declared);
    }
    for (size_t i = 0; good && i < edit->length; i++) {
        good = add_word(list, edit->values[i], takes, declared->of);
    }
    return good;
}

static void place_arguments(struct argument_list *list)
{
    const uint8_t *at = list->buffer.data;
    for (size_t i = 0; i < list->length; i++) {
        list->arguments[i].data = at;
        at += list->arguments[i].length;
    }
}

bool edit_apply(const struct edit *edit, const struct edit_place *place)
{
    /* Where a map's edit is not named, it has one argument more than words; maps hold maps. */
    struct argument_list list = {
        .arguments = calloc(edit->length + LIMIT_MAP_DEPTH + 1, sizeof *list.arguments)};
    buffer_init(&list.buffer, LIMIT_BODY_BYTES);
    bool good = list.arguments != NULL && add_words(&list, edit, place->declared);
    if (good) {
        place_arguments(&list);
        struct edit_call call = {
            .verb = bytes_of_text(edit->verb), .arguments = list.arguments, .length = list.length};
        good = edit_make(&call, place);
    }
    buffer_finish(&list.buffer);
    free(list.arguments);
    return good;
}
