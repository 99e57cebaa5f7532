/* Values of fields out of choices: changes, contents and full states of each type. Private to the
 * grammar. */
#ifndef TESTS_FUZZ_GRAMMAR_VALUES_H
#define TESTS_FUZZ_GRAMMAR_VALUES_H

#include "protocol/codec.h"
#include "tests/fuzz/grammar.h"

/* Anything msgpack. */
void grammar_any(struct fuzz_input *input, struct writer *writer, unsigned depth);

/* What a field of that declaration is told: by an update, a hub, or a full state. */
void grammar_change(struct fuzz_input *input, const struct declaration *declared,
                    struct writer *writer);
void grammar_content(struct fuzz_input *input, const struct declaration *declared,
                     struct writer *writer);
void grammar_state(struct grammar *grammar, struct fuzz_input *input,
                   const struct declaration *declared, struct writer *writer);

/* nil, or one of the replicas. */
void grammar_name(struct grammar *grammar, struct fuzz_input *input, struct writer *writer);

#endif
