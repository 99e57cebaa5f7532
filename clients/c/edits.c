#include "clients/c/edits.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/bounded.h"
#include "crdt/flag.h"
#include "crdt/gset.h"
#include "crdt/map.h"
#include "crdt/register.h"
#include "crdt/tally.h"
#include "crdt/twophase.h"
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
        buffer_init(&pairs[made], LIMIT_VALUE_BYTES);
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

/* Writes the text as an element or value of the field and reads it back, checked; the bytes are
 * `buffer`'s. False: it is none. */
static bool read_text(const struct edit_place *place, const char *text, bool is_value,
                      struct buffer *buffer, struct bytes *checked)
{
    enum element_of of = place->declared->of;
    struct writer writer = writer_to(buffer);
    bool good = write_element(&writer, text, of) && writer.status == PROTOCOL_OK;
    struct reader reader = reader_of(buffer_bytes(buffer));
    if (good) {
        *checked = is_value ? read_value(&reader, of) : read_element(&reader, of);
    }
    return good && reader_ok(&reader);
}

/* --- sets --- */

typedef enum crdt_status set_edit(struct crdt_orset_change *change, struct bytes element);

static bool edit_elements(const struct edit *edit, const struct edit_place *place, set_edit *apply)
{
    bool good = edit->length > 0;
    for (size_t i = 0; i < edit->length && good; i++) {
        struct buffer buffer;
        struct bytes element = {0};
        buffer_init(&buffer, LIMIT_ELEMENT_BYTES);
        good = read_text(place, edit->values[i], false, &buffer, &element) &&
               apply((struct crdt_orset_change *)place->change, element) == CRDT_OK;
        buffer_finish(&buffer);
    }
    return good;
}

static bool add(const struct edit *edit, const struct edit_place *place)
{
    return edit_elements(edit, place, crdt_orset_add);
}

static bool remove_elements(const struct edit *edit, const struct edit_place *place)
{
    return edit_elements(edit, place, crdt_orset_remove);
}

static bool clear(const struct edit *edit, const struct edit_place *place)
{
    crdt_orset_clear((struct crdt_orset_change *)place->change);
    return edit->length == 0;
}

static bool add_twophase(const struct edit *edit, const struct edit_place *place)
{
    return edit_elements(edit, place, crdt_twophase_add);
}

/* Only what is seen can be removed: a tombstone is for ever. */
static bool remove_twophase(const struct edit *edit, const struct edit_place *place)
{
    const struct crdt_orset *seen = (const struct crdt_orset *)place->view;
    bool good = edit->length > 0;
    for (size_t i = 0; i < edit->length && good; i++) {
        struct buffer buffer;
        struct bytes element = {0};
        bool shows = false;
        buffer_init(&buffer, LIMIT_ELEMENT_BYTES);
        good = read_text(place, edit->values[i], false, &buffer, &element);
        if (good && seen != NULL) {
            good = crdt_twophase_contains(seen, element, &shows) == CRDT_OK;
        }
        if (good && shows) {
            good =
                crdt_twophase_remove((struct crdt_orset_change *)place->change, element) == CRDT_OK;
        }
        buffer_finish(&buffer);
    }
    return good;
}

/* --- flags and registers --- */

static bool enable(const struct edit *edit, const struct edit_place *place)
{
    return edit->length == 0 &&
           crdt_flag_set((struct crdt_orset_change *)place->change, true) == CRDT_OK;
}

static bool disable(const struct edit *edit, const struct edit_place *place)
{
    return edit->length == 0 &&
           crdt_flag_set((struct crdt_orset_change *)place->change, false) == CRDT_OK;
}

static enum crdt_status set_mv(struct crdt_orset_change *change, struct bytes value)
{
    return crdt_mv_register_set(change, value);
}

/* The clock comes with the stamp. */
static enum crdt_status set_lww(struct crdt_orset_change *change, struct bytes value)
{
    return crdt_lww_register_set(change, (struct crdt_clock){0}, value);
}

static bool set_value(const struct edit *edit, const struct edit_place *place, set_edit *apply)
{
    struct buffer buffer;
    struct bytes value = {0};
    buffer_init(&buffer, LIMIT_VALUE_BYTES);
    bool good = edit->length == 1 && read_text(place, edit->values[0], true, &buffer, &value) &&
                apply((struct crdt_orset_change *)place->change, value) == CRDT_OK;
    buffer_finish(&buffer);
    return good;
}

