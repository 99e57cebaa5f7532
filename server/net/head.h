/*
 * Head: what stands before a request's body (RFC 9112), read strictly: what two programs could
 * understand in two ways is refused, whichever of the two would be ours. Pure.
 */
#ifndef NET_HEAD_H
#define NET_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "crdt/bytes.h"

struct head {
    struct bytes method;
    struct bytes target; /* up to the question mark, as it was sent */
    struct bytes query;  /* behind it */
    struct bytes lines;  /* the headers */
    uint64_t body_bytes;
    bool keeps_alive;
    bool sized; /* it says how long the body is */
};

/* Why a request is not taken; code 0: it is. */
struct head_refusal {
    unsigned code;
    const char *text;
};

/* Reads a whole head. Refused, `head` has what came before. */
struct head_refusal head_read(struct bytes text, struct head *head);

/* The value of a header, by its name in lower case: the first of them; empty: there is none. */
struct bytes head_value(const struct head *head, const char *wanted);

/*
 * Decodes a target's path into `path`, which has room for as many bytes. Refused: what is no path
 * from the root, escapes that are none or stand for NUL or a slash, and segments of one or two
 * dots, escaped or not.
 */
struct head_refusal head_decode_path(struct bytes target, uint8_t *path, size_t *length);

#endif
