#include "server/config_log.h"

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static bool text_is(struct bytes text, const char *word)
{
    return bytes_equal(text, bytes_of_text(word));
}

static void read_level(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    for (int level = LEVEL_DEBUG; given && level <= LEVEL_ERROR; level++) {
        if (text_is(text, log_level_name((enum log_level)level))) {
            *(enum log_level *)(void *)((uint8_t *)target + key->offset) = (enum log_level)level;
            return;
        }
    }
    yaml_mistake(value, "%s; expected debug, info, warning or error", yaml_show(value).text);
}

static void read_format(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    bool json = given && text_is(text, "json");
    if (!json && !(given && text_is(text, "text"))) {
        yaml_mistake(value, "%s; expected text or json", yaml_show(value).text);
        return;
    }
    *(enum log_format *)(void *)((uint8_t *)target + key->offset) =
        json ? FORMAT_JSON : FORMAT_TEXT;
}

static const struct yaml_key keys[] = {
    {"level", read_level, offsetof(struct log_config, level), NULL, 0, 0},
    {"format", read_format, offsetof(struct log_config, format), NULL, 0, 0},
};

void config_parse_log(struct yaml_value value, struct log_config *log)
{
    yaml_read_keys(value, keys, COUNT_OF(keys), "keys and values, such as \"format: json\"", log);
}
