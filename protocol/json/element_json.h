/*
 * Elements from JSON (RFC 8259), as jansson has read it: for whoever takes values from people or
 * from HTTP. What `json_value` (protocol/json.h) writes is read back: `{"$bytes": "hex"}` is `bin`;
 * so is `{"$base64": "..."}`.
 */
#ifndef PROTOCOL_ELEMENT_JSON_H
#define PROTOCOL_ELEMENT_JSON_H

#include <jansson.h>

#include "protocol/declaration.h"

/* Appends the value as a canonical element. False: too deep, bytes that are no such text, or no
 * memory. Whether it is of the field's kind, reading it says. */
bool element_from_json(struct writer *writer, const json_t *value);

#endif
