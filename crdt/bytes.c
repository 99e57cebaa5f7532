#include "crdt/bytes.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

bool bytes_contain(struct bytes bytes, struct bytes part)
{
    return part.length == 0 || (bytes.length >= part.length &&
                                memmem(bytes.data, bytes.length, part.data, part.length) != NULL);
}

uint64_t bytes_hash(struct bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.length, seed);
}
