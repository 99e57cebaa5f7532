#include "server/config_webhooks.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "server/config_values.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum { URL_BYTES_MAX = 2048, KIB = 1 << 10, MIB = 1 << 20 };

#define SECOND ((uint64_t)1000)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)

/* One target as it is being read. */
struct draft {
    struct webhook_target target;
    struct config_webhook source; /* its secret's name NULL: not there */
};

static void keep_copy(struct yaml_value value, struct bytes text, char **copy)
{
    *copy = config_text_copy(text);
    if (*copy == NULL) {
        yaml_mistake(value, "no memory for a text; expected some");
    }
}

/* --- texts --- */

static void read_name(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    struct bytes text;
    if (!yaml_text(value, &text) || !schema_name_valid(text)) {
        yaml_mistake(value, "%s; expected a name: a letter, then letters, digits, _ and -",
                     yaml_show(value).text);
        return;
    }
    keep_copy(value, text, &((struct draft *)target)->target.name);
}

static size_t skip(struct bytes text, const char *beginning)
{
    size_t length = strlen(beginning);
    bool begins = text.length >= length && memcmp(text.data, beginning, length) == 0;
    return begins ? length : 0;
}

/* http or https, a host, nothing that is no part of an address; and no password, which would be
 * shown with it. */
static bool url_valid(struct bytes text)
{
    size_t scheme = skip(text, "https://");
    scheme = scheme == 0 ? skip(text, "http://") : scheme;
    size_t host = scheme;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~' || strchr("\"<>\\^`{|}", text.data[i])) {
            return false;
        }
    }
    while (host < text.length && strchr("/?#@", text.data[host]) == NULL) {
        host++;
    }
    return scheme > 0 && host > scheme && text.length <= URL_BYTES_MAX &&
           (host == text.length || text.data[host] != '@');
}

static void read_url(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    struct bytes text;
    if (!yaml_text(value, &text) || !url_valid(text)) {
        yaml_mistake(value,
                     "%s; expected an address without user and password, such as "
                     "\"https://example.com/hooks\"",
                     yaml_show(value).text);
        return;
    }
    keep_copy(value, text, &((struct draft *)target)->target.url);
}

static void read_path(struct yaml_value value, const char *expected, char **path)
{
    struct bytes text;
    if (!yaml_text(value, &text) || text.length == 0 || memchr(text.data, 0, text.length) != NULL) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected);
        return;
    }
    keep_copy(value, text, path);
}

static void read_ca_file(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    read_path(value, "the path of the certificates' file",
              &((struct draft *)target)->target.ca_file);
}

static void keep_source(struct yaml_value value, const char *expected, bool environment,
                        struct draft *draft)
{
    if (draft->source.secret.name != NULL) {
        yaml_mistake(value, "a second source of the secret; expected secret_file or secret_env");
        return;
    }
    read_path(value, expected, &draft->source.secret.name);
    draft->source.secret.environment = environment;
    draft->source.secret.line = value.line;
    draft->source.secret.column = value.column;
}

static void read_secret_file(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_source(value, "the path of the secret's file", false, target);
}

static void read_secret_env(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    keep_source(value, "the name of the secret's variable", true, target);
}

static void read_from(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    bool beginning = given && bytes_equal(text, bytes_of_text("beginning"));
    if (!beginning && !(given && bytes_equal(text, bytes_of_text("now")))) {
        yaml_mistake(value, "%s; expected now or beginning", yaml_show(value).text);
        return;
    }
    ((struct draft *)target)->target.from_beginning = beginning;
}

/* --- documents --- */

/* A name, or the beginning of one: its schema at least. */
static bool pattern_valid(struct bytes text)
{
    struct bytes schema;
    struct bytes key;
    uint8_t name[LIMIT_DOCUMENT_NAME_BYTES + 1];
    if (text.length == 0 || text.length > LIMIT_DOCUMENT_NAME_BYTES) {
        return false;
    }
    memcpy(name, text.data, text.length);
    if (name[text.length - 1] == '*') {
        name[text.length - 1] = 'x';
    }
    return memchr(name, '*', text.length) == NULL &&
           document_name_valid((struct bytes){name, text.length}, &schema, &key);
}

