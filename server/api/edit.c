/*
 * Edits from JSON: the body of a PATCH, and of a POST, as one update's changes. All of them take
 * effect or none does, since the hub takes an update as a whole.
 *
 *     PATCH {"likes": {"increment": 3}, "tags": {"remove": ["a"], "add": ["b"]}}
 *     POST  .../likes/increment {"by": 3}
 */
#include <stdio.h>
#include <string.h>

#include "protocol/json/element_json.h"
#include "server/api/state.h"

/* --- what the hub has told --- */

size_t told_begin(struct bytes result, struct reader *reader, uint64_t *position)
{
    *reader = reader_of(result);
    if (read_map(reader, LIMIT_OBJECTS) != 2) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    (void)read_string(reader, LIMIT_TEXT_BYTES);
    *position = read_uint(reader);
    (void)read_string(reader, LIMIT_TEXT_BYTES);
    return read_array(reader, LIMIT_FIELDS);
}

bool told_read(struct reader *reader, struct told_field *field)
{
    *field = (struct told_field){.number = 0};
    (void)read_tuple(reader, 6);
    field->number = read_uint(reader);
    field->name = read_string(reader, LIMIT_SCHEMA_NAME_BYTES);
    if (!declaration_read(reader, &field->declared)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
        return false;
    }
    field->position = read_uint(reader);
    field->value = read_raw(reader);
    if (!reader_ok(reader)) {
        declaration_finish(&field->declared);
        return false;
    }
    return true;
}

void edit_write_fields(const struct errand *errand, struct writer *writer)
{
    const char *name;
    json_t *edits;
    if (errand->target.field[0] != '\0') {
        write_array(writer, 1);
        write_text(writer, errand->target.field);
        return;
    }
    write_array(writer, json_object_size(errand->body));
    json_object_foreach(errand->body, name, edits) { write_text(writer, name); }
}

/* --- arguments --- */

/* An edit's arguments on their way from JSON to msgpack, one behind the other. */
struct arguments {
    struct buffer buffer;
    struct bytes *list; /* lengths; the places follow once the buffer grows no more */
    size_t length;
    size_t capacity;
};

static bool note(struct arguments *arguments, size_t before)
{
    if (arguments->length == arguments->capacity) {
        size_t capacity = arguments->capacity * 2 + 4;
        struct bytes *grown = realloc(arguments->list, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        arguments->list = grown;
        arguments->capacity = capacity;
    }
    arguments->list[arguments->length++].length = arguments->buffer.length - before;
    return true;
}

static bool add_value(struct arguments *arguments, const json_t *value)
{
    struct writer writer = writer_to(&arguments->buffer);
    size_t before = arguments->buffer.length;
    return element_from_json(&writer, value) && note(arguments, before);
}

static bool add_text(struct arguments *arguments, const char *text)
{
    struct writer writer = writer_to(&arguments->buffer);
    size_t before = arguments->buffer.length;
    write_text(&writer, text);
    return writer.status == PROTOCOL_OK && note(arguments, before);
}

static bool add_values(struct arguments *arguments, const json_t *list, bool strings)
{
    bool good = json_is_array(list) && json_array_size(list) > 0;
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        good = (!strings || json_is_string(value)) && add_value(arguments, value);
    }
    return good;
}

static bool add_argument(struct arguments *arguments, const struct declaration *declared,
                         const char *verb, const json_t *argument);

/* `{"KEY": {"EDIT": ...}}`, one key at a time. */
static bool add_put(struct arguments *arguments, const struct declaration *declared,
                    const char *key, const json_t *inner)
{
    void *at = json_object_iter((json_t *)(uintptr_t)inner);
    if (!json_is_object(inner) || json_object_size(inner) != 1) {
        return false;
    }
    const char *verb = json_object_iter_key(at);
    return add_text(arguments, key) && add_text(arguments, verb) &&
           add_argument(arguments, declared->inner, verb, json_object_iter_value(at));
}

static bool add_only_put(struct arguments *arguments, const struct declaration *declared,
                         const json_t *keys)
{
    void *at = json_object_iter((json_t *)(uintptr_t)keys);
    return json_is_object(keys) && json_object_size(keys) == 1 &&
           add_put(arguments, declared, json_object_iter_key(at), json_object_iter_value(at));
}

