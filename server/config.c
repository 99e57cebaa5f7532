#include "server/config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "protocol/yaml/schema_file.h"
#include "server/config_api.h"
#include "server/config_log.h"
#include "server/config_net.h"
#include "server/config_rates.h"
#include "server/config_switches.h"
#include "server/config_tokens.h"
#include "server/config_values.h"
#include "server/config_webhooks.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum { CONFIG_BYTES_MAX = 1 << 20 }; /* all that fits into the limits of schemas, many times over */

static void *member(void *target, const struct yaml_key *key)
{
    return (uint8_t *)target + key->offset;
}

/* A number within the key's bounds, or a mistake that shows an example and the bounds. */
static bool read_number(struct yaml_value value, const struct yaml_key *key, enum config_unit unit,
                        const char *what, uint64_t *number)
{
    struct bytes text;
    if (!yaml_text(value, &text) || !config_number_parse(text, unit, number)) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, what);
        return false;
    }
    if (*number < key->min || *number > key->max) {
        yaml_mistake(value, "%s; expected from %s to %s", yaml_show(value).text,
                     config_number_format(key->min, unit).text,
                     config_number_format(key->max, unit).text);
        return false;
    }
    return true;
}

static void read_size(struct yaml_value value, const struct yaml_key *key, void *target)
{
    uint64_t number = 0;
    if (read_number(value, key, UNIT_SIZE, "a size, such as 65536, 64 KiB or 1 MiB", &number)) {
        *(size_t *)member(target, key) = (size_t)number;
    }
}

static void read_count(struct yaml_value value, const struct yaml_key *key, void *target)
{
    uint64_t number = 0;
    if (read_number(value, key, UNIT_NONE, "a whole number", &number)) {
        *(size_t *)member(target, key) = (size_t)number;
    }
}

static void read_time(struct yaml_value value, const struct yaml_key *key, void *target)
{
    uint64_t number = 0;
    if (read_number(value, key, UNIT_TIME, "a time, such as 30s, 5m, 12h or 90d", &number)) {
        *(uint64_t *)member(target, key) = number;
    }
}

static void read_listen(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text;
    if (!yaml_text(value, &text) || !config_address_parse(text, member(target, key))) {
        yaml_mistake(value,
                     "%s; expected an address and a port, such as \"127.0.0.1:7962\" or "
                     "\"[::1]:7962\"",
                     yaml_show(value).text);
    }
}

