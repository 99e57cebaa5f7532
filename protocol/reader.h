/*
 * Reads msgpack in place: a cursor over borrowed bytes that never allocates, so a header that
 * announces 2^28 elements costs nothing. A reader remembers its first failure; from then on
 * everything reads as zero, nil and empty, so a decoder reads like the packet's layout and checks
 * once, at its end. `reader_skip` bounds depth and count of what it passes over.
 */
#ifndef PROTOCOL_READER_H
#define PROTOCOL_READER_H

#include "crdt/bytes.h"
#include "protocol/status.h"

struct reader {
    struct bytes left; /* not read yet */
    enum protocol_status status;
};

/* The msgpack families. */
enum reader_type {
    READER_NIL,
    READER_BOOL,
    READER_INT,
    READER_FLOAT,
    READER_STRING,
    READER_BIN,
    READER_ARRAY,
    READER_MAP,
    READER_BAD, /* an extension, a reserved byte, the end, or a failed reader */
};

struct reader reader_of(struct bytes bytes);

/* What comes next, without reading it. */
enum reader_type reader_peek(const struct reader *reader);

/* Each reads one value of its type; any other is PROTOCOL_MALFORMED. */
void read_nil(struct reader *reader);
bool read_bool(struct reader *reader);
uint64_t read_uint(struct reader *reader);
int64_t read_int(struct reader *reader);
double read_float(struct reader *reader); /* `float 32` and `float 64` */
struct bytes read_bin(struct reader *reader, size_t length_max);
struct bytes read_string(struct reader *reader, size_t length_max);

/* The element count, or pair count; at most the bytes left, and `length_max`. */
size_t read_array(struct reader *reader, size_t length_max);
size_t read_map(struct reader *reader, size_t length_max);

/* An array of at least `expected` elements; answers how many more there are, to be skipped at the
 * end. */
size_t read_tuple(struct reader *reader, size_t expected);

/* Passes over `count` values. */
void reader_skip(struct reader *reader, size_t count);

/* Passes over one value and answers its bytes. */
struct bytes read_raw(struct reader *reader);

/* Sets the first failure. */
void reader_fail(struct reader *reader, enum protocol_status status);

bool reader_ok(const struct reader *reader);

/* Valid UTF-8 (RFC 3629), no surrogates, no overlong forms. */
bool utf8_valid(struct bytes text);

#endif