static bool set_mv_register(const struct edit *edit, const struct edit_place *place)
{
    return set_value(edit, place, set_mv);
}

static bool set_lww_register(const struct edit *edit, const struct edit_place *place)
{
    return set_value(edit, place, set_lww);
}

/* --- counters --- */

/* A whole number of at least 1. */
static bool read_amount(const char *text, uint64_t *amount)
{
    char *end;
    errno = 0;
    *amount = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *amount >= 1 &&
           *amount <= (uint64_t)CRDT_INTEGER_MAX;
}

/* None stands for 1. */
static bool amount_of(const struct edit *edit, uint64_t *amount)
{
    *amount = 1;
    return edit->length == 0 || (edit->length == 1 && read_amount(edit->values[0], amount));
}

static bool increment(const struct edit *edit, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(edit, &amount) &&
           crdt_counter_count((struct crdt_counter_change *)place->change, place->entry, amount,
                              0) == CRDT_OK;
}

static bool decrement(const struct edit *edit, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(edit, &amount) &&
           crdt_counter_count((struct crdt_counter_change *)place->change, place->entry, 0,
                              amount) == CRDT_OK;
}

static bool increment_tally(const struct edit *edit, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(edit, &amount) &&
           crdt_tally_count((struct crdt_tally_change *)place->change, (int64_t)amount) == CRDT_OK;
}

static bool decrement_tally(const struct edit *edit, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(edit, &amount) &&
           crdt_tally_count((struct crdt_tally_change *)place->change, -(int64_t)amount) == CRDT_OK;
}

/* --- leases of a bounded counter --- */

enum { LEASE_SECONDS = 3600 };

static struct crdt_lease_edit *take_lease(const struct edit_place *place)
{
    struct crdt_lease_edit *lease = &((struct crdt_bounded_change *)place->change)->lease;
    lease->key_length = (uint8_t)place->lease.length;
    memcpy(lease->key, place->lease.data, place->lease.length);
    return lease;
}

/* What this device has reserved goes first. */
static bool decrement_bounded(const struct edit *edit, const struct edit_place *place)
{
    uint64_t amount;
    if (!decrement(edit, place) || !amount_of(edit, &amount)) {
        return false;
    }
    const struct crdt_lease *held =
        place->lease.length == 0 || place->view == NULL
            ? NULL
            : crdt_bounded_lease((const struct crdt_bounded *)place->view, place->lease);
    if (held != NULL) {
        take_lease(place)->drawn = held->left < (int64_t)amount ? held->left : (int64_t)amount;
    }
    return true;
}

/* A change that counts nothing claims what was counted before. */
static void count_nothing(const struct edit_place *place)
{
    ((struct crdt_bounded_change *)place->change)->counter.entry = *place->entry;
}

static bool reserve(const struct edit *edit, const struct edit_place *place)
{
    uint64_t amount;
    uint64_t seconds = LEASE_SECONDS;
    if (edit->length < 1 || edit->length > 2 || place->lease.length == 0 ||
        !read_amount(edit->values[0], &amount) ||
        (edit->length == 2 && !read_amount(edit->values[1], &seconds)) ||
        seconds > LIMIT_LEASE_MS_MAX / 1000) {
        return false;
    }
    struct crdt_lease_edit *lease = take_lease(place);
    lease->reserved = (int64_t)amount;
    lease->ttl_ms = seconds * 1000;
    count_nothing(place);
    return true;
}

static bool release(const struct edit *edit, const struct edit_place *place)
{
    if (edit->length > 0 || place->lease.length == 0) {
        return false;
    }
    (void)take_lease(place);
    count_nothing(place);
    return true;
}

/* --- maps --- */

static struct bytes key_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static bool is_key(struct bytes key) { return key.length <= LIMIT_KEY_BYTES && utf8_valid(key); }

static bool put_edit(const struct edit *edit, const struct edit_place *place, struct bytes key)
{
    const struct declaration *inner = place->declared->inner;
    const struct crdt_type *type = inner->crdt.type;
    struct crdt_entry no_entry = {0};
    struct edit_place nested = *place;
    nested.declared = inner;
    nested.view =
        place->view == NULL ? NULL : crdt_map_find((const struct crdt_map *)place->view, key);
    nested.change = type->change_create(type);
    nested.entry = &no_entry;
    nested.lease = (struct bytes){0};
    if (nested.change == NULL || !edit_apply(edit, &nested)) {
        type->change_destroy(nested.change);
        return false;
    }
    return crdt_map_edit((struct crdt_map_change *)place->change, key, nested.change) == CRDT_OK;
}

