/* The configuration's key `webhooks`: whom the hub tells what has changed. */
#ifndef SERVER_CONFIG_WEBHOOKS_H
#define SERVER_CONFIG_WEBHOOKS_H

#include "protocol/yaml/yaml.h"
#include "server/config.h"

/* Reads the list, and no file yet. */
void config_parse_webhooks(struct yaml_value value, struct config *config);

/* Reads the targets' secrets, and looks whether there are schemas for the documents they want; a
 * mistake is reported where the configuration names what is wrong. False: there was one. */
HUB_CHECKED bool config_read_webhooks(struct config *config, yaml_report *report, void *context);

/* Whether both say the same of their targets, but for the secrets: they are those of the start,
 * until the next. */
bool config_same_webhooks(const struct config *a, const struct config *b);

#endif