static bool text_is(struct bytes text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

static void read_durability(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    bool relaxed = given && text_is(text, "relaxed");
    bool full = given && text_is(text, "full");
    if (!relaxed && !full) {
        yaml_mistake(value, "%s; expected full or relaxed", yaml_show(value).text);
        return;
    }
    *(bool *)member(target, key) = relaxed;
}

static void read_console(struct yaml_value value, const struct yaml_key *key, void *target)
{
    static const char *const words[] = {
        [CONSOLE_AUTO] = "auto", [CONSOLE_ON] = "on", [CONSOLE_OFF] = "off"};
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    for (size_t i = 0; given && i < COUNT_OF(words); i++) {
        if (text_is(text, words[i])) {
            *(enum config_console *)member(target, key) = (enum config_console)i;
            return;
        }
    }
    yaml_mistake(value, "%s; expected auto, on or off", yaml_show(value).text);
}

bool config_allows_console(const struct config *config)
{
    bool alone = config_address_is_loopback(&config->listen) && config_internal(config) == NULL;
    bool safe = alone || config->keys.length > 0;
    return config->console == CONSOLE_ON || (config->console == CONSOLE_AUTO && safe);
}

bool config_allows_console_inside(const struct config *config)
{
    const struct config_address *internal = config_internal(config);
    bool safe =
        internal != NULL && (config_address_is_loopback(internal) || config->keys.length > 0);
    return config->console == CONSOLE_ON || (config->console == CONSOLE_AUTO && safe);
}

static void read_data(struct yaml_value value, const struct yaml_key *key, void *target)
{
    char **path = member(target, key);
    struct bytes text;
    if (!yaml_text(value, &text) || text.length == 0 || memchr(text.data, 0, text.length) != NULL) {
        yaml_mistake(value, "%s; expected the path of the database's file", yaml_show(value).text);
        return;
    }
    *path = config_text_copy(text);
    if (*path == NULL) {
        yaml_mistake(value, "no memory for the path; expected some");
    }
}

static bool add_origin(struct config *config, struct bytes text)
{
    char **grown =
        realloc(config->allowed_origins, (config->allowed_origin_count + 2) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    config->allowed_origins = grown;
    grown[config->allowed_origin_count] = config_text_copy(text);
    if (grown[config->allowed_origin_count] == NULL) {
        return false;
    }
    grown[++config->allowed_origin_count] = NULL;
    return true;
}

static void read_switch(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    bool on = given && text_is(text, "true");
    if (!on && !(given && text_is(text, "false"))) {
        yaml_mistake(value, "%s; expected true or false", yaml_show(value).text);
        return;
    }
    *(bool *)member(target, key) = on;
}

static void read_origins(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    static const char expected[] = "an origin, such as \"https://example.com\"";
    if (value.node == NULL || !fy_node_is_sequence(value.node)) {
        yaml_mistake(value, "%s; expected a list of origins, such as [\"https://example.com\"]",
                     yaml_show(value).text);
        return;
    }
    void *iterator = NULL;
    struct fy_node *node = NULL;
    while ((node = fy_node_sequence_iterate(value.node, &iterator)) != NULL) {
        struct yaml_value item = yaml_inner(value, node);
        struct bytes text;
        if (!yaml_text(item, &text) || !config_origin_valid(text)) {
            yaml_mistake(item, "%s; expected %s", yaml_show(item).text, expected);
        } else if (!add_origin(target, text)) {
            yaml_mistake(item, "no memory for the origin; expected some");
        }
    }
}

static void read_tokens(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    config_parse_tokens(value, target);
}

static void read_internal(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    config_parse_internal(value, target);
}

static void read_tls(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    config_parse_tls(value, target);
}

static void read_api(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    config_parse_api(value, target);
}

static void read_webhooks(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    config_parse_webhooks(value, target);
}

static void read_schemas(struct yaml_value value, const struct yaml_key *key, void *target)
{
    schema_file_read(value, member(target, key));
}

/* Behind all others: it names what they declare. */
static void read_switches(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)value;
    (void)key;
    (void)target;
}

#define HUB(name) offsetof(struct config, hub.name)

enum { KIB = 1 << 10, MIB = 1 << 20 };
#define GIB ((uint64_t)1 << 30)
#define SECOND ((uint64_t)1000)
#define HOUR (60 * 60 * SECOND)
#define DAY (24 * 60 * 60 * SECOND)

/* The least message is one that a HELLO with the longest token fits into. */
static const struct yaml_key limit_keys[] = {
    {"message_bytes", read_size, HUB(message_bytes), NULL, 16 * KIB, 64 * MIB},
    {"streams", read_count, HUB(streams_max), NULL, 1, 1000000},
    {"connections", read_count, HUB(connections_max), NULL, 1, 1000000},
    {"handshakes", read_count, offsetof(struct config, handshakes_max), NULL, 16, 100000},
    {"requests", read_count, offsetof(struct config, requests_max), NULL, 1, 100000},
    {"request_bytes", read_size, offsetof(struct config, request_bytes), NULL, 1 * KIB, 64 * MIB},
    {"removals", read_count, HUB(removals_max), NULL, 1, 10000000},
    {"batch_bytes", read_size, HUB(batch_bytes), NULL, 4 * KIB, 256 * MIB},
    {"memory", read_size, HUB(memory_limit), NULL, MIB, 1024 * GIB},
    {"buffers", read_size, HUB(buffer_bytes), NULL, MIB, 1024 * GIB},
    {"updates", config_read_rate, HUB(connection_rates.updates), NULL, 0, 0},
    {"bytes", config_read_bytes_rate, HUB(connection_rates.bytes), NULL, 0, 0},
    {"principal_updates", config_read_rate, HUB(principal_rates.updates), NULL, 0, 0},
    {"principal_bytes", config_read_bytes_rate, HUB(principal_rates.bytes), NULL, 0, 0},
    {"principal_connections", read_count, HUB(principal_connections), NULL, 1, 1000000},
    {"principal_streams", read_count, HUB(principal_streams), NULL, 1, 1000000},
    {"hub_updates", config_read_rate, HUB(hub_rates.updates), NULL, 0, 0},
    {"hub_bytes", config_read_bytes_rate, HUB(hub_rates.bytes), NULL, 0, 0},
};

static void read_limits(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    yaml_read_keys(value, limit_keys, COUNT_OF(limit_keys), "limits, such as \"streams: 4096\"",
                   target);
}

static void read_log(struct yaml_value value, const struct yaml_key *key, void *target)
{
    config_parse_log(value, (struct log_config *)member(target, key));
}

static const struct yaml_key keys[] = {
    {"listen", read_listen, offsetof(struct config, listen), NULL, 0, 0},
    {"behind_proxy", read_switch, offsetof(struct config, behind_proxy), NULL, 0, 0},
    {"internal", read_internal, 0, NULL, 0, 0},
    {"tls", read_tls, 0, NULL, 0, 0},
    {"data", read_data, offsetof(struct config, data), "the path of the database's file", 0, 0},
    {"durability", read_durability, HUB(relaxed), NULL, 0, 0},
    {"console", read_console, offsetof(struct config, console), NULL, 0, 0},
    {"allowed_origins", read_origins, 0, NULL, 0, 0},
    {"limits", read_limits, 0, NULL, 0, 0},
    {"document_idle", read_time, HUB(idle_ms), NULL, SECOND, 365 * DAY},
    {"replica_ttl", read_time, HUB(replica_ttl_ms), NULL, SECOND, 3650 * DAY},
    {"ping", read_time, HUB(ping_ms), NULL, SECOND, DAY},
    {"log", read_log, offsetof(struct config, log), NULL, 0, 0},
    {"drain", read_time, offsetof(struct config, drain_ms), NULL, 0, HOUR},
    {"tokens", read_tokens, 0, NULL, 0, 0},
    {"api", read_api, 0, NULL, 0, 0},
    {"webhooks", read_webhooks, 0, NULL, 0, 0},
    {"schemas", read_schemas, offsetof(struct config, schemas), SCHEMA_FILE_EXPECTED, 0, 0},
    {"switches", read_switches, 0, NULL, 0, 0},
};

static void read_root(struct yaml_value root, void *target)
{
    yaml_read_keys(root, keys, COUNT_OF(keys), "keys and values, such as \"data: syncline.db\"",
                   target);
    bool mapping = root.node != NULL && fy_node_is_mapping(root.node);
    struct fy_node *switches =
        mapping ? fy_node_mapping_lookup_by_string(root.node, "switches", FY_NT) : NULL;
    if (switches != NULL) {
        config_parse_switches(yaml_inner(root, switches), target);
    }
}

static void set_defaults(struct config *config)
{
    *config = (struct config){.listen = {.host = "127.0.0.1", .port = 7962},
                              .handshakes_max = 1000,
                              .requests_max = 1000,
                              .request_bytes = MIB,
                              .log = {LEVEL_INFO, FORMAT_TEXT},
                              .drain_ms = 10 * SECOND};
    hub_config_init(&config->hub);
    config_api_defaults(&config->api);
}

bool config_parse(struct bytes text, const char *filename, struct config *config,
                  struct buffer *mistakes)
{
    struct yaml_lines lines = {filename, mistakes};
    set_defaults(config);
    if (!yaml_parse(text, read_root, config, yaml_report_line, &lines)) {
        config_finish(config);
        return false;
    }
    return true;
}

bool config_read(const char *path, struct config *config, struct buffer *mistakes)
{
    struct yaml_lines lines = {path, mistakes};
    struct buffer text;
    buffer_init(&text, CONFIG_BYTES_MAX);
    int error = file_read(path, &text);
    bool good = error == 0 && config_parse(buffer_bytes(&text), path, config, mistakes);
    if (good) {
        good = config_read_keys(config, yaml_report_line, &lines);
        good = config_read_tls(config, yaml_report_line, &lines) && good;
        good = config_read_webhooks(config, yaml_report_line, &lines) && good;
        if (!good) {
            config_finish(config);
        }
    }
    if (error != 0) {
        *config = (struct config){0};
        char mistake[256];
        (void)snprintf(mistake, sizeof mistake,
                       "a file that cannot be read (%s); expected a configuration",
                       strerror(error));
        yaml_report_line(1, 1, mistake, &lines);
    }
    buffer_finish(&text);
    return good;
}

struct hub_config config_hub(struct config *config)
{
    struct hub_config hub = config->hub;
    hub.schemas = &config->schemas;
    hub.tokens = config->keys.length > 0;
    hub.operators = config_allows_console(config);
    hub.operators_inside = config_allows_console_inside(config);
    hub.changes = config->webhooks.length > 0;
    return hub;
}

void config_finish(struct config *config)
{
    for (size_t i = 0; i < config->allowed_origin_count; i++) {
        free(config->allowed_origins[i]);
    }
    free(config->allowed_origins);
    config_finish_net(config);
    config_finish_keys(config);
    for (size_t i = 0; i < config->webhooks.length; i++) {
        free(config->webhook_sources[i].secret.name);
    }
    free(config->webhook_sources);
    webhook_targets_finish(&config->webhooks);
    free(config->data);
    schema_set_finish(&config->schemas);
    *config = (struct config){0};
}
