#include "server/config_tokens.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "server/config_values.h"
#include "server/jwks.h"

enum { NOTES_BYTES_MAX = 4096 };

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* One key as it is being read. */
struct draft {
    struct token_key key;
    struct config_source secret;     /* name NULL: not there */
    struct config_source public_key; /* likewise */
    bool has_algorithm;
};

static void keep_text(struct yaml_value value, const char *expected, char **text)
{
    struct bytes read;
    if (!yaml_text(value, &read) || read.length == 0 || memchr(read.data, 0, read.length) != NULL) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected);
        return;
    }
    *text = config_text_copy(read);
    if (*text == NULL) {
        yaml_mistake(value, "no memory for a text; expected some");
    }
}

static void keep_source(struct yaml_value value, const char *expected, bool environment,
                        struct config_source *source)
{
    if (source->name != NULL) {
        yaml_mistake(value, "a second source of the secret; expected secret_file or secret_env");
        return;
    }
    keep_text(value, expected, &source->name);
    source->environment = environment;
    source->line = value.line;
    source->column = value.column;
}

static void read_id(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_text(value, "the id (kid) of the key's tokens", &((struct draft *)target)->key.id);
}

static void read_algorithm(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    struct draft *draft = target;
    struct bytes text = {0};
    draft->has_algorithm =
        yaml_text(value, &text) && token_algorithm_find(text, &draft->key.algorithm);
    if (!draft->has_algorithm) {
        yaml_mistake(value, "%s; expected HS256, RS256 or ES256", yaml_show(value).text);
    }
}

static void read_secret_file(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_source(value, "the path of the secret's file", false, &((struct draft *)target)->secret);
}

static void read_secret_env(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_source(value, "the name of the secret's variable", true,
                &((struct draft *)target)->secret);
}

static void read_public_key_file(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_source(value, "the path of the public key's file", false,
                &((struct draft *)target)->public_key);
}

static const struct yaml_key draft_keys[] = {
    {"id", read_id, 0, NULL, 0, 0},
    {"algorithm", read_algorithm, 0, "HS256, RS256 or ES256", 0, 0},
    {"secret_file", read_secret_file, 0, NULL, 0, 0},
    {"secret_env", read_secret_env, 0, NULL, 0, 0},
    {"public_key_file", read_public_key_file, 0, NULL, 0, 0},
};

static void draft_finish(struct draft *draft)
{
    free(draft->key.id);
    free(draft->secret.name);
    free(draft->public_key.name);
}

/* A public key is no secret: whoever took it for one could sign tokens with it. */
static bool check_draft(struct yaml_value value, const struct draft *draft)
{
    if (!draft->has_algorithm) {
        return false;
    }
    bool secret = draft->key.algorithm == TOKEN_HS256;
    if ((secret ? draft->secret.name : draft->public_key.name) == NULL) {
        yaml_mistake(value, "a key of %s without its material; expected %s",
                     token_algorithm_name(draft->key.algorithm),
                     secret ? "secret_file or secret_env" : "public_key_file");
        return false;
    }
    if ((secret ? draft->public_key.name : draft->secret.name) != NULL) {
        yaml_mistake(value, "a key of %s with a %s; expected only %s",
                     token_algorithm_name(draft->key.algorithm), secret ? "public key" : "secret",
                     secret ? "secret_file or secret_env" : "public_key_file");
        return false;
    }
    return true;
}

/* False: no memory. Otherwise the configuration has what the draft had. */
static bool add_key(struct config *config, struct draft *draft)
{
    size_t length = config->keys.length;
    bool secret = draft->key.algorithm == TOKEN_HS256;
    struct config_source *sources = realloc(config->sources, (length + 1) * sizeof *sources);
    if (sources == NULL) {
        return false;
    }
    config->sources = sources;
    buffer_init(&draft->key.material, TOKEN_KEY_BYTES_MAX);
    if (!token_keys_add(&config->keys, &draft->key)) {
        return false;
    }
    struct config_source *source = secret ? &draft->secret : &draft->public_key;
    sources[length] = *source;
    *source = (struct config_source){0};
    config->keys.configured = config->keys.length;
    return true;
}

static void read_key(struct yaml_value value, struct config *config)
{
    struct draft draft = {0};
    yaml_read_keys(value, draft_keys, COUNT_OF(draft_keys),
                   "a key, such as \"{algorithm: HS256, secret_file: secret}\"", &draft);
    if (check_draft(value, &draft) && !add_key(config, &draft)) {
        yaml_mistake(value, "no memory for the key; expected some");
    }
    draft_finish(&draft);
}

static void read_keys(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    if (value.node == NULL || !fy_node_is_sequence(value.node) ||
        fy_node_sequence_item_count(value.node) == 0) {
        yaml_mistake(value, "%s; expected a list of keys", yaml_show(value).text);
        return;
    }
    if (fy_node_sequence_item_count(value.node) > TOKEN_KEYS_MAX) {
        yaml_mistake(value, "%d keys; expected at most %d", fy_node_sequence_item_count(value.node),
                     (int)TOKEN_KEYS_MAX);
        return;
    }
    void *iterator = NULL;
    struct fy_node *node = NULL;
    while ((node = fy_node_sequence_iterate(value.node, &iterator)) != NULL) {
        read_key(yaml_inner(value, node), target);
    }
}

