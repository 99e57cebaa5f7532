/* A borrowed run of bytes: pointer and length travel together. */
#ifndef CRDT_BYTES_H
#define CRDT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *data; /* may be NULL when length is 0 */
    size_t length;
};

/* Borrowed from the text, without its NUL. */
struct bytes bytes_of_text(const char *text);

bool bytes_equal(struct bytes a, struct bytes b);

/* Byte by byte, a prefix before what it is a prefix of; < 0, 0, > 0. */
int bytes_compare(struct bytes a, struct bytes b);

/* Whether `part` stands anywhere in it; nothing does everywhere. */
bool bytes_contain(struct bytes bytes, struct bytes part);

/* XXH3 with a seed: tables that outsiders feed need a hash they cannot foresee. */
uint64_t bytes_hash(struct bytes bytes, uint64_t seed);

#endif
