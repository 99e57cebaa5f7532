#include "tests/crdt/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *data;
    size_t bytes;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int written = vsnprintf(text->data + text->length, text->bytes - text->length, format, values);
    va_end(values);
    if (written < 0 || (size_t)written >= text->bytes - text->length) {
        abort();
    }
    text->length += (size_t)written;
}

void oracle_init(struct oracle *oracle, const char *type, const char *options,
                 const struct declaration *declared)
{
    *oracle = (struct oracle){.type = type, .options = options};
    oracle->depth = declaration_depth(declared);
    while (declared->inner != NULL) {
        declared = declared->inner;
    }
    (void)snprintf(oracle->leaf, sizeof oracle->leaf, "%s", declared->codec->type->name);
    oracle->disable_wins = declared->crdt.disable_wins;
}

static bool leaf_is(const struct oracle *oracle, const char *type)
{
    return strcmp(oracle->leaf, type) == 0;
}

bool oracle_counts(const struct oracle *oracle)
{
    return leaf_is(oracle, "g-counter") || leaf_is(oracle, "pn-counter");
}

const char *oracle_verb(const struct oracle *oracle, size_t random)
{
    static const struct {
        const char *type;
        const char *verbs[8];
    } types[] = {
        {"g-counter", {"increment"}},
        {"pn-counter", {"increment", "decrement"}},
        {"or-set", {"add", "add", "add", "add", "remove", "remove", "remove", "clear"}},
        {"g-set", {"add"}},
        {"2p-set", {"add", "add", "remove"}},
        {"flag", {"enable", "disable"}},
        {"mv-register", {"set"}},
        {"lww-register", {"set"}},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t count = 0;
        while (count < 8 && types[i].verbs[count] != NULL) {
            count++;
        }
        if (leaf_is(oracle, types[i].type)) {
            return types[i].verbs[random % count];
        }
    }
    abort();
}

static bool is_verb(const struct oracle_edit *edit, const char *verb)
{
    return !edit->removes_key && strcmp(edit->verb, verb) == 0;
}

static bool saw(const struct replicas *replicas, size_t later, size_t earlier)
{
    const struct replica_delta *a = &replicas->deltas[later];
    const struct replica_delta *b = &replicas->deltas[earlier];
    if (a->replica == b->replica) {
        return b->last < a->first;
    }
    return b->last <= a->seen[b->replica].seq;
}

/* Whether the edit is at or below the path. */
static bool is_under(const struct oracle_edit *edit, const char *const *path, size_t length)
{
    bool under = edit->key_count >= length;
    for (size_t i = 0; i < length && under; i++) {
        under = strcmp(edit->keys[i], path[i]) == 0;
    }
    return under;
}

/* Whether a remove of one of its keys had seen the edit. */
static bool is_removed(const struct oracle *oracle, const struct replicas *replicas, size_t at)
{
    const struct oracle_edit *edit = &oracle->edits[at];
    for (size_t i = 0; i < replicas->delta_count; i++) {
        const struct oracle_edit *remove = &oracle->edits[i];
        bool deeper = edit->key_count > remove->key_count ||
                      (edit->key_count == remove->key_count && !edit->removes_key);
        if (remove->removes_key && deeper && is_under(edit, remove->keys, remove->key_count) &&
            saw(replicas, i, at)) {
            return true;
        }
    }
    return false;
}

struct place {
    const struct oracle *oracle;
    const struct replicas *replicas;
    const char *path[ORACLE_KEYS];
    size_t length;
};

/* An edit of the leaf at the place that no remove of a key has seen. */
static bool is_here(const struct place *place, size_t at)
{
    const struct oracle_edit *edit = &place->oracle->edits[at];
    return !edit->removes_key && edit->key_count == place->length &&
           is_under(edit, place->path, place->length);
}

static bool is_live(const struct place *place, size_t at)
{
    return is_here(place, at) && !is_removed(place->oracle, place->replicas, at);
}

/* Nobody at the place had seen it. */
static bool is_last(const struct place *place, size_t at)
{
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        if (is_here(place, i) && saw(place->replicas, i, at)) {
            return false;
        }
    }
    return is_live(place, at);
}

static bool has(const struct oracle_edit *edit, const char *element)
{
    return strcmp(edit->value, element) == 0;
}

