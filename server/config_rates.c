#include "server/config_rates.h"

#include "server/config_values.h"

#define RATE_MAX ((uint64_t)1 << 40) /* far beyond any network, and exact in a double */

static bool period_parse(uint8_t letter, uint64_t *per_ms)
{
    *per_ms = letter == 's' ? 1000 : letter == 'm' ? 60 * 1000 : 60 * 60 * 1000;
    return letter == 's' || letter == 'm' || letter == 'h';
}

bool config_rate_parse(struct bytes text, bool bytes, struct hub_rate *rate)
{
    enum config_unit unit = bytes ? UNIT_SIZE : UNIT_NONE;
    uint64_t amount = 0;
    *rate = (struct hub_rate){0, 1000};
    if (text.length == 1 && text.data[0] == '0') {
        return true;
    }
    if (text.length < 3 || text.data[text.length - 2] != '/' ||
        !period_parse(text.data[text.length - 1], &rate->per_ms)) {
        return false;
    }
    struct bytes number = {text.data, text.length - 2};
    if (!config_number_parse(number, unit, &amount) || amount == 0 || amount > RATE_MAX) {
        return false;
    }
    rate->amount = amount;
    return true;
}

static void read_rate(struct yaml_value value, const struct yaml_key *key, void *target, bool bytes)
{
    struct hub_rate rate;
    struct bytes text;
    if (!yaml_text(value, &text) || !config_rate_parse(text, bytes, &rate)) {
        yaml_mistake(value, "%s; expected a rate, such as %s, or 0 for none", yaml_show(value).text,
                     bytes ? "64 KiB/s or 100 MiB/h" : "100/s or 6000/m");
        return;
    }
    *(struct hub_rate *)(void *)((uint8_t *)target + key->offset) = rate;
}

void config_read_rate(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_rate(value, key, target, false);
}

void config_read_bytes_rate(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_rate(value, key, target, true);
}
