/*
 * Schemas as an operator writes them: the key `schemas` of a configuration, for the hub, which
 * reads all of it, and for tools that need nothing else.
 */
#ifndef PROTOCOL_YAML_SCHEMA_FILE_H
#define PROTOCOL_YAML_SCHEMA_FILE_H

#include "protocol/schema.h"
#include "protocol/yaml/yaml.h"

/* What the key `schemas` is expected to hold. */
#define SCHEMA_FILE_EXPECTED "schemas, such as \"post: {likes: g-counter}\""

/* A mapping of schemas into a set; what is wrong in it is reported and left out. */
void schema_file_read(struct yaml_value value, struct schema_set *schemas);

/*
 * The schemas of a configuration, whatever else is in it: they have no numbers, which a hub's
 * database gives. `filename` is only named in the mistakes, which are appended to `mistakes` as
 * `file:line:column: what was found; expected what`, one line for each. False: there are some, and
 * `*schemas` is empty.
 */
bool schema_file_parse(struct bytes text, const char *filename, struct schema_set *schemas,
                       struct buffer *mistakes);

#endif