static bool in_orset(const struct place *place, const char *element)
{
    for (size_t a = 0; a < place->replicas->delta_count; a++) {
        const struct oracle_edit *add = &place->oracle->edits[a];
        bool live = is_live(place, a) && is_verb(add, "add") && has(add, element);
        for (size_t r = 0; live && r < place->replicas->delta_count; r++) {
            const struct oracle_edit *edit = &place->oracle->edits[r];
            bool removes = is_here(place, r) && (is_verb(edit, "clear") ||
                                                 (is_verb(edit, "remove") && has(edit, element)));
            live = !(removes && saw(place->replicas, r, a));
        }
        if (live) {
            return true;
        }
    }
    return false;
}

/* A remove takes out the adds it had seen, and its tombstone hides the others. */
static bool in_twophase(const struct place *place, const char *element)
{
    bool added = false;
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        const struct oracle_edit *edit = &place->oracle->edits[i];
        if (!is_live(place, i) || !has(edit, element)) {
            continue;
        }
        if (is_verb(edit, "remove") && edit->effective) {
            return false;
        }
        bool live = is_verb(edit, "add");
        for (size_t r = 0; live && r < place->replicas->delta_count; r++) {
            const struct oracle_edit *remove = &place->oracle->edits[r];
            live = !(is_here(place, r) && is_verb(remove, "remove") && remove->effective &&
                     has(remove, element) && saw(place->replicas, r, i));
        }
        added = added || live;
    }
    return added;
}

static bool in_mv_register(const struct place *place, const char *element)
{
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        if (is_last(place, i) && has(&place->oracle->edits[i], element)) {
            return true;
        }
    }
    return false;
}

static void put_list(const struct place *place, struct text *text,
                     bool (*in)(const struct place *place, const char *element))
{
    static const char *const elements[] = {"a", "b", "c", "d"};
    size_t shown = 0;
    put(text, "[");
    for (size_t i = 0; i < 4; i++) {
        if (in(place, elements[i])) {
            put(text, "%s\"%s\"", shown++ == 0 ? "" : ",", elements[i]);
        }
    }
    put(text, "]");
}

static void put_sum(const struct place *place, struct text *text)
{
    long total = 0;
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        const struct oracle_edit *edit = &place->oracle->edits[i];
        if (is_live(place, i)) {
            long amount = strtol(edit->value, NULL, 10);
            total += is_verb(edit, "decrement") ? -amount : amount;
        }
    }
    put(text, "%ld", total);
}

static void put_flag(const struct place *place, struct text *text)
{
    bool enabled = false;
    bool disabled = false;
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        if (is_last(place, i)) {
            enabled = enabled || is_verb(&place->oracle->edits[i], "enable");
            disabled = disabled || is_verb(&place->oracle->edits[i], "disable");
        }
    }
    put(text, enabled && !(disabled && place->oracle->disable_wins) ? "true" : "false");
}

/* By clock, then by replica, then by seq. */
static bool is_greater(const struct place *place, size_t a, size_t b)
{
    const struct oracle_edit *left = &place->oracle->edits[a];
    const struct oracle_edit *right = &place->oracle->edits[b];
    if (left->ms != right->ms) {
        return left->ms > right->ms;
    }
    if (left->count != right->count) {
        return left->count > right->count;
    }
    const struct replica_delta *x = &place->replicas->deltas[a];
    const struct replica_delta *y = &place->replicas->deltas[b];
    return x->replica != y->replica ? x->replica > y->replica : x->last > y->last;
}

/* SIZE_MAX: there is none. `seen_by`: only those that this edit had seen, before it was made. */
static size_t greatest(const struct place *place)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        if (is_live(place, i) && (found == SIZE_MAX || is_greater(place, i, found))) {
            found = i;
        }
    }
    return found;
}

static void put_leaf(const struct place *place, struct text *text)
{
    const struct oracle *oracle = place->oracle;
    if (oracle_counts(oracle)) {
        put_sum(place, text);
    } else if (leaf_is(oracle, "flag")) {
        put_flag(place, text);
    } else if (leaf_is(oracle, "lww-register")) {
        size_t at = greatest(place);
        if (at == SIZE_MAX) {
            put(text, "null");
        } else {
            put(text, "\"%s\"", oracle->edits[at].value);
        }
    } else if (leaf_is(oracle, "mv-register")) {
        put_list(place, text, in_mv_register);
    } else {
        put_list(place, text, leaf_is(oracle, "2p-set") ? in_twophase : in_orset);
    }
}

