#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_fail(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
    struct bytes byte = fuzz_bytes(input, 1);
    return byte.length == 0 ? 0 : byte.data[0];
}

unsigned fuzz_below(struct fuzz_input *input, unsigned bound) { return fuzz_byte(input) % bound; }

int fuzz_rarely(struct fuzz_input *input) { return fuzz_below(input, 8) == 7; }

uint64_t fuzz_number(struct fuzz_input *input)
{
    static const uint64_t edges[] = {UINT32_MAX,     (uint64_t)UINT32_MAX + 1, (uint64_t)1 << 53,
                                     INT64_MAX,      (uint64_t)INT64_MAX + 1,  UINT64_MAX,
                                     UINT64_MAX - 1, ((uint64_t)1 << 53) - 1};
    uint8_t first = fuzz_byte(input);
    if (first < 0xf0) {
        return first % 32;
    }
    if (first < 0xf8) {
        return edges[first - 0xf0];
    }
    uint64_t number = 0;
    for (int i = 0xf7; i < first; i++) {
        number = number << 8 | fuzz_byte(input);
    }
    return number;
}

struct bytes fuzz_bytes(struct fuzz_input *input, size_t length_max)
{
    size_t length = input->left.length < length_max ? input->left.length : length_max;
    struct bytes taken = {input->left.data, length};
    input->left.data += length;
    input->left.length -= length;
    return taken;
}
