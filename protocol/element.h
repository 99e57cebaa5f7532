/*
 * Elements: the values that sets and registers hold, as canonical msgpack, so that equal values are
 * equal bytes.
 *
 * Canonical: the shortest form of every integer and length header; a float that is a whole number
 * within +-(2^53 - 1) is an integer (-0 is 0), any other float is `float 64` and not NaN; strings
 * are valid UTF-8; map keys ascend by their bytes. Integers stay within +-(2^53 - 1). The hub
 * checks the form and never rewrites: the journal keeps bytes as they came.
 */
#ifndef PROTOCOL_ELEMENT_H
#define PROTOCOL_ELEMENT_H

#include "protocol/reader.h"
#include "protocol/schema.h"
#include "protocol/writer.h"

/* Reads one element and answers its bytes; fails with PROTOCOL_BAD_ELEMENT if it is not canonical,
 * too long, or not `of`. */
struct bytes read_element(struct reader *reader, enum element_of of);

/* The same for a register's value, which may be longer. */
struct bytes read_value(struct reader *reader, enum element_of of);

/* Writes a number in its canonical form. NaN: PROTOCOL_BAD_ELEMENT. */
void write_element_number(struct writer *writer, double value);

#endif
