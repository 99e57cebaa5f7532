#include "clients/c/token.h"

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "protocol/yaml/file.h"

enum { SECRET_BYTES_MIN = 32 };

#define LIFE_SECONDS_MAX (UINT64_C(36500) * 86400)

static void explain(char error[TOKEN_TEXT_BYTES], const char *what, const char *detail)
{
    (void)snprintf(error, TOKEN_TEXT_BYTES, "%s: %.128s", what, detail);
}

/* A line feed at the end is an editor's, not the token's. */
static void trim(struct buffer *text)
{
    text->length -= text->length > 0 && text->data[text->length - 1] == '\n';
    text->length -= text->length > 0 && text->data[text->length - 1] == '\r';
}

bool token_read(const char *path, struct buffer *text, char error[TOKEN_TEXT_BYTES])
{
    struct buffer read;
    buffer_init(&read, LIMIT_TOKEN_BYTES + 2);
    int failed = file_read(path, &read);
    trim(&read);
    bool good = false;
    if (failed != 0 && failed != EFBIG) {
        explain(error, strerror(failed), path);
    } else if (failed != 0 || read.length == 0 || read.length > LIMIT_TOKEN_BYTES) {
        explain(error, "a file with nothing, or far too much, in it", path);
    } else if (buffer_append(text, read.data, read.length) != PROTOCOL_OK) {
        explain(error, "out of memory", path);
    } else {
        good = true;
    }
    buffer_finish(&read);
    return good;
}

/* 0: it is none. */
static uint64_t seconds_of(const char *life)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end = NULL;
    uint64_t number = life[0] >= '0' && life[0] <= '9' ? strtoull(life, &end, 10) : 0;
    for (size_t i = 0; i < sizeof units / sizeof *units && end != NULL; i++) {
        if (strcmp(end, units[i].name) == 0 && number <= LIFE_SECONDS_MAX / units[i].seconds) {
            return number * units[i].seconds;
        }
    }
    return 0;
}

/* `read,write` into a list; false: there is nothing in it. */
static bool add_rights(json_t *object, const char *pattern, char *rights)
{
    char *rest = NULL;
    json_t *list = json_array();
    for (char *right = strtok_r(rights, ",", &rest); right != NULL;
         right = strtok_r(NULL, ",", &rest)) {
        (void)json_array_append_new(list, json_string(right));
    }
    bool any = json_array_size(list) > 0;
    return json_object_set_new(object, pattern, list) == 0 && any;
}

/* The claim `allow` as JSON, to be freed by the caller; NULL: it is not written so, or no memory.
 */
static char *read_allow(const char *text)
{
    char *copy = strdup(text);
    char *rest = NULL;
    json_t *object = json_object();
    bool good = copy != NULL;
    for (char *word = good ? strtok_r(copy, " ", &rest) : NULL; word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        char *colon = strrchr(word, ':');
        good = good && colon != NULL;
        if (good) {
            *colon = '\0';
            good = add_rights(object, word, colon + 1);
        }
    }
    json_t *claims = json_pack("{s:o}", "allow", object);
    char *json = good ? json_dumps(claims, JSON_COMPACT) : NULL;
    json_decref(claims);
    free(copy);
    return json;
}

static char *sign(const struct token_wish *wish, const struct buffer *secret, uint64_t now_s,
                  uint64_t life_s, const char *allow)
{
    jwt_t *jwt = NULL;
    char *token = NULL;
    if (jwt_new(&jwt) != 0) {
        return NULL;
    }
    bool good = jwt_add_grant(jwt, "sub", wish->subject) == 0 &&
                jwt_add_grant_int(jwt, "iat", (long)now_s) == 0 &&
                jwt_add_grant_int(jwt, "exp", (long)(now_s + life_s)) == 0 &&
                (!wish->admin || jwt_add_grant_bool(jwt, "admin", 1) == 0) &&
                (allow == NULL || jwt_add_grants_json(jwt, allow) == 0) &&
                jwt_set_alg(jwt, JWT_ALG_HS256, secret->data, (int)secret->length) == 0;
    if (good) {
        token = jwt_encode_str(jwt);
    }
    jwt_free(jwt);
    return token;
}

char *token_make(const struct token_wish *wish, uint64_t now_s, char error[TOKEN_TEXT_BYTES])
{
    struct buffer secret;
    char *token = NULL;
    uint64_t life_s = seconds_of(wish->life);
    size_t length = strlen(wish->subject);
    if (life_s == 0) {
        explain(error, "--expires takes a time, such as 90s, 30m, 1h or 7d", wish->life);
        return NULL;
    }
    if (length == 0 || length > LIMIT_PRINCIPAL_BYTES) {
        explain(error, "--sub takes 1 to 256 bytes", wish->subject);
        return NULL;
    }
    char *allow = wish->allow == NULL ? NULL : read_allow(wish->allow);
    if (wish->allow != NULL && allow == NULL) {
        explain(error, "--allow takes patterns and rights, such as \"post/*:read,write\"",
                wish->allow);
        return NULL;
    }
    buffer_init(&secret, LIMIT_TOKEN_BYTES);
    if (token_read(wish->secret_file, &secret, error)) {
        if (secret.length < SECRET_BYTES_MIN) {
            explain(error, "a secret has 32 bytes or more", wish->secret_file);
        } else if ((token = sign(wish, &secret, now_s, life_s, allow)) == NULL) {
            explain(error, "libjwt makes no such token", wish->subject);
        }
    }
    buffer_finish(&secret);
    free(allow);
    return token;
}
