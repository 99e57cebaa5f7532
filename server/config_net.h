/* The configuration's keys `internal` and `tls`: another address, for operators, and who the hub
 * shows itself to be on the public one. */
#ifndef SERVER_CONFIG_NET_H
#define SERVER_CONFIG_NET_H

#include "protocol/yaml/yaml.h"
#include "server/config.h"

void config_parse_internal(struct yaml_value value, struct config *config);

/* Reads the mapping, and no file yet. */
void config_parse_tls(struct yaml_value value, struct config *config);

/* Reads the certificate and its key, as a check: mistakes are reported where the configuration
 * names the file, what only makes clients refuse it is kept as a warning. */
HUB_CHECKED bool config_read_tls(struct config *config, yaml_report *report, void *context);

void config_finish_net(struct config *config);

#endif
