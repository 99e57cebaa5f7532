/*
 * What the fuzzers share. Each is one LLVMFuzzerTestOneInput, which is given the bytes of one file
 * and stops the process where something is wrong. Under libFuzzer (`./dev fuzz`) and AFL++ the
 * bytes are new ones; in every other preset replay.c gives it those of its corpus, as a test.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "crdt/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* Ends the process with a sentence unless `good`. */
#define FUZZ_REQUIRE(good) ((good) ? (void)0 : fuzz_fail(#good, __FILE__, __LINE__))
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

/* Choices out of bytes: one after the other, and 0 behind the end, so that each input means
 * something and a changed byte changes one choice. */
struct fuzz_input {
    struct bytes left;
};

uint8_t fuzz_byte(struct fuzz_input *input);
/* Less than `bound`, which is at most 256. */
unsigned fuzz_below(struct fuzz_input *input, unsigned bound);
/* An eighth of all times, and never behind the end. */
int fuzz_rarely(struct fuzz_input *input);
/* A number: mostly small, sometimes of any size, or where numbers end. */
uint64_t fuzz_number(struct fuzz_input *input);
/* At most so many, as they stand there. */
struct bytes fuzz_bytes(struct fuzz_input *input, size_t length_max);

#endif
