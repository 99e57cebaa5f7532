/* Rates as a configuration writes them: `100/s`, `6000/m`, `64 KiB/s`; `0`: no limit. */
#ifndef SERVER_CONFIG_RATES_H
#define SERVER_CONFIG_RATES_H

#include "crdt/status.h"
#include "protocol/yaml/yaml.h"
#include "server/hub/rate.h"

/* False: not of this form. `bytes`: the amount may have a unit of size. */
CRDT_CHECKED bool config_rate_parse(struct bytes text, bool bytes, struct hub_rate *rate);

/* For tables of keys: the member at the key's offset is a struct hub_rate. */
void config_read_rate(struct yaml_value value, const struct yaml_key *key, void *target);
void config_read_bytes_rate(struct yaml_value value, const struct yaml_key *key, void *target);

#endif
