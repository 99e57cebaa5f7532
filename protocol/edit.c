#include "protocol/edit.h"

#include <stdio.h>
#include <string.h>

#include "crdt/bounded.h"
#include "crdt/flag.h"
#include "crdt/gset.h"
#include "crdt/map.h"
#include "crdt/register.h"
#include "crdt/tally.h"
#include "crdt/twophase.h"
#include "protocol/element.h"

/* --- sets --- */

typedef enum crdt_status set_edit(struct crdt_orset_change *change, struct bytes element);

/* The argument as an element, or as a value, of the field. False: it is none. */
static bool take_checked(const struct edit_place *place, struct bytes argument, bool is_value,
                         struct bytes *checked)
{
    struct reader reader = reader_of(argument);
    enum element_of of = place->declared->of;
    *checked = is_value ? read_value(&reader, of) : read_element(&reader, of);
    return reader_ok(&reader) && reader.left.length == 0;
}

static bool edit_elements(const struct edit_call *call, const struct edit_place *place,
                          set_edit *apply)
{
    bool good = call->length > 0;
    for (size_t i = 0; i < call->length && good; i++) {
        struct bytes element;
        good = take_checked(place, call->arguments[i], false, &element) &&
               apply((struct crdt_orset_change *)place->change, element) == CRDT_OK;
    }
    return good;
}

static bool add(const struct edit_call *call, const struct edit_place *place)
{
    return edit_elements(call, place, crdt_orset_add);
}

static bool remove_elements(const struct edit_call *call, const struct edit_place *place)
{
    return edit_elements(call, place, crdt_orset_remove);
}

static bool clear(const struct edit_call *call, const struct edit_place *place)
{
    crdt_orset_clear((struct crdt_orset_change *)place->change);
    return call->length == 0;
}

static bool add_twophase(const struct edit_call *call, const struct edit_place *place)
{
    return edit_elements(call, place, crdt_twophase_add);
}

/* Only what is seen can be removed: a tombstone is for ever. */
static bool remove_twophase(const struct edit_call *call, const struct edit_place *place)
{
    const struct crdt_orset *seen = (const struct crdt_orset *)place->view;
    bool good = call->length > 0;
    for (size_t i = 0; i < call->length && good; i++) {
        struct bytes element;
        bool shows = false;
        good = take_checked(place, call->arguments[i], false, &element);
        if (good && seen != NULL) {
            good = crdt_twophase_contains(seen, element, &shows) == CRDT_OK;
        }
        if (good && shows) {
            good =
                crdt_twophase_remove((struct crdt_orset_change *)place->change, element) == CRDT_OK;
        }
    }
    return good;
}

/* --- flags and registers --- */

static bool enable(const struct edit_call *call, const struct edit_place *place)
{
    return call->length == 0 &&
           crdt_flag_set((struct crdt_orset_change *)place->change, true) == CRDT_OK;
}

