#include "clients/c/token.h"

#include <errno.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"

enum { SECRET_BYTES_MIN = 32 };

#define LIFE_SECONDS_MAX (UINT64_C(36500) * 86400)

static void explain(char error[TOKEN_TEXT_BYTES], const char *what, const char *detail)
{
    (void)snprintf(error, TOKEN_TEXT_BYTES, "%s: %.128s", what, detail);
}

bool token_read(const char *path, struct buffer *text, char error[TOKEN_TEXT_BYTES])
{
    uint8_t block[LIMIT_TOKEN_BYTES + 3];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        explain(error, strerror(errno), path);
        return false;
    }
    size_t length = fread(block, 1, sizeof block, file);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    length -= length > 0 && block[length - 1] == '\n';
    length -= length > 0 && block[length - 1] == '\r';
    if (failed || length == 0 || length > LIMIT_TOKEN_BYTES) {
        explain(error, "a file with nothing, or far too much, in it", path);
        return false;
    }
    if (buffer_append(text, block, length) != PROTOCOL_OK) {
        explain(error, "out of memory", path);
        return false;
    }
    return true;
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

static char *sign(const struct token_wish *wish, const struct buffer *secret, uint64_t now_s,
                  uint64_t life_s)
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
    buffer_init(&secret, LIMIT_TOKEN_BYTES);
    if (token_read(wish->secret_file, &secret, error)) {
        if (secret.length < SECRET_BYTES_MIN) {
            explain(error, "a secret has 32 bytes or more", wish->secret_file);
        } else if ((token = sign(wish, &secret, now_s, life_s)) == NULL) {
            explain(error, "libjwt makes no such token", wish->subject);
        }
    }
    buffer_finish(&secret);
    return token;
}
