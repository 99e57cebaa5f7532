/*
 * JSON form (RFC 8259) of msgpack values: what `syncline get`, SQL views, traces and tests show.
 * `bin` is {"$bytes": "hex"}; keys of maps become strings; an infinite float is null.
 */
#ifndef PROTOCOL_JSON_H
#define PROTOCOL_JSON_H

#include "protocol/reader.h"
#include "protocol/writer.h"

/* Appends text as it stands. */
void json_raw(struct writer *writer, const char *text);

/* Appends a quoted, escaped string. */
void json_quoted(struct writer *writer, struct bytes text);

void json_int(struct writer *writer, int64_t value);

/* Appends the next value of the reader; both fail together. */
void json_value(struct writer *writer, struct reader *reader);

#endif