static bool add_argument(struct arguments *arguments, const struct declaration *declared,
                         const char *verb, const json_t *argument)
{
    switch (edit_takes(bytes_of_text(verb), declared)) {
    case EDIT_NOTHING:
        return json_is_true(argument);
    case EDIT_AMOUNT:
        return json_is_integer(argument) && add_value(arguments, argument);
    case EDIT_ELEMENTS:
        return add_values(arguments, argument, false);
    case EDIT_VALUE:
        return add_value(arguments, argument);
    case EDIT_KEYS:
        return add_values(arguments, argument, true);
    case EDIT_PUT:
        return add_only_put(arguments, declared, argument);
    case EDIT_UNKNOWN:
    case EDIT_RESERVE: /* a lease belongs to a device that draws from it */
        break;
    }
    return false;
}

/* --- changes --- */

/* One field's edits as they gather. */
struct gathering {
    const struct declaration *declared;
    struct crdt_field *view;    /* NULL: not needed */
    struct crdt_change *change; /* NULL: none yet */
    struct crdt_entry entry;    /* of a replica that has counted nothing else */
    uint64_t now_ms;
    size_t edits;
};

static void place_arguments(struct arguments *arguments)
{
    const uint8_t *at = arguments->buffer.data;
    for (size_t i = 0; i < arguments->length; i++) {
        arguments->list[i].data = at;
        at += arguments->list[i].length;
    }
}

static bool make(struct gathering *gathering, const char *verb, struct arguments *arguments)
{
    const struct crdt_type *type = gathering->declared->crdt.type;
    struct crdt_change *change = type->change_create(type);
    place_arguments(arguments);
    struct edit_call call = {
        .verb = bytes_of_text(verb), .arguments = arguments->list, .length = arguments->length};
    struct edit_place place = {.declared = gathering->declared,
                               .view = gathering->view,
                               .change = change,
                               .entry = &gathering->entry};
    bool good = change != NULL && edit_make(&call, &place) &&
                crdt_change_stamp(change, gathering->view, gathering->now_ms) == CRDT_OK;
    gathering->edits++;
    if (good && gathering->change == NULL) {
        gathering->change = change;
        return true;
    }
    good = good && type->gather(gathering->change, change) == CRDT_OK;
    type->change_destroy(change);
    return good;
}

static bool make_one(struct gathering *gathering, const char *verb, const json_t *argument,
                     const char *key)
{
    struct arguments arguments = {.length = 0};
    buffer_init(&arguments.buffer, LIMIT_BODY_BYTES);
    bool added = key == NULL ? add_argument(&arguments, gathering->declared, verb, argument)
                             : add_put(&arguments, gathering->declared, key, argument);
    bool good = added && make(gathering, verb, &arguments);
    buffer_finish(&arguments.buffer);
    free(arguments.list);
    return good;
}

/* `{"put": {"a": {...}, "b": {...}}}` is an edit for each key. */
static bool make_edit(struct gathering *gathering, const char *verb, json_t *argument)
{
    const char *key;
    json_t *inner;
    if (edit_takes(bytes_of_text(verb), gathering->declared) != EDIT_PUT) {
        return make_one(gathering, verb, argument, NULL);
    }
    bool good = json_is_object(argument) && json_object_size(argument) > 0;
    json_object_foreach(argument, key, inner)
    {
        good = good && make_one(gathering, verb, inner, key);
    }
    return good;
}

/* What a POST's body is in a PATCH; a new reference. NULL: it is not what the edit takes. */
static json_t *argument_of_post(const struct declaration *declared, const char *verb, json_t *body)
{
    json_t *key = json_object_get(body, "key");
    json_t *value = json_object_get(body, "value");
    size_t length = json_object_size(body); /* 0 of none */
    switch (edit_takes(bytes_of_text(verb), declared)) {
    case EDIT_NOTHING:
        return length == 0 ? json_true() : NULL;
    case EDIT_AMOUNT:
        return length == 0 ? json_integer(1)
                           : (length == 1 ? json_incref(json_object_get(body, "by")) : NULL);
    case EDIT_ELEMENTS:
        return length == 1 ? json_incref(json_object_get(body, "elements")) : NULL;
    case EDIT_VALUE:
        return length == 1 ? json_incref(value) : NULL;
    case EDIT_KEYS:
        return length == 1 ? json_incref(json_object_get(body, "keys")) : NULL;
    case EDIT_PUT:
        if (length != 2 || !json_is_string(key)) {
            return NULL;
        }
        return value != NULL
                   ? json_pack("{s:{s:O}}", json_string_value(key), "set", value)
                   : json_pack("{s:O}", json_string_value(key), json_object_get(body, "edit"));
    case EDIT_UNKNOWN:
    case EDIT_RESERVE:
        break;
    }
    return NULL;
}