static bool disable(const struct edit_call *call, const struct edit_place *place)
{
    return call->length == 0 &&
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

static bool set_value(const struct edit_call *call, const struct edit_place *place, set_edit *apply)
{
    struct bytes value;
    return call->length == 1 && take_checked(place, call->arguments[0], true, &value) &&
           apply((struct crdt_orset_change *)place->change, value) == CRDT_OK;
}

static bool set_mv_register(const struct edit_call *call, const struct edit_place *place)
{
    return set_value(call, place, set_mv);
}

static bool set_lww_register(const struct edit_call *call, const struct edit_place *place)
{
    return set_value(call, place, set_lww);
}

/* --- counters --- */

static bool take_amount(struct bytes argument, uint64_t *amount)
{
    struct reader reader = reader_of(argument);
    *amount = read_uint(&reader);
    return reader_ok(&reader) && reader.left.length == 0 && *amount >= 1 &&
           *amount <= (uint64_t)CRDT_INTEGER_MAX;
}

/* None stands for 1. */
static bool amount_of(const struct edit_call *call, uint64_t *amount)
{
    *amount = 1;
    return call->length == 0 || (call->length == 1 && take_amount(call->arguments[0], amount));
}

static bool increment(const struct edit_call *call, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(call, &amount) &&
           crdt_counter_count((struct crdt_counter_change *)place->change, place->entry, amount,
                              0) == CRDT_OK;
}

static bool decrement(const struct edit_call *call, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(call, &amount) &&
           crdt_counter_count((struct crdt_counter_change *)place->change, place->entry, 0,
                              amount) == CRDT_OK;
}

static bool increment_tally(const struct edit_call *call, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(call, &amount) &&
           crdt_tally_count((struct crdt_tally_change *)place->change, (int64_t)amount) == CRDT_OK;
}

static bool decrement_tally(const struct edit_call *call, const struct edit_place *place)
{
    uint64_t amount;
    return amount_of(call, &amount) &&
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
static bool decrement_bounded(const struct edit_call *call, const struct edit_place *place)
{
    uint64_t amount;
    if (!decrement(call, place) || !amount_of(call, &amount)) {
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

static bool reserve(const struct edit_call *call, const struct edit_place *place)
{
    uint64_t amount;
    uint64_t seconds = LEASE_SECONDS;
    if (call->length < 1 || call->length > 2 || place->lease.length == 0 ||
        !take_amount(call->arguments[0], &amount) ||
        (call->length == 2 && !take_amount(call->arguments[1], &seconds)) ||
        seconds > LIMIT_LEASE_MS_MAX / 1000) {
        return false;
    }
    struct crdt_lease_edit *lease = take_lease(place);
    lease->reserved = (int64_t)amount;
    lease->ttl_ms = seconds * 1000;
    count_nothing(place);
    return true;
}

static bool release(const struct edit_call *call, const struct edit_place *place)
{
    if (call->length > 0 || place->lease.length == 0) {
        return false;
    }
    (void)take_lease(place);
    count_nothing(place);
    return true;
}

/* --- maps --- */

static bool take_text(struct bytes argument, size_t length_max, struct bytes *text)
{
    struct reader reader = reader_of(argument);
    *text = read_string(&reader, length_max);
    return reader_ok(&reader) && reader.left.length == 0 && utf8_valid(*text);
}

static bool put_edit(const struct edit_call *inner, const struct edit_place *place,
                     struct bytes key)
{
    const struct declaration *held = place->declared->inner;
    const struct crdt_type *type = held->crdt.type;
    struct crdt_entry no_entry = {0};
    struct edit_place nested = *place;
    nested.declared = held;
    nested.view =
        place->view == NULL ? NULL : crdt_map_find((const struct crdt_map *)place->view, key);
    nested.change = type->change_create(type);
    nested.entry = &no_entry;
    nested.lease = (struct bytes){0};
    if (nested.change == NULL || !edit_make(inner, &nested)) {
        type->change_destroy(nested.change);
        return false;
    }
    return crdt_map_edit((struct crdt_map_change *)place->change, key, nested.change) == CRDT_OK;
}

static bool put(const struct edit_call *call, const struct edit_place *place)
{
    struct bytes key;
    struct edit_call inner = {.verb = {0}};
    if (call->length < 2 || !take_text(call->arguments[0], LIMIT_KEY_BYTES, &key) ||
        !take_text(call->arguments[1], LIMIT_CODE_BYTES, &inner.verb)) {
        return false;
    }
    inner.arguments = call->arguments + 2;
    inner.length = call->length - 2;
    return put_edit(&inner, place, key);
}

static bool remove_keys(const struct edit_call *call, const struct edit_place *place)
{
    bool good = call->length > 0;
    for (size_t i = 0; i < call->length && good; i++) {
        struct bytes key;
        good = take_text(call->arguments[i], LIMIT_KEY_BYTES, &key) &&
               crdt_map_remove((struct crdt_map_change *)place->change, key) == CRDT_OK;
    }
    return good;
}

/* --- all of them --- */

static const struct {
    const struct crdt_type *type;
    const char *verb;
    enum edit_takes takes;
    bool (*make)(const struct edit_call *call, const struct edit_place *place);
} edits[] = {
    {&crdt_gcounter, "increment", EDIT_AMOUNT, increment},
    {&crdt_pncounter, "increment", EDIT_AMOUNT, increment},
    {&crdt_pncounter, "decrement", EDIT_AMOUNT, decrement},
    {&crdt_bounded, "increment", EDIT_AMOUNT, increment},
    {&crdt_bounded, "decrement", EDIT_AMOUNT, decrement_bounded},
    {&crdt_bounded, "reserve", EDIT_RESERVE, reserve},
    {&crdt_bounded, "release", EDIT_NOTHING, release},
    {&crdt_gtally, "increment", EDIT_AMOUNT, increment_tally},
    {&crdt_pntally, "increment", EDIT_AMOUNT, increment_tally},
    {&crdt_pntally, "decrement", EDIT_AMOUNT, decrement_tally},
    {&crdt_bounded_tally, "increment", EDIT_AMOUNT, increment_tally},
    {&crdt_bounded_tally, "decrement", EDIT_AMOUNT, decrement_tally},
    {&crdt_orset, "add", EDIT_ELEMENTS, add},
    {&crdt_orset, "remove", EDIT_ELEMENTS, remove_elements},
    {&crdt_orset, "clear", EDIT_NOTHING, clear},
    {&crdt_gset, "add", EDIT_ELEMENTS, add},
    {&crdt_twophase, "add", EDIT_ELEMENTS, add_twophase},
    {&crdt_twophase, "remove", EDIT_ELEMENTS, remove_twophase},
    {&crdt_flag, "enable", EDIT_NOTHING, enable},
    {&crdt_flag, "disable", EDIT_NOTHING, disable},
    {&crdt_mv_register, "set", EDIT_VALUE, set_mv_register},
    {&crdt_lww_register, "set", EDIT_VALUE, set_lww_register},
    {&crdt_map, "put", EDIT_PUT, put},
    {&crdt_map, "remove", EDIT_KEYS, remove_keys},
};

enum { EDITS = sizeof edits / sizeof *edits };

static bool is_named(struct bytes verb, const char *name)
{
    return verb.length == strlen(name) && memcmp(verb.data, name, verb.length) == 0;
}

/* EDITS: there is none. */
static size_t find_edit(struct bytes verb, const struct declaration *declared)
{
    size_t at = 0;
    while (at < EDITS &&
           (edits[at].type != declared->crdt.type || !is_named(verb, edits[at].verb))) {
        at++;
    }
    return at;
}

enum edit_takes edit_takes(struct bytes verb, const struct declaration *declared)
{
    size_t at = find_edit(verb, declared);
    return at < EDITS ? edits[at].takes : EDIT_UNKNOWN;
}

const char *edit_verb(const struct declaration *declared, size_t n)
{
    for (size_t i = 0; i < EDITS; i++) {
        if (edits[i].type == declared->crdt.type && n-- == 0) {
            return edits[i].verb;
        }
    }
    return NULL;
}

bool edit_needs_view(const struct declaration *declared)
{
    return crdt_declaration_company(&declared->crdt) != CRDT_WITH_ALL || declared->inner != NULL ||
           declared->crdt.type == &crdt_twophase;
}

static size_t list_verbs(const struct declaration *declared, char *text, size_t size)
{
    size_t length = 0;
    const char *verb;
    for (size_t n = 0; length < size && (verb = edit_verb(declared, n)) != NULL; n++) {
        length += (size_t)snprintf(text + length, size - length, "%s%s", n == 0 ? "" : ", ", verb);
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

bool edit_make(const struct edit_call *call, const struct edit_place *place)
{
    size_t at = find_edit(call->verb, place->declared);
    return at < EDITS && edits[at].make(call, place);
}
