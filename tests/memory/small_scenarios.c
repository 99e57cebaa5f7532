/* Tokens, a configuration and a client's store: each answers as it would with memory, or says that
 * it cannot; and does so once there is memory again. */
#include <jwt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/store.h"
#include "server/config.h"
#include "server/tokens.h"
#include "tests/memory/failing.h"
#include "tests/memory/folder.h"
#include "tests/memory/scenario.h"
#include "tests/server/keys.h"

enum { TRIES_MAX = 100000, TEXT_BYTES = 256 };
static const uint64_t NOW_MS = 1000000000000;

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

__attribute__((format(printf, 2, 3))) static void tell(struct buffer *outcome, const char *format,
                                                       ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (buffer_append(outcome, text, strlen(text)) != PROTOCOL_OK) {
        abort();
    }
}

static void blame(char *reason, const char *what)
{
    if (reason[0] == '\0') {
        (void)snprintf(reason, SCENARIO_REASON_BYTES, "%s", what);
    }
}

/* --- tokens --- */

static const struct {
    const char *headers;
    const char *claims;
    enum token_status status;
} tokens[] = {
    {"{}", "{\"sub\":\"ann\",\"exp\":1000000060,\"admin\":true}", TOKEN_OK},
    {"{}",
     "{\"sub\":\"ann\",\"allow\":{\"post/*\":[\"read\"],\"cart/{sub}\":[\"read\",\"write\"]}}",
     TOKEN_OK},
    {"{}", "{\"sub\":\"ann\",\"exp\":900000000}", TOKEN_EXPIRED},
    {"{}", "{\"sub\":\"ann\",\"nbf\":1100000000}", TOKEN_EARLY},
    {"{\"crit\":[\"x\"]}", "{\"sub\":\"ann\"}", TOKEN_MALFORMED},
};

static char *sign(const char *headers, const char *claims)
{
    jwt_t *jwt = NULL;
    bool good =
        jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
        jwt_add_headers_json(jwt, headers) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)SECRET, sizeof SECRET - 1) == 0;
    char *token = good ? jwt_encode_str(jwt) : NULL;
    jwt_free(jwt);
    if (token == NULL) {
        abort();
    }
    return token;
}

static void play_token(const struct token_keys *keys, size_t index, struct buffer *outcome,
                       char *reason)
{
    char *token = sign(tokens[index].headers, tokens[index].claims);
    struct buffer grants;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    for (int i = 0; i < TRIES_MAX; i++) {
        struct token_claims claims = {.expires_ms = 7};
        uint64_t failed = failing_failed();
        enum failing_room left = failing_enter(ROOM_TOKENS);
        buffer_clear(&grants);
        enum token_status status = token_verify(keys, text_bytes(token), NOW_MS, &claims, &grants);
        (void)failing_enter(left);
        if (status == tokens[index].status) {
            tell(outcome, "%d %s %llu %d %zu\n", (int)status, claims.subject,
                 (unsigned long long)claims.expires_ms, claims.admin, grants.length);
            break;
        }
        if (status == TOKEN_OK || failing_failed() == failed) {
            blame(reason, status == TOKEN_OK ? "a token that is no good is taken"
                                             : token_status_text(status));
            break;
        }
    }
    buffer_finish(&grants);
    free(token);
}

void play_tokens(const struct scenario *scenario, struct buffer *outcome,
                 char reason[SCENARIO_REASON_BYTES])
{
    struct token_key items[3] = {{.algorithm = TOKEN_HS256, .id = NULL},
                                 {.algorithm = TOKEN_RS256},
                                 {.algorithm = TOKEN_ES256}};
    static const char *const materials[] = {SECRET, RSA_PUBLIC, EC_PUBLIC};
    struct token_keys keys = {.items = items, .length = 3};
    (void)scenario;
    for (size_t i = 0; i < keys.length; i++) {
        buffer_init(&items[i].material, TOKEN_KEY_BYTES_MAX);
        if (buffer_append(&items[i].material, materials[i], strlen(materials[i])) != PROTOCOL_OK) {
            abort();
        }
    }
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        play_token(&keys, i, outcome, reason);
    }
    for (size_t i = 0; i < keys.length; i++) {
        buffer_finish(&items[i].material);
    }
}

/* --- a configuration --- */

static const char configuration[] =
    "listen: \"[::1]:1234\"\ndata: /var/lib/syncline/some.db\nconsole: on\n"
    "allowed_origins: [\"https://example.com\", \"https://www.example.org\"]\n"
    "limits: {streams: 12, memory: 64 MiB}\n"
    "tokens:\n  keys:\n    - {algorithm: HS256, secret_env: SYNCLINE_SECRET, id: \"2026\"}\n"
    "schemas:\n  post:\n    likes: g-counter\n    tags: {type: or-set, of: int}\n"
    "    cart: {type: map, of: {type: bounded-counter, min: 0, max: 9}}\n";