static bool add_pattern(struct webhook_target *target, struct bytes text)
{
    char **grown = realloc(target->documents, (target->document_count + 1) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    target->documents = grown;
    grown[target->document_count] = config_text_copy(text);
    bool copied = grown[target->document_count] != NULL;
    target->document_count += copied;
    return copied;
}

static void read_documents(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    struct draft *draft = target;
    draft->source.line = value.line;
    draft->source.column = value.column;
    bool list = value.node != NULL && fy_node_is_sequence(value.node);
    int length = list ? fy_node_sequence_item_count(value.node) : 0;
    if (length < 1 || length > WEBHOOK_PATTERNS_MAX) {
        yaml_mistake(value, "%s; expected a list of 1 to %d names, such as [\"post/*\"]",
                     yaml_show(value).text, (int)WEBHOOK_PATTERNS_MAX);
        return;
    }
    void *iterator = NULL;
    struct fy_node *node = NULL;
    while ((node = fy_node_sequence_iterate(value.node, &iterator)) != NULL) {
        struct yaml_value item = yaml_inner(value, node);
        struct bytes text;
        if (!yaml_text(item, &text) || !pattern_valid(text)) {
            yaml_mistake(item,
                         "%s; expected a document's name, or the beginning of one with * behind, "
                         "such as \"post/*\"",
                         yaml_show(item).text);
        } else if (!add_pattern(&draft->target, text)) {
            yaml_mistake(item, "no memory for the name; expected some");
        }
    }
}

/* --- numbers --- */

static void read_number(struct yaml_value value, const struct yaml_key *key, enum config_unit unit,
                        void *target)
{
    static const char *const expected[] = {
        [UNIT_NONE] = "a whole number",
        [UNIT_SIZE] = "a size, such as 65536, 64 KiB or 1 MiB",
        [UNIT_TIME] = "a time, such as 30s, 5m, 12h or 90d",
    };
    struct bytes text;
    uint64_t number = 0;
    if (!yaml_text(value, &text) || !config_number_parse(text, unit, &number)) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected[unit]);
    } else if (number < key->min || number > key->max) {
        yaml_mistake(value, "%s; expected from %s to %s", yaml_show(value).text,
                     config_number_format(key->min, unit).text,
                     config_number_format(key->max, unit).text);
    } else {
        *(uint64_t *)(void *)((uint8_t *)target + key->offset) = number;
    }
}

static void read_count(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_number(value, key, UNIT_NONE, target);
}

static void read_size(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_number(value, key, UNIT_SIZE, target);
}

static void read_time(struct yaml_value value, const struct yaml_key *key, void *target)
{
    read_number(value, key, UNIT_TIME, target);
}

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes are read as numbers");

#define TARGET(name) offsetof(struct draft, target.name)

/* --- targets --- */

static const struct yaml_key draft_keys[] = {
    {"name", read_name, 0, "a name", 0, 0},
    {"url", read_url, 0, "an address, such as \"https://example.com/hooks\"", 0, 0},
    {"documents", read_documents, 0, "a list of names, such as [\"post/*\"]", 0, 0},
    {"secret_file", read_secret_file, 0, NULL, 0, 0},
    {"secret_env", read_secret_env, 0, NULL, 0, 0},
    {"ca_file", read_ca_file, 0, NULL, 0, 0},
    {"from", read_from, 0, NULL, 0, 0},
    {"timeout", read_time, TARGET(timeout_ms), NULL, SECOND, 5 * MINUTE},
    {"body_bytes", read_size, TARGET(body_bytes), NULL, KIB, 16 * MIB},
    {"waiting", read_count, TARGET(limits.owed_max), NULL, 10, 100000},
    {"parallel", read_count, TARGET(limits.parallel), NULL, 1, 64},
    {"retry_min", read_time, TARGET(limits.retry_min_ms), NULL, SECOND, 60 * MINUTE},
    {"retry_max", read_time, TARGET(limits.retry_max_ms), NULL, SECOND, DAY},
    {"retry_after_max", read_time, TARGET(limits.hold_max_ms), NULL, SECOND, 7 * DAY},
    {"attempts", read_count, TARGET(limits.attempts_max), NULL, 1, 1000},
    {"give_up", read_time, TARGET(limits.age_max_ms), NULL, SECOND, 30 * DAY},
    {"failures", read_count, TARGET(limits.breaker), NULL, 1, 1000},
};

