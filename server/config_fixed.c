#include "server/config_fixed.h"

#include <stdio.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "protocol/yaml/yaml.h"
#include "server/config_webhooks.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

static bool same_listen(const struct config *a, const struct config *b)
{
    return strcmp(a->listen.host, b->listen.host) == 0 && a->listen.port == b->listen.port;
}

static bool same_data(const struct config *a, const struct config *b)
{
    return strcmp(a->data, b->data) == 0;
}

static bool same_durability(const struct config *a, const struct config *b)
{
    return a->hub.relaxed == b->hub.relaxed;
}

static bool same_internal(const struct config *a, const struct config *b)
{
    const struct config_address *one = config_internal(a);
    const struct config_address *other = config_internal(b);
    if (one == NULL || other == NULL) {
        return one == other;
    }
    return strcmp(one->host, other->host) == 0 && one->port == other->port;
}

/* The files may be others. */
static bool same_tls(const struct config *a, const struct config *b)
{
    return (a->net.certificate.name != NULL) == (b->net.certificate.name != NULL);
}

static bool same_requests(const struct config *a, const struct config *b)
{
    return a->requests_max == b->requests_max;
}

static bool same_connections(const struct config *a, const struct config *b)
{
    return a->hub.connections_max == b->hub.connections_max;
}

static bool same_handshakes(const struct config *a, const struct config *b)
{
    return a->handshakes_max == b->handshakes_max;
}

/* Who is connected has shown a token, or nobody has. */
static bool same_doors(const struct config *a, const struct config *b)
{
    return (a->keys.length > 0) == (b->keys.length > 0);
}

static const struct fixed_key {
    const char *section; /* NULL: none */
    const char *name;
    bool (*same)(const struct config *a, const struct config *b);
} fixed_keys[] = {
    {NULL, "listen", same_listen},
    {NULL, "internal", same_internal},
    {NULL, "tls", same_tls},
    {NULL, "data", same_data},
    {NULL, "durability", same_durability},
    {"limits", "connections", same_connections},
    {"limits", "handshakes", same_handshakes},
    {"limits", "requests", same_requests},
    {NULL, "tokens", same_doors},
    {NULL, "webhooks", config_same_webhooks},
};

/* Where a key stands, in a file that was read a moment ago. */
struct place {
    const struct fixed_key *key;
    int line;
    int column;
};

static bool is_named(struct bytes name, const char *text)
{
    return bytes_equal(name, bytes_of_text(text));
}

static void find_in_section(struct bytes name, struct yaml_value key, struct yaml_value value,
                            void *target)
{
    struct place *place = target;
    (void)value;
    if (is_named(name, place->key->name)) {
        place->line = key.line;
        place->column = key.column;
    }
}

static void find_in_root(struct bytes name, struct yaml_value key, struct yaml_value value,
                         void *target)
{
    struct place *place = target;
    if (place->key->section == NULL) {
        find_in_section(name, key, value, target);
    } else if (is_named(name, place->key->section)) {
        yaml_read_names(value, "keys", find_in_section, target);
    }
}

static void find_key(struct yaml_value root, void *target)
{
    yaml_read_names(root, "keys", find_in_root, target);
}

static void ignore_mistake(int line, int column, const char *mistake, void *context)
{
    (void)line;
    (void)column;
    (void)mistake;
    (void)context; /* the file was good when it was read */
}

/* A key that was taken out stands nowhere: the first line. */
static struct place find_place(const struct fixed_key *key, const char *path)
{
    struct place place = {.key = key, .line = 1, .column = 1};
    struct buffer text;
    buffer_init(&text, CONFIG_BYTES_MAX);
    if (file_read(path, &text) == 0) {
        (void)yaml_parse(buffer_bytes(&text), find_key, &place, ignore_mistake, NULL);
    }
    buffer_finish(&text);
    return place;
}

bool config_check_fixed(const struct config *now, const struct config *next, const char *path,
                        struct buffer *mistakes)
{
    struct yaml_lines lines = {path, mistakes};
    bool good = true;
    for (size_t i = 0; i < sizeof fixed_keys / sizeof *fixed_keys; i++) {
        const struct fixed_key *key = &fixed_keys[i];
        if (key->same(now, next)) {
            continue;
        }
        char mistake[256];
        struct place place = find_place(key, path);
        (void)snprintf(mistake, sizeof mistake,
                       "another \"%s%s%s\" than the hub was started with; expected the same, since "
                       "it cannot change while the hub runs: stop it and start it again",
                       key->section == NULL ? "" : key->section, key->section == NULL ? "" : ".",
                       key->name);
        yaml_report_line(place.line, place.column, mistake, &lines);
        good = false;
    }
    return good;
}
