#include "server/config_api.h"

#include <stddef.h>

#include "server/config_values.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define API(name) offsetof(struct config_api, name)
#define HOUR ((uint64_t)60 * 60 * 1000)

void config_api_defaults(struct config_api *api)
{
    *api = (struct config_api){.watches_max = 1000,
                               .principal_watches_max = 100,
                               .principal_keys_max = 100000,
                               .key_ms = 25 * HOUR};
}

static void read_bound(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text;
    uint64_t number;
    if (!yaml_text(value, &text) || !config_number_parse(text, UNIT_NONE, &number) ||
        number < key->min || number > key->max) {
        yaml_mistake(value, "%s; expected a whole number from %s to %s", yaml_show(value).text,
                     config_number_format(key->min, UNIT_NONE).text,
                     config_number_format(key->max, UNIT_NONE).text);
        return;
    }
    *(size_t *)((uint8_t *)target + key->offset) = (size_t)number;
}

static void read_key_ttl(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text;
    uint64_t number;
    if (!yaml_text(value, &text) || !config_number_parse(text, UNIT_TIME, &number) ||
        number < key->min || number > key->max) {
        yaml_mistake(value, "%s; expected a time from 24h to 30d", yaml_show(value).text);
        return;
    }
    *(uint64_t *)((uint8_t *)target + key->offset) = number;
}

static const struct yaml_key keys[] = {
    {"watches", read_bound, API(watches_max), NULL, 0, 1000000},
    {"watches_per_principal", read_bound, API(principal_watches_max), NULL, 0, 1000000},
    {"keys_per_principal", read_bound, API(principal_keys_max), NULL, 0, 100000000},
    {"key_ttl", read_key_ttl, API(key_ms), NULL, 24 * HOUR, 30 * 24 * HOUR},
};

void config_parse_api(struct yaml_value value, struct config *config)
{
    yaml_read_keys(value, keys, COUNT_OF(keys), "bounds, such as \"watches: 1000\"", &config->api);
}
