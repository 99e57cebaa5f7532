#include "tests/fuzz/grammar_values.h"

#include "protocol/element.h"

enum { ANY_DEPTH = 3, LIST_LENGTH = 4, TEXT_BYTES = 24 };

static void write_short_text(struct fuzz_input *input, struct writer *writer)
{
    static const char *const texts[] = {"a", "b", "c", "", "\xc3\xa9", "longer than sixteen bytes"};
    unsigned choice = fuzz_below(input, 8);
    if (choice < sizeof texts / sizeof *texts) {
        write_text(writer, texts[choice]);
    } else {
        write_string(writer, fuzz_bytes(input, fuzz_below(input, TEXT_BYTES)));
    }
}

static void write_number(struct fuzz_input *input, struct writer *writer)
{
    uint64_t number = fuzz_number(input);
    if (fuzz_rarely(input) && number <= INT64_MAX) {
        write_int(writer, -(int64_t)number);
    } else {
        write_uint(writer, number);
    }
}

void grammar_any(struct fuzz_input *input, struct writer *writer, unsigned depth)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    switch (fuzz_below(input, depth < ANY_DEPTH ? 9 : 7)) {
    case 0:
        write_nil(writer);
        return;
    case 1:
        write_bool(writer, fuzz_below(input, 2) == 1);
        return;
    case 2:
        write_number(input, writer);
        return;
    case 3:
        write_element_number(writer, (double)fuzz_number(input) / 4);
        return;
    case 4:
        write_bin(writer, fuzz_bytes(input, fuzz_below(input, TEXT_BYTES)));
        return;
    case 5:
        write_raw(writer, fuzz_bytes(input, fuzz_below(input, 6)));
        return;
    case 6:
        write_short_text(input, writer);
        return;
    case 7:
        write_array(writer, length);
        break;
    default:
        write_map(writer, length);
        length *= 2;
    }
    for (size_t i = 0; i < length; i++) {
        grammar_any(input, writer, depth + 1);
    }
}

static void write_element_of(struct fuzz_input *input, enum element_of of, struct writer *writer)
{
    switch (fuzz_rarely(input) ? ELEMENT_ANY : of) {
    case ELEMENT_STRING:
        write_short_text(input, writer);
        return;
    case ELEMENT_INT:
        write_number(input, writer);
        return;
    case ELEMENT_FLOAT:
        write_element_number(writer, (double)fuzz_number(input) / 4);
        return;
    case ELEMENT_BOOL:
        write_bool(writer, fuzz_below(input, 2) == 1);
        return;
    case ELEMENT_BYTES:
        write_bin(writer, fuzz_bytes(input, fuzz_below(input, TEXT_BYTES)));
        return;
    case ELEMENT_ANY:
        grammar_any(input, writer, 0);
        return;
    }
}

static bool is(const struct declaration *declared, const struct protocol_codec *codec)
{
    return declared->codec == codec;
}

static void write_elements(struct fuzz_input *input, const struct declaration *declared,
                           struct writer *writer)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_element_of(input, declared->of, writer);
    }
}

/* An entry of one of the types that are OR-sets. */
static void write_entry(struct fuzz_input *input, const struct declaration *declared,
                        struct writer *writer)
{
    if (is(declared, &codec_flag)) {
        write_bool(writer, fuzz_below(input, 2) == 1);
        return;
    }
    if (is(declared, &codec_twophase)) {
        write_array(writer, 2);
        write_uint(writer, fuzz_below(input, 2));
    } else if (is(declared, &codec_lww_register)) {
        write_array(writer, 3);
        write_uint(writer, fuzz_number(input));
        write_uint(writer, fuzz_number(input));
    }
    write_element_of(input, declared->of, writer);
}

/* --- changes --- */

static void write_lease(struct fuzz_input *input, struct writer *writer)
{
    static const uint8_t keys[] = "kl";
    if (fuzz_below(input, 2) == 0) {
        write_nil(writer);
        return;
    }
    write_array(writer, 4);
    write_bin(writer, (struct bytes){keys + fuzz_below(input, 2), 1});
    write_uint(writer, fuzz_number(input));
    write_uint(writer, fuzz_number(input));
    write_uint(writer, (uint64_t)fuzz_byte(input) * 1000);
}

static void write_map_change(struct fuzz_input *input, const struct declaration *declared,
                             struct writer *writer)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, 3);
        write_short_text(input, writer);
        write_bool(writer, fuzz_rarely(input));
        if (fuzz_rarely(input)) {
            write_nil(writer);
        } else {
            grammar_change(input, declared->inner, writer);
        }
    }
}

static void write_set_change(struct fuzz_input *input, const struct declaration *declared,
                             struct writer *writer)
{
    if (is(declared, &codec_orset)) {
        write_array(writer, 3);
        write_bool(writer, fuzz_rarely(input));
    } else if (is(declared, &codec_twophase)) {
        write_array(writer, 2);
    }
    write_elements(input, declared, writer);
    if (!is(declared, &codec_gset)) {
        write_elements(input, declared, writer);
    }
}