/* A key shows while an edit under it was not seen by any remove of it. */
static bool shows_key(const struct place *place)
{
    for (size_t i = 0; i < place->replicas->delta_count; i++) {
        const struct oracle_edit *edit = &place->oracle->edits[i];
        bool edits_under = edit->key_count > place->length ||
                           (edit->key_count == place->length && !edit->removes_key);
        bool removed = false;
        for (size_t r = 0; r < place->replicas->delta_count && edits_under; r++) {
            const struct oracle_edit *remove = &place->oracle->edits[r];
            removed = removed || (remove->removes_key && remove->key_count <= place->length &&
                                  is_under(edit, remove->keys, remove->key_count) &&
                                  saw(place->replicas, r, i));
        }
        if (edits_under && !removed && is_under(edit, place->path, place->length)) {
            return true;
        }
    }
    return false;
}

static void put_value(const struct place *place, struct text *text)
{
    static const char *const keys[] = {"k", "l"};
    size_t shown = 0;
    if (place->length == place->oracle->depth) {
        put_leaf(place, text);
        return;
    }
    put(text, "{");
    for (size_t i = 0; i < 2; i++) {
        struct place inner = *place;
        inner.path[inner.length++] = keys[i];
        if (shows_key(&inner)) {
            put(text, "%s\"%s\":", shown++ == 0 ? "" : ",", keys[i]);
            put_value(&inner, text);
        }
    }
    put(text, "}");
}

void oracle_value(const struct oracle *oracle, const struct replicas *replicas, char *text,
                  size_t bytes)
{
    struct place place = {.oracle = oracle, .replicas = replicas};
    struct text out = {.bytes = bytes};
    out.data = text;
    put_value(&place, &out);
}

/* --- making edits --- */

/* `put KEY put KEY VERB VALUE`, or `put KEY remove KEY`. */
static void perform(struct replicas *replicas, size_t at, const struct oracle_edit *edit)
{
    const char *words[2 * ORACLE_KEYS + 2];
    size_t length = 0;
    for (size_t i = 0; i < edit->key_count; i++) {
        bool last = edit->removes_key && i + 1 == edit->key_count;
        words[length++] = last ? "remove" : "put";
        words[length++] = edit->keys[i];
    }
    if (!edit->removes_key) {
        bool bare = strcmp(edit->verb, "clear") == 0 || strcmp(edit->verb, "enable") == 0 ||
                    strcmp(edit->verb, "disable") == 0;
        words[length++] = edit->verb;
        if (!bare) {
            words[length++] = edit->value;
        }
    }
    struct edit made = {.verb = words[0], .values = words + 1, .length = length - 1};
    if (replicas_edit(replicas, at, &made, edit->now_ms) == SIZE_MAX) {
        abort();
    }
}

/* What the replica knows: every edit whose dot it has seen. */
static bool knows(const struct replicas *replicas, size_t at, size_t edit)
{
    const struct replica_delta *delta = &replicas->deltas[edit];
    return delta->last <= replicas->replica[at].seen[delta->replica].seq;
}

/* The place as the replica sees it: the oracle of the edits that it knows. */
static void view(const struct oracle *oracle, const struct replicas *replicas, size_t at,
                 struct oracle *known, struct replicas *seen)
{
    *known = *oracle;
    *seen = *replicas;
    seen->delta_count = 0;
    for (size_t i = 0; i < replicas->delta_count; i++) {
        if (knows(replicas, at, i)) {
            known->edits[seen->delta_count] = oracle->edits[i];
            seen->deltas[seen->delta_count++] = replicas->deltas[i];
        }
    }
}

void oracle_make(struct oracle *oracle, struct replicas *replicas, size_t at,
                 const struct oracle_edit *edit)
{
    static struct oracle known;
    static struct replicas seen;
    struct oracle_edit kept = *edit;
    view(oracle, replicas, at, &known, &seen);
    struct place place = {.oracle = &known, .replicas = &seen, .length = edit->key_count};
    memcpy(place.path, edit->keys, sizeof place.path);
    if (leaf_is(oracle, "lww-register") && !edit->removes_key) {
        size_t before = greatest(&place);
        kept.ms = edit->now_ms;
        if (before != SIZE_MAX && known.edits[before].ms >= kept.ms) {
            kept.ms = known.edits[before].ms;
            kept.count = known.edits[before].count + 1;
        }
    }
    if (leaf_is(oracle, "2p-set") && is_verb(edit, "remove")) {
        kept.effective = in_twophase(&place, edit->value);
    }
    oracle->edits[replicas->delta_count] = kept;
    perform(replicas, at, edit);
}
