/*
 * Head: what stands before a request's body (RFC 9112), read strictly: what two programs could
 * understand in two ways is refused, whichever of the two would be ours. Pure.
 */
#ifndef NET_HEAD_H
#define NET_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "crdt/bytes.h"

/* More lines would fill libwebsockets' table before they are so many bytes. */
enum { HEAD_BYTES_MAX = 12 << 10, HEAD_LINES_MAX = 256 };

/* How far a head has come; `{0}` at its beginning. */
struct head_scan {
    size_t length;
    unsigned lines;
    uint8_t line_ends; /* in a row: an empty line ends a head */
    uint8_t place;     /* in the first line */
    uint8_t column;    /* in the method */
    uint8_t excluded;  /* methods that it is not, a bit for each */
    uint8_t escaped;   /* hexadecimal digits that a % waits for */
    bool nothing;      /* those so far are 0 */
};

enum head_scanned {
    HEAD_MORE,  /* has to come */
    HEAD_WHOLE, /* with the last byte that was taken */
    /* What libwebsockets would end without a word: */
    HEAD_BROKEN, /* a first line with a method that is no word, a target that does not begin with a
                    slash, a control byte, an escape that is none or stands for NUL */
    HEAD_UNKNOWN_METHOD,
    HEAD_FOLDED, /* a header over several lines */

    HEAD_TOO_LONG /* beyond the bounds above */
};

/* Goes through the next bytes, of which `taken` belong to the head: all of them but for HEAD_WHOLE.
 * As libwebsockets does, it takes lines that end without a CR. */
enum head_scanned head_scan(struct head_scan *scan, struct bytes bytes, size_t *taken);

struct head {
    struct bytes method;
    struct bytes target; /* up to the question mark, as it was sent */
    struct bytes query;  /* behind it */
    struct bytes lines;  /* the headers */
    uint64_t body_bytes;
    bool keeps_alive;
    bool sized; /* it says how long the body is */
};

/* Why a request is not taken; status 0: it is. */
struct head_refusal {
    unsigned status;
    const char *text;
};

/* Reads a whole head. Refused, `head` has what came before. */
struct head_refusal head_read(struct bytes text, struct head *head);

/* The value of a header, by its name in lower case: the first of them; empty: there is none. */
struct bytes head_value(const struct head *head, const char *wanted);

/* What `Authorization: Bearer` brings (RFC 6750, 2.1); empty: nothing, or it is of another scheme.
 */
struct bytes head_token(const struct head *head);

/*
 * Decodes a target's path into `path`, which has room for as many bytes. Refused: what is no path
 * from the root, NUL, escapes that are none or stand for a slash, and segments of one or two dots,
 * escaped or not.
 */
struct head_refusal head_decode_path(struct bytes target, uint8_t *path, size_t *length);

#endif