static unsigned read_rights(struct yaml_value value)
{
    static const char expected[] = "a list of read, write, presence and admin";
    unsigned rights = 0;
    if (value.node == NULL || !fy_node_is_sequence(value.node) ||
        fy_node_sequence_item_count(value.node) == 0) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected);
        return 0;
    }
    void *iterator = NULL;
    struct fy_node *node = NULL;
    while ((node = fy_node_sequence_iterate(value.node, &iterator)) != NULL) {
        struct yaml_value item = yaml_inner(value, node);
        struct bytes word;
        unsigned right = yaml_text(item, &word) ? grant_right(word) : 0;
        if (right == 0) {
            yaml_mistake(item, "%s as a right; expected read, write, presence or admin",
                         yaml_show(item).text);
        }
        rights |= right;
    }
    return rights;
}

static void read_grant(struct bytes pattern, struct yaml_value key, struct yaml_value value,
                       void *target)
{
    struct grants *allow = target;
    unsigned rights = read_rights(value);
    if (!grant_pattern_valid(pattern)) {
        yaml_mistake(key, "%s as a pattern; expected one such as \"post/*\" or \"cart/{sub}\"",
                     yaml_show_text(pattern).text);
    } else if (allow->length == GRANTS_MAX) {
        yaml_mistake(key, "one more pattern; expected at most %d", (int)GRANTS_MAX);
    } else if (!grants_add(allow, pattern, rights)) {
        yaml_mistake(key, "no memory for the pattern; expected some");
    }
}

static void read_allow(struct yaml_value value, const struct yaml_key *key, void *target)
{
    struct grants *allow = &((struct config *)target)->keys.allow;
    (void)key;
    allow->given = true;
    yaml_read_names(value, "patterns and rights, such as \"post/*: [read, write]\"", read_grant,
                    allow);
}

static void read_jwks_file(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_source(value, "the path of a file with a JSON Web Key Set", false,
                &((struct config *)target)->jwks);
}

static const struct yaml_key token_keys[] = {
    {"keys", read_keys, 0, NULL, 0, 0},
    {"jwks_file", read_jwks_file, 0, NULL, 0, 0},
    {"allow", read_allow, 0, NULL, 0, 0},
};

void config_parse_tokens(struct yaml_value value, struct config *config)
{
    yaml_read_keys(value, token_keys, COUNT_OF(token_keys),
                   "keys of tokens, such as \"keys: [{algorithm: HS256, secret_file: secret}]\"",
                   config);
    if (value.node != NULL && fy_node_is_mapping(value.node) &&
        fy_node_mapping_lookup_by_string(value.node, "keys", FY_NT) == NULL &&
        fy_node_mapping_lookup_by_string(value.node, "jwks_file", FY_NT) == NULL) {
        yaml_mistake(value, "\"tokens\" without keys; expected \"keys\", a list of keys, or "
                            "\"jwks_file\", the path of a JSON Web Key Set");
    }
}

/* --- the material --- */

/* Editors and `echo` end a file with a line feed, which is not the secret's. */
static void trim(struct buffer *material)
{
    if (material->length > 0 && material->data[material->length - 1] == '\n') {
        material->length--;
    }
    if (material->length > 0 && material->data[material->length - 1] == '\r') {
        material->length--;
    }
}

/* A number of errno, 0: none. */
static int read_material(const struct config_source *source, struct buffer *material)
{
    if (!source->environment) {
        int error = file_read(source->name, material);
        trim(material);
        return error;
    }
    const char *text = getenv(source->name);
    if (text == NULL) {
        return ENOENT;
    }
    return buffer_append(material, text, strlen(text)) == PROTOCOL_OK ? 0 : EFBIG;
}

static bool read_one(struct token_key *key, const struct config_source *source, yaml_report *report,
                     void *context)
{
    char text[1024] = "";
    int error = read_material(source, &key->material);
    const char *expected = error == 0
                               ? token_key_expected(key->algorithm, buffer_bytes(&key->material))
                               : "one that can be read";
    const char *kind = source->environment ? "a variable" : "a file";
    if (expected != NULL) {
        const char *why = source->environment ? "it is not set, or too long" : strerror(error);
        (void)snprintf(text, sizeof text, "%s \"%.512s\"%s%s%s; expected %s", kind, source->name,
                       error == 0 ? "" : " (", error == 0 ? "" : why, error == 0 ? "" : ")",
                       expected);
        report(source->line, source->column, text, context);
    }
    return expected == NULL;
}

static bool read_set(struct config *config, yaml_report *report, void *context)
{
    struct token_keys set;
    char error[JWKS_TEXT_BYTES] = "there is no memory for its keys";
    char text[2 * JWKS_TEXT_BYTES];
    buffer_init(&config->key_notes, NOTES_BYTES_MAX);
    if (config->jwks.name == NULL) {
        return true;
    }
    bool read = jwks_read(config->jwks.name, &set, &config->key_notes, error) &&
                token_keys_replace(&config->keys, &set);
    if (!read) {
        (void)snprintf(text, sizeof text, "a file \"%.400s\" (%s); expected a JSON Web Key Set",
                       config->jwks.name, error);
        report(config->jwks.line, config->jwks.column, text, context);
        token_keys_finish(&set);
    }
    return read;
}

bool config_read_keys(struct config *config, yaml_report *report, void *context)
{
    bool good = true;
    for (size_t i = 0; i < config->keys.configured; i++) {
        good = read_one(&config->keys.items[i], &config->sources[i], report, context) && good;
    }
    return read_set(config, report, context) && good;
}

void config_finish_keys(struct config *config)
{
    for (size_t i = 0; i < config->keys.configured; i++) {
        free(config->sources[i].name);
    }
    free(config->sources);
    free(config->jwks.name);
    buffer_finish(&config->key_notes);
    token_keys_finish(&config->keys);
}
