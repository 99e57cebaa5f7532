/* The section `log`: what is written of what happens, and how. */
#ifndef SERVER_CONFIG_LOG_H
#define SERVER_CONFIG_LOG_H

#include "protocol/yaml/yaml.h"
#include "server/log.h"

/* Reads `{format: json, level: info}`. */
void config_parse_log(struct yaml_value value, struct log_config *log);

#endif