static void tell_config(struct buffer *outcome, const struct config *config)
{
    tell(outcome, "%s %d %s %d %zu %zu %zu\n", config->listen.host, config->listen.port,
         config->data, (int)config->console, config->hub.streams_max, config->hub.memory_limit,
         config->keys.length);
    for (size_t i = 0; i < config->allowed_origin_count; i++) {
        tell(outcome, "%s\n", config->allowed_origins[i]);
    }
    for (size_t i = 0; i < config->keys.length; i++) {
        tell(outcome, "%s %s\n", config->keys.items[i].id, config->sources[i].name);
    }
    struct writer writer = writer_to(outcome);
    for (size_t i = 0; i < config->schemas.length; i++) {
        const struct schema *schema = &config->schemas.schemas[i];
        for (size_t k = 0; k < schema->length; k++) {
            tell(outcome, "%s %s ", schema->name, schema->fields[k].name);
            declaration_write(&writer, &schema->fields[k].declared);
        }
    }
    tell(outcome, "\n");
}

void play_config(const struct scenario *scenario, struct buffer *outcome,
                 char reason[SCENARIO_REASON_BYTES])
{
    bool good = false;
    (void)scenario;
    for (int i = 0; i < TRIES_MAX && !good && reason[0] == '\0'; i++) {
        struct config config;
        struct buffer mistakes;
        buffer_init(&mistakes, 1 << 16);
        uint64_t failed = failing_failed();
        enum failing_room left = failing_enter(ROOM_CONFIG);
        good = config_parse(text_bytes(configuration), "f", &config, &mistakes);
        (void)failing_enter(left);
        if (good) {
            tell_config(outcome, &config);
        } else if (failing_failed() == failed) {
            blame(reason, "a configuration without a mistake is refused");
        }
        config_finish(&config);
        buffer_finish(&mistakes);
    }
}

/* --- a client's store --- */

struct names {
    struct buffer *outcome;
    size_t length;
};

static void count_name(void *context, const char *name)
{
    struct names *names = context;
    names->length += strlen(name);
}

static struct store *open_store(const char *path, char *reason)
{
    char error[STORE_TEXT_BYTES];
    for (int i = 0; i < TRIES_MAX; i++) {
        uint64_t failed = failing_failed();
        enum failing_room left = failing_enter(ROOM_STORE);
        struct store *store = store_open(path, error);
        (void)failing_enter(left);
        if (store != NULL) {
            return store;
        }
        if (failing_failed() == failed || strstr(error, "memory") == NULL) {
            blame(reason, error);
            return NULL;
        }
    }
    return NULL;
}

/* One after the other, each until it succeeds; what a failed one leaves must be as it was. */
static void use_store(struct store *store, struct buffer *outcome)
{
    struct buffer found;
    bool good = false;
    buffer_init(&found, SIZE_MAX / 2);
    enum failing_room left = failing_enter(ROOM_STORE);
    for (int i = 0; i < TRIES_MAX && !good; i++) {
        good = store_put(store, "post/1", text_bytes("a session of some length"), true) &&
               store_put(store, "post/2", text_bytes("another"), false) &&
               store_put_schema(store, "post", text_bytes("fields"));
    }
    good = false;
    for (int i = 0; i < TRIES_MAX && !good; i++) {
        buffer_clear(&found);
        good = store_get(store, "post/1", &found) && store_get(store, "post/3", &found) &&
               store_get_schema(store, "post", &found);
    }
    struct names names = {.length = 0};
    good = false;
    for (int i = 0; i < TRIES_MAX && !good; i++) {
        names.length = 0;
        good = store_each_pending(store, count_name, &names);
    }
    (void)failing_enter(left);
    tell(outcome, "%.*s %zu\n", (int)found.length, (const char *)found.data, names.length);
    buffer_finish(&found);
}

void play_store(const struct scenario *scenario, struct buffer *outcome,
                char reason[SCENARIO_REASON_BYTES])
{
    char path[FOLDER_PATH_BYTES];
    (void)scenario;
    folder_file(path, "store.db");
    for (int life = 0; life < 2 && reason[0] == '\0'; life++) {
        struct store *store = open_store(path, reason);
        if (store != NULL) {
            use_store(store, outcome);
        }
        store_close(store);
    }
    folder_empty();
}