/* What has one mistake is not looked at for others that follow from it. */
static bool check_draft(struct yaml_value value, const struct draft *draft,
                        const struct webhook_targets *targets)
{
    if (draft->target.name == NULL || draft->target.url == NULL ||
        draft->target.document_count == 0) {
        return false;
    }
    for (size_t i = 0; i < targets->length; i++) {
        if (strcmp(targets->items[i].name, draft->target.name) == 0) {
            yaml_mistake(value, "a second webhook called \"%s\"; expected another name",
                         draft->target.name);
            return false;
        }
    }
    if (draft->source.secret.name == NULL) {
        yaml_mistake(value, "a webhook without a secret; expected secret_file or secret_env");
        return false;
    }
    const struct schedule_limits *limits = &draft->target.limits;
    if (limits->retry_min_ms > limits->retry_max_ms) {
        yaml_mistake(value, "retry_min of %s with retry_max of %s; expected no more than that",
                     config_number_format(limits->retry_min_ms, UNIT_TIME).text,
                     config_number_format(limits->retry_max_ms, UNIT_TIME).text);
        return false;
    }
    return true;
}

/* False: no memory. Otherwise the configuration has what the draft had. */
static bool add_target(struct config *config, struct draft *draft)
{
    size_t length = config->webhooks.length;
    struct webhook_target *items = realloc(config->webhooks.items, (length + 1) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    config->webhooks.items = items;
    struct config_webhook *sources =
        realloc(config->webhook_sources, (length + 1) * sizeof *sources);
    if (sources == NULL) {
        return false;
    }
    config->webhook_sources = sources;
    items[length] = draft->target;
    sources[length] = draft->source;
    config->webhooks.length++;
    *draft = (struct draft){0};
    return true;
}

static void read_target(struct yaml_value value, struct config *config)
{
    struct draft draft = {0};
    webhook_target_init(&draft.target);
    yaml_read_keys(value, draft_keys, COUNT_OF(draft_keys),
                   "a webhook, such as \"{name: orders, url: \"https://example.com/hooks\", "
                   "documents: [\"post/*\"], secret_file: secret}\"",
                   &draft);
    if (check_draft(value, &draft, &config->webhooks) && !add_target(config, &draft)) {
        yaml_mistake(value, "no memory for the webhook; expected some");
    }
    free(draft.source.secret.name);
    webhook_target_finish(&draft.target);
}

void config_parse_webhooks(struct yaml_value value, struct config *config)
{
    bool list = value.node != NULL && fy_node_is_sequence(value.node);
    if (!list || fy_node_sequence_item_count(value.node) > WEBHOOKS_MAX) {
        yaml_mistake(value, "%s; expected a list of at most %d webhooks", yaml_show(value).text,
                     (int)WEBHOOKS_MAX);
        return;
    }
    void *iterator = NULL;
    struct fy_node *node = NULL;
    while ((node = fy_node_sequence_iterate(value.node, &iterator)) != NULL) {
        read_target(yaml_inner(value, node), config);
    }
}

/* --- what is elsewhere --- */

/* A number of errno, 0: none. */
static int read_material(const struct config_source *source, struct buffer *material)
{
    if (!source->environment) {
        return file_read(source->name, material);
    }
    const char *text = getenv(source->name);
    if (text == NULL) {
        return ENOENT;
    }
    return buffer_append(material, text, strlen(text)) == PROTOCOL_OK ? 0 : EFBIG;
}

static bool read_secrets(struct webhook_target *target, const struct config_source *source,
                         yaml_report *report, void *context)
{
    char text[1024];
    struct buffer material;
    buffer_init(&material, WEBHOOK_SECRET_TEXT_BYTES);
    int error = read_material(source, &material);
    bool good = error == 0 && webhook_secrets_parse(buffer_bytes(&material), &target->secrets);
    if (!good) {
        const char *kind = source->environment ? "a variable" : "a file";
        const char *why = source->environment ? "it is not set, or too long" : strerror(error);
        (void)snprintf(text, sizeof text,
                       "%s \"%.512s\"%s%s%s; expected one to four secrets: whsec_ and 24 to 64 "
                       "bytes in base64, as \"echo whsec_$(openssl rand -base64 32)\" makes them",
                       kind, source->name, error == 0 ? "" : " (", error == 0 ? "" : why,
                       error == 0 ? "" : ")");
        report(source->line, source->column, text, context);
    }
    if (material.data != NULL) {
        explicit_bzero(material.data, material.capacity);
    }
    buffer_finish(&material);
    return good;
}

static bool schema_is_declared(const struct config *config, const char *pattern)
{
    const char *slash = strchr(pattern, '/');
    struct bytes schema = {(const uint8_t *)pattern, (size_t)(slash - pattern)};
    return schema_find(&config->schemas, schema) != NULL;
}

static bool check_documents(const struct config *config, size_t index, yaml_report *report,
                            void *context)
{
    const struct webhook_target *target = &config->webhooks.items[index];
    const struct config_webhook *source = &config->webhook_sources[index];
    bool good = true;
    for (size_t i = 0; i < target->document_count; i++) {
        if (!schema_is_declared(config, target->documents[i])) {
            char text[1024];
            (void)snprintf(text, sizeof text,
                           "\"%.300s\" as documents of the webhook %s; expected a schema that is "
                           "declared",
                           target->documents[i], target->name);
            report(source->line, source->column, text, context);
            good = false;
        }
    }
    return good;
}

bool config_read_webhooks(struct config *config, yaml_report *report, void *context)
{
    bool good = true;
    for (size_t i = 0; i < config->webhooks.length; i++) {
        good = check_documents(config, i, report, context) && good;
        good = read_secrets(&config->webhooks.items[i], &config->webhook_sources[i].secret, report,
                            context) &&
               good;
    }
    return good;
}

/* --- at a reload --- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_documents(const struct webhook_target *a, const struct webhook_target *b)
{
    bool same = a->document_count == b->document_count;
    for (size_t i = 0; same && i < a->document_count; i++) {
        same = same_text(a->documents[i], b->documents[i]);
    }
    return same;
}

static bool same_limits(const struct schedule_limits *a, const struct schedule_limits *b)
{
    return a->owed_max == b->owed_max && a->parallel == b->parallel &&
           a->gather_ms == b->gather_ms && a->retry_min_ms == b->retry_min_ms &&
           a->retry_max_ms == b->retry_max_ms && a->hold_max_ms == b->hold_max_ms &&
           a->attempts_max == b->attempts_max && a->age_max_ms == b->age_max_ms &&
           a->breaker == b->breaker;
}

static bool same_target(const struct webhook_target *a, const struct webhook_target *b)
{
    return same_text(a->name, b->name) && same_text(a->url, b->url) &&
           same_text(a->ca_file, b->ca_file) && a->timeout_ms == b->timeout_ms &&
           a->body_bytes == b->body_bytes && a->from_beginning == b->from_beginning &&
           same_documents(a, b) && same_limits(&a->limits, &b->limits);
}

bool config_same_webhooks(const struct config *a, const struct config *b)
{
    bool same = a->webhooks.length == b->webhooks.length;
    for (size_t i = 0; same && i < a->webhooks.length; i++) {
        same = same_target(&a->webhooks.items[i], &b->webhooks.items[i]);
    }
    return same;
}