static bool make_edits(struct gathering *gathering, const struct errand *errand,
                       const struct told_field *field)
{
    char name[LIMIT_SCHEMA_NAME_BYTES + 1];
    const char *verb;
    json_t *argument;
    if (errand->target.action == API_POST) {
        argument = argument_of_post(&field->declared, errand->target.verb, errand->body);
        bool good = argument != NULL && make_edit(gathering, errand->target.verb, argument);
        json_decref(argument);
        return good;
    }
    memcpy(name, field->name.data, field->name.length);
    name[field->name.length] = '\0';
    json_t *edits = json_object_get(errand->body, name);
    bool good = json_is_object(edits) && json_object_size(edits) > 0;
    json_object_foreach(edits, verb, argument)
    {
        good = good && make_edit(gathering, verb, argument);
    }
    return good;
}

static bool read_view(struct gathering *gathering, const struct told_field *field)
{
    const struct declaration *declared = &field->declared;
    if (!edit_needs_view(declared)) {
        return true;
    }
    struct reader reader = reader_of(field->value);
    gathering->view = declared->crdt.type->create(&declared->crdt, 0);
    if (gathering->view == NULL) {
        return false;
    }
    declared->codec->read_content(&reader, declared, gathering->view, field->position);
    return reader_ok(&reader);
}

/* What such an edit takes, in a sentence. */
static void refuse(struct errand *errand, const struct told_field *field, bool alone)
{
    char known[API_DETAIL_BYTES / 2];
    char detail[API_DETAIL_BYTES];
    edit_describe(&field->declared, known, sizeof known);
    (void)snprintf(detail, sizeof detail, "%.*s: %s%s; docs/http.md has the form of each.",
                   (int)field->name.length, (const char *)field->name.data, known,
                   alone ? ", and one edit at a time" : "");
    errand_refuse(errand, PROBLEM_BAD_EDIT, detail);
}

static bool write_field(struct errand *errand, const struct told_field *field,
                        struct writer *writer)
{
    const struct api_config *config = &errand->api->config;
    struct gathering gathering = {.declared = &field->declared,
                                  .now_ms = config->now_ms(config->context)};
    const struct crdt_type *type = field->declared.crdt.type;
    bool alone = crdt_declaration_company(&field->declared.crdt) == CRDT_ALONE;
    bool good = read_view(&gathering, field) && make_edits(&gathering, errand, field) &&
                (!alone || gathering.edits == 1);
    if (good) {
        write_uint(writer, field->number);
        field->declared.codec->write_change(writer, gathering.change);
    } else {
        refuse(errand, field, alone);
    }
    type->change_destroy(gathering.change);
    if (gathering.view != NULL) {
        type->destroy(gathering.view);
    }
    return good;
}

/* What an update's head and context add at most. */
enum { UPDATE_HEAD_BYTES = 128 };

bool edit_prepare(struct errand *errand, struct bytes result)
{
    struct reader reader;
    struct told_field field;
    size_t length = told_begin(result, &reader, &errand->position);
    struct writer writer = writer_to(&errand->changes);
    write_map(&writer, length);
    bool good = true;
    for (size_t i = 0; good && i < length && told_read(&reader, &field); i++) {
        good = write_field(errand, &field, &writer);
        declaration_finish(&field.declared);
    }
    if (good && errand->changes.length + UPDATE_HEAD_BYTES > errand->message_bytes) {
        errand_refuse(errand, PROBLEM_TOO_LONG, NULL);
    } else if (good && (!reader_ok(&reader) || writer.status != PROTOCOL_OK)) {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    return good && !errand->over;
}
