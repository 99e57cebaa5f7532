/* The configuration's key `api`: bounds of the HTTP API. */
#ifndef SERVER_CONFIG_API_H
#define SERVER_CONFIG_API_H

#include "protocol/yaml/yaml.h"
#include "server/config.h"

void config_parse_api(struct yaml_value value, struct config *config);
void config_api_defaults(struct config_api *api);

#endif