/* `put KEY VERB VALUE...`; and `put KEY VALUE` where a value can be set. */
static bool put(const struct edit *edit, const struct edit_place *place)
{
    struct edit inner = {.verb = "set", .values = edit->values + 1, .length = 1};
    if (edit->length < 2 || !is_key(key_of(edit->values[0]))) {
        return false;
    }
    if (edit->length > 2 || !edit_knows(&inner, place->declared->inner)) {
        inner = (struct edit){
            .verb = edit->values[1], .values = edit->values + 2, .length = edit->length - 2};
    }
    return put_edit(&inner, place, key_of(edit->values[0]));
}

static bool remove_keys(const struct edit *edit, const struct edit_place *place)
{
    bool good = edit->length > 0;
    for (size_t i = 0; i < edit->length && good; i++) {
        struct bytes key = key_of(edit->values[i]);
        good =
            is_key(key) && crdt_map_remove((struct crdt_map_change *)place->change, key) == CRDT_OK;
    }
    return good;
}

static const struct {
    const struct crdt_type *type;
    const char *verb;
    bool (*apply)(const struct edit *edit, const struct edit_place *place);
} edits[] = {
    {&crdt_gcounter, "increment", increment},
    {&crdt_pncounter, "increment", increment},
    {&crdt_pncounter, "decrement", decrement},
    {&crdt_bounded, "increment", increment},
    {&crdt_bounded, "decrement", decrement_bounded},
    {&crdt_bounded, "reserve", reserve},
    {&crdt_bounded, "release", release},
    {&crdt_gtally, "increment", increment_tally},
    {&crdt_pntally, "increment", increment_tally},
    {&crdt_pntally, "decrement", decrement_tally},
    {&crdt_bounded_tally, "increment", increment_tally},
    {&crdt_bounded_tally, "decrement", decrement_tally},
    {&crdt_orset, "add", add},
    {&crdt_orset, "remove", remove_elements},
    {&crdt_orset, "clear", clear},
    {&crdt_gset, "add", add},
    {&crdt_twophase, "add", add_twophase},
    {&crdt_twophase, "remove", remove_twophase},
    {&crdt_flag, "enable", enable},
    {&crdt_flag, "disable", disable},
    {&crdt_mv_register, "set", set_mv_register},
    {&crdt_lww_register, "set", set_lww_register},
    {&crdt_map, "put", put},
    {&crdt_map, "remove", remove_keys},
};

enum { EDITS = sizeof edits / sizeof *edits };

/* EDITS: there is none. */
static size_t find_edit(const struct edit *edit, const struct declaration *declared)
{
    size_t at = 0;
    while (at < EDITS &&
           (edits[at].type != declared->crdt.type || strcmp(edits[at].verb, edit->verb) != 0)) {
        at++;
    }
    return at;
}

bool edit_needs_view(const struct declaration *declared)
{
    return crdt_declaration_company(&declared->crdt) != CRDT_WITH_ALL || declared->inner != NULL ||
           declared->crdt.type == &crdt_twophase;
}

bool edit_knows(const struct edit *edit, const struct declaration *declared)
{
    return find_edit(edit, declared) < EDITS;
}

static size_t list_verbs(const struct declaration *declared, char *text, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < EDITS && length < size; i++) {
        if (edits[i].type == declared->crdt.type) {
            length += (size_t)snprintf(text + length, size - length, "%s%s",
                                       length == 0 ? "" : ", ", edits[i].verb);
        }
    }
    return length;
}

void edit_describe(const struct declaration *declared, char *text, size_t size)
{
    const char *name = declared->codec->type->name;
    size_t length = (size_t)snprintf(text, size, "%s %s knows ", name[0] == 'o' ? "an" : "a", name);
    if (length < size) {
        length += list_verbs(declared, text + length, size - length);
    }
    if (length < size && declared->inner != NULL) {
        length += (size_t)snprintf(text + length, size - length, "; what it holds, ");
    }
    if (length < size && declared->inner != NULL) {
        (void)list_verbs(declared->inner, text + length, size - length);
    }
}

bool edit_apply(const struct edit *edit, const struct edit_place *place)
{
    size_t at = find_edit(edit, place->declared);
    return at < EDITS && edits[at].apply(edit, place);
}
