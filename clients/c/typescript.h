/*
 * Schemas as a TypeScript module for `clients/js`: a type for each, `Schemas` with all of them, and
 * `schema`, which `connect` takes. The same schemas give the same bytes.
 */
#ifndef CLIENT_TYPESCRIPT_H
#define CLIENT_TYPESCRIPT_H

#include "protocol/buffer.h"
#include "protocol/schema.h"

/* False: no memory, or beyond the buffer's limit. */
bool typescript_write(const struct schema_set *schemas, struct buffer *text);

/* The name of a field's type there, or NULL: a type that `clients/js` has not. */
const char *typescript_type_name(const struct declaration *declared);

#endif
