#include "protocol/declaration.h"

#include <stdlib.h>

#include "protocol/codec.h"
#include "protocol/limits.h"

static const char *const of_texts[] = {
#define X(name, text) [name] = text,
    ELEMENT_OF_LIST(X)
#undef X
};

static bool is_text(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of_text(text));
}

const char *element_of_text(enum element_of of) { return of_texts[of]; }

bool element_of_find(struct bytes text, enum element_of *of)
{
    for (size_t i = 0; i < sizeof of_texts / sizeof *of_texts; i++) {
        if (is_text(text, of_texts[i])) {
            *of = (enum element_of)i;
            return true;
        }
    }
    return false;
}

void declaration_init(struct declaration *declaration, const struct protocol_codec *codec,
                      bool nested)
{
    if (nested && codec->in_map != NULL) {
        codec = codec->in_map;
    }
    *declaration = (struct declaration){.codec = codec,
                                        .crdt = {.type = codec->type,
                                                 .min = -CRDT_INTEGER_MAX,
                                                 .max = CRDT_INTEGER_MAX,
                                                 .nested = nested}};
}

void declaration_finish(struct declaration *declaration)
{
    struct declaration *inner = declaration->inner;
    while (inner != NULL) {
        struct declaration *next = inner->inner;
        free(inner);
        inner = next;
    }
    *declaration = (struct declaration){0};
}

bool declaration_hold(struct declaration *declaration, struct declaration *inner)
{
    struct declaration *held = malloc(sizeof *held);
    if (held == NULL) {
        return false;
    }
    *held = *inner;
    *inner = (struct declaration){0};
    declaration->inner = held;
    declaration->crdt.of = &held->crdt;
    return true;
}

size_t declaration_depth(const struct declaration *declaration)
{
    size_t depth = 0;
    while (declaration->inner != NULL) {
        declaration = declaration->inner;
        depth++;
    }
    return depth;
}

bool declaration_equal(const struct declaration *a, const struct declaration *b)
{
    while (a != NULL && b != NULL) {
        if (a->codec != b->codec || a->of != b->of || a->crdt.min != b->crdt.min ||
            a->crdt.max != b->crdt.max || a->crdt.disable_wins != b->crdt.disable_wins) {
            return false;
        }
        a = a->inner;
        b = b->inner;
    }
    return a == b;
}

/* --- options: each is written, and counted, only where the type takes it --- */

static bool writes_of(const struct declaration *d) { return d->codec->takes_of; }
static bool writes_type(const struct declaration *d) { return d->inner != NULL; }
static bool writes_min(const struct declaration *d) { return d->crdt.min != -CRDT_INTEGER_MAX; }
static bool writes_max(const struct declaration *d) { return d->crdt.max != CRDT_INTEGER_MAX; }
static bool writes_wins(const struct declaration *d) { return d->codec->takes_wins; }

static size_t count_options(const struct declaration *d)
{
    return (size_t)writes_of(d) + writes_type(d) + writes_min(d) + writes_max(d) + writes_wins(d);
}

void declaration_write_options(struct writer *writer, const struct declaration *declaration)
{
    write_map(writer, count_options(declaration));
    if (writes_of(declaration)) {
        write_text(writer, "of");
        write_text(writer, element_of_text(declaration->of));
    }
    if (writes_min(declaration)) {
        write_text(writer, "min");
        write_int(writer, declaration->crdt.min);
    }
    if (writes_max(declaration)) {
        write_text(writer, "max");
        write_int(writer, declaration->crdt.max);
    }
    if (writes_wins(declaration)) {
        write_text(writer, "wins");
        write_text(writer, declaration->crdt.disable_wins ? "disable" : "enable");
    }
    if (writes_type(declaration)) {
        write_text(writer, "of");
        write_array(writer, 2);
        declaration_write(writer, declaration->inner);
    }
}

void declaration_write(struct writer *writer, const struct declaration *declaration)
{
    write_text(writer, declaration->codec->type->name);
    declaration_write_options(writer, declaration);
}

static bool read_declaration(struct reader *reader, struct declaration *declaration, size_t depth);

static bool read_inner(struct reader *reader, struct declaration *declaration, size_t depth)
{
    struct declaration inner;
    size_t more = read_tuple(reader, 2);
    bool known = read_declaration(reader, &inner, depth + 1);
    reader_skip(reader, more);
    if (known && !declaration_hold(declaration, &inner)) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        declaration_finish(&inner);
    }
    return known && reader_ok(reader);
}

static bool read_wins(struct reader *reader, struct declaration *declaration)
{
    struct bytes text = read_string(reader, LIMIT_CODE_BYTES);
    declaration->crdt.disable_wins = is_text(text, "disable");
    return declaration->crdt.disable_wins || is_text(text, "enable");
}

/* False: an option, or a value, that is not known here. */
static bool read_option(struct reader *reader, struct declaration *declaration, size_t depth)
{
    struct bytes key = read_string(reader, LIMIT_CODE_BYTES);
    if (is_text(key, "of") && reader_peek(reader) == READER_ARRAY) {
        return declaration->inner == NULL && read_inner(reader, declaration, depth);
    }
    if (is_text(key, "of")) {
        return element_of_find(read_string(reader, LIMIT_CODE_BYTES), &declaration->of);
    }
    if (is_text(key, "min")) {
        declaration->crdt.min = read_int(reader);
        return true;
    }
    if (is_text(key, "max")) {
        declaration->crdt.max = read_int(reader);
        return true;
    }
    if (is_text(key, "wins")) {
        return read_wins(reader, declaration);
    }
    reader_skip(reader, 1);
    return true;
}

static bool read_declaration(struct reader *reader, struct declaration *declaration, size_t depth)
{
    const struct protocol_codec *codec =
        protocol_codec_find(read_string(reader, LIMIT_SCHEMA_NAME_BYTES));
    *declaration = (struct declaration){0};
    if (codec == NULL || depth > LIMIT_MAP_DEPTH) {
        reader_skip(reader, 1);
        return false;
    }
    declaration_init(declaration, codec, depth > 0);
    size_t options = read_map(reader, LIMIT_OBJECTS);
    bool known = true;
    for (size_t i = 0; i < options && reader_ok(reader); i++) {
        known = read_option(reader, declaration, depth) && known;
    }
    known = known && reader_ok(reader) && codec->takes_type == (declaration->inner != NULL);
    if (!known) {
        declaration_finish(declaration);
    }
    return known;
}

bool declaration_read(struct reader *reader, struct declaration *declaration)
{
    return read_declaration(reader, declaration, 0);
}