void grammar_change(struct fuzz_input *input, const struct declaration *declared,
                    struct writer *writer)
{
    if (fuzz_byte(input) == UINT8_MAX) {
        grammar_any(input, writer, 0);
    } else if (is(declared, &codec_gcounter) || is(declared, &codec_gtally) ||
               is(declared, &codec_pntally) || is(declared, &codec_bounded_tally)) {
        write_number(input, writer);
    } else if (is(declared, &codec_pncounter) || is(declared, &codec_bounded)) {
        write_array(writer, is(declared, &codec_bounded) ? 3 : 2);
        write_uint(writer, fuzz_number(input));
        write_uint(writer, fuzz_number(input));
        if (is(declared, &codec_bounded)) {
            write_lease(input, writer);
        }
    } else if (is(declared, &codec_map)) {
        write_map_change(input, declared, writer);
    } else if (is(declared, &codec_mv_register)) {
        write_array(writer, 1);
        write_element_of(input, declared->of, writer);
    } else if (is(declared, &codec_flag) || is(declared, &codec_lww_register)) {
        write_entry(input, declared, writer);
    } else {
        write_set_change(input, declared, writer);
    }
}

/* --- contents and full states --- */

/* Whose and which a dot, or a part, is. Where they have a position they are the hub's. */
static void write_place(struct grammar *names, struct fuzz_input *input, struct writer *writer)
{
    if (names == NULL) {
        write_uint(writer, fuzz_number(input));
    } else {
        grammar_name(names, input, writer);
    }
    write_uint(writer, fuzz_number(input));
    if (names == NULL) {
        write_uint(writer, fuzz_number(input));
    }
}

static void write_dot(struct grammar *names, struct fuzz_input *input, struct writer *writer)
{
    write_array(writer, names == NULL ? 3 : 2);
    write_place(names, input, writer);
}

static void write_dots(struct grammar *names, struct fuzz_input *input, struct writer *writer)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_dot(names, input, writer);
    }
}

static void write_groups(struct grammar *names, struct fuzz_input *input,
                         const struct declaration *declared, struct writer *writer)
{
    size_t groups = fuzz_below(input, LIST_LENGTH);
    write_array(writer, groups);
    for (size_t i = 0; i < groups; i++) {
        write_array(writer, 2);
        write_dots(names, input, writer);
        size_t length = fuzz_below(input, LIST_LENGTH);
        write_array(writer, length);
        for (size_t k = 0; k < length; k++) {
            write_entry(input, declared, writer);
        }
    }
}

static void write_told(struct grammar *names, struct fuzz_input *input,
                       const struct declaration *declared, struct writer *writer)
{
    if (names == NULL) {
        grammar_content(input, declared, writer);
    } else {
        grammar_state(names, input, declared, writer);
    }
}

static void write_keys(struct grammar *names, struct fuzz_input *input,
                       const struct declaration *declared, struct writer *writer)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, names == NULL ? 4 : 3);
        write_dots(names, input, writer);
        write_short_text(input, writer);
        if (names == NULL) {
            write_bool(writer, fuzz_rarely(input));
        }
        write_told(names, input, declared->inner, writer);
    }
}

static void write_parts(struct grammar *names, struct fuzz_input *input, struct writer *writer)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, names == NULL ? 4 : 3);
        write_place(names, input, writer);
        write_number(input, writer);
    }
}

static void write_leases(struct fuzz_input *input, struct writer *writer)
{
    static const uint8_t key = 'k';
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, 3);
        write_bin(writer, (struct bytes){&key, 1});
        write_uint(writer, fuzz_number(input));
        write_uint(writer, fuzz_number(input));
    }
}

static bool is_counter(const struct declaration *declared)
{
    return is(declared, &codec_gcounter) || is(declared, &codec_pncounter) ||
           is(declared, &codec_bounded);
}

static bool is_tally(const struct declaration *declared)
{
    return is(declared, &codec_gtally) || is(declared, &codec_pntally) ||
           is(declared, &codec_bounded_tally);
}

void grammar_content(struct fuzz_input *input, const struct declaration *declared,
                     struct writer *writer)
{
    if (fuzz_byte(input) == UINT8_MAX) {
        grammar_any(input, writer, 0);
    } else if (is(declared, &codec_bounded)) {
        write_array(writer, 2);
        write_number(input, writer);
        write_leases(input, writer);
    } else if (is_counter(declared)) {
        write_wide(writer, (int64_t)fuzz_number(input));
    } else if (is_tally(declared)) {
        write_parts(NULL, input, writer);
    } else if (is(declared, &codec_map)) {
        write_keys(NULL, input, declared, writer);
    } else {
        write_groups(NULL, input, declared, writer);
    }
}

static void write_entries(struct grammar *grammar, struct fuzz_input *input, bool down,
                          struct writer *writer)
{
    size_t length = fuzz_below(input, LIST_LENGTH);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, down ? 3 : 2);
        grammar_name(grammar, input, writer);
        write_uint(writer, fuzz_number(input));
        if (down) {
            write_uint(writer, fuzz_number(input));
        }
    }
}

void grammar_state(struct grammar *grammar, struct fuzz_input *input,
                   const struct declaration *declared, struct writer *writer)
{
    if (fuzz_byte(input) == UINT8_MAX) {
        grammar_any(input, writer, 0);
    } else if (is_counter(declared)) {
        write_entries(grammar, input, !is(declared, &codec_gcounter), writer);
    } else if (is_tally(declared)) {
        write_parts(grammar, input, writer);
    } else if (is(declared, &codec_map)) {
        write_keys(grammar, input, declared, writer);
    } else {
        write_groups(grammar, input, declared, writer);
    }
}
