/* The configuration's key `tokens`: who signs tokens, and where their keys are. */
#ifndef SERVER_CONFIG_TOKENS_H
#define SERVER_CONFIG_TOKENS_H

#include "protocol/yaml/yaml.h"
#include "server/config.h"

/* Reads the mapping, and no file yet. */
void config_parse_tokens(struct yaml_value value, struct config *config);

/* Reads the material of all keys; a mistake is reported where the configuration names its source.
 * False: there was one. */
HUB_CHECKED bool config_read_keys(struct config *config, yaml_report *report, void *context);

/* Takes what was never read, too. */
void config_finish_keys(struct config *config);

#endif
