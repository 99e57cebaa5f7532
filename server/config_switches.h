/* The key `switches`: which schemas and fields may not be edited for now, and whom a schema's
 * documents are offered to. They are apart from the schemas, which programs share, since they come
 * and go while a hub runs. */
#ifndef SERVER_CONFIG_SWITCHES_H
#define SERVER_CONFIG_SWITCHES_H

#include "protocol/yaml/yaml.h"
#include "server/config.h"

/* Sets the switches of the configuration's schemas, which were read before, as were its keys. */
void config_parse_switches(struct yaml_value value, struct config *config);

#endif
