/*
 * Declaration: a field's type with its options, as the operator wrote them, as packets name them
 * (`type, {option: value, ...}`), and as the algebra needs them.
 */
#ifndef PROTOCOL_DECLARATION_H
#define PROTOCOL_DECLARATION_H

#include "crdt/field.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

struct protocol_codec; /* protocol/codec.h: a type and its bytes */

/* What the elements of a field may be. */
#define ELEMENT_OF_LIST(X)                                                                         \
    X(ELEMENT_STRING, "string")                                                                    \
    X(ELEMENT_INT, "int")                                                                          \
    X(ELEMENT_FLOAT, "float")                                                                      \
    X(ELEMENT_BOOL, "bool")                                                                        \
    X(ELEMENT_BYTES, "bytes")                                                                      \
    X(ELEMENT_ANY, "any")

enum element_of {
#define X(name, text) name,
    ELEMENT_OF_LIST(X)
#undef X
};

const char *element_of_text(enum element_of of);

/* False: there is no such name. */
bool element_of_find(struct bytes text, enum element_of *of);

/* `{0}` is none. Owns what a map holds. */
struct declaration {
    const struct protocol_codec *codec;
    enum element_of of;           /* ELEMENT_STRING where the type has no elements */
    struct declaration *inner;    /* what a map holds, or NULL */
    struct crdt_declaration crdt; /* `of` is the inner one's */
};

/* A type without options. `nested`: what a map holds. */
void declaration_init(struct declaration *declaration, const struct protocol_codec *codec,
                      bool nested);
void declaration_finish(struct declaration *declaration);

/* Moves `inner` into the map that `declaration` is. False: no memory; nothing has changed. */
CRDT_CHECKED bool declaration_hold(struct declaration *declaration, struct declaration *inner);

/* How many maps stand in each other: 0 for anything else. */
size_t declaration_depth(const struct declaration *declaration);

bool declaration_equal(const struct declaration *a, const struct declaration *b);

/* The type's name, then its options. */
void declaration_write(struct writer *writer, const struct declaration *declaration);

/* The options alone, as `declaration_write` has them. */
void declaration_write_options(struct writer *writer, const struct declaration *declaration);

/* Both. False: of a type, or with an option, that is not known here, or the reader has failed. */
bool declaration_read(struct reader *reader, struct declaration *declaration);

#endif
