/* The key `schemas`: what documents there are, and of what types their fields. */
#ifndef SERVER_CONFIG_SCHEMAS_H
#define SERVER_CONFIG_SCHEMAS_H

#include "protocol/schema.h"
#include "server/config_yaml.h"

/* A mapping of schemas into a set; what is wrong in it is reported and left out. */
void config_read_schemas(struct yaml_value value, struct schema_set *schemas);

#endif
