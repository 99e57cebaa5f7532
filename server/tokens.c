#include "server/tokens.h"

#include <errno.h>
#include <jwt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/access.h"

/* Seconds beyond it are for ever, and fit into a packet as milliseconds. */
#define SECONDS_MAX 9e12

static const struct {
    const char *name;
    jwt_alg_t number;
} algorithms[] = {
    [TOKEN_HS256] = {"HS256", JWT_ALG_HS256},
    [TOKEN_RS256] = {"RS256", JWT_ALG_RS256},
    [TOKEN_ES256] = {"ES256", JWT_ALG_ES256},
};

enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms };

const char *token_status_text(enum token_status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        TOKEN_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

const char *token_status_name(enum token_status status)
{
    static const char *const names[] = {
#define X(name, text) #name,
        TOKEN_STATUS_LIST(X)
#undef X
    };
    return names[status];
}

const char *token_algorithm_name(enum token_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

bool token_algorithm_find(struct bytes name, enum token_algorithm *algorithm)
{
    for (size_t i = 0; i < ALGORITHMS; i++) {
        const char *known = algorithms[i].name;
        if (bytes_equal(name, bytes_of_text(known))) {
            *algorithm = (enum token_algorithm)i;
            return true;
        }
    }
    return false;
}

/* --- keys --- */

/* Behind the mark of a public key, without what stands between; empty: there is none. */
static struct bytes pem_body(struct bytes material)
{
    static const char mark[] = "-----BEGIN PUBLIC KEY-----";
    const uint8_t *found =
        material.length == 0 ? NULL : memmem(material.data, material.length, mark, sizeof mark - 1);
    if (found == NULL) {
        return (struct bytes){0};
    }
    struct bytes body = {found + sizeof mark - 1, material.length};
    body.length -= (size_t)(body.data - material.data);
    while (body.length > 0 && body.data[0] <= ' ') {
        body.data++;
        body.length--;
    }
    return body;
}

static bool has_at(struct bytes text, size_t at, const char *expected)
{
    size_t length = strlen(expected);
    return text.length >= at + length && memcmp(text.data + at, expected, length) == 0;
}

/* libjwt would say of a wrong key only that no token fits it. A public key names its kind at fixed
 * places of its base64 (RFC 5280, 4.1: SubjectPublicKeyInfo): rsaEncryption behind a length of two
 * bytes, which keys from 1024 bits on do not have; id-ecPublicKey on prime256v1, uncompressed. */
const char *token_key_expected(enum token_algorithm algorithm, struct bytes material)
{
    struct bytes body = pem_body(material);
    switch (algorithm) {
    case TOKEN_HS256:
        if (body.data != NULL) {
            return "a secret, which a public key is not"; /* whoever has it could sign */
        }
        return material.length >= TOKEN_SECRET_BYTES_MIN ? NULL : "a secret of 32 bytes or more";
    case TOKEN_RS256:
        return has_at(body, 0, "MII") && has_at(body, 6, "ANBgkqhkiG9w0BAQEFAAOC")
                   ? NULL
                   : "an RSA public key in PEM, \"-----BEGIN PUBLIC KEY-----\", of 2048 bits or "
                     "more";
    case TOKEN_ES256:
        return has_at(body, 0, "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")
                   ? NULL
                   : "a public key on P-256 in PEM, \"-----BEGIN PUBLIC KEY-----\"";
    }
    return "a key";
}

bool token_keys_add(struct token_keys *keys, struct token_key *key)
{
    struct token_key *grown = realloc(keys->items, (keys->length + 1) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    keys->items = grown;
    grown[keys->length++] = *key;
    *key = (struct token_key){0};
    return true;
}

static void finish_items(struct token_keys *keys, size_t first)
{
    for (size_t i = first; i < keys->length; i++) {
        free(keys->items[i].id);
        buffer_finish(&keys->items[i].material);
    }
}

bool token_keys_replace(struct token_keys *keys, struct token_keys *set)
{
    size_t length = keys->configured + set->length;
    struct token_key *items = malloc((length + 1) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        items[i] = i < keys->configured ? keys->items[i] : set->items[i - keys->configured];
    }
    finish_items(keys, keys->configured);
    free(keys->items);
    keys->items = items;
    keys->length = length;
    set->length = 0;
    token_keys_finish(set);
    return true;
}

void token_keys_finish(struct token_keys *keys)
{
    finish_items(keys, 0);
    free(keys->items);
    grants_finish(&keys->allow);
    *keys = (struct token_keys){0};
}

/* --- tokens --- */

/* Three parts of base64url: what libjwt is more lenient with, or takes for the end of the text. And
 * none is empty: libjwt 1.10 would write behind the memory that it takes for nothing. */
static bool has_form(struct bytes token)
{
    size_t dots = 0;
    uint8_t before = '.';
    for (size_t i = 0; i < token.length; i++) {
        uint8_t byte = token.data[i];
        bool digit = byte >= '0' && byte <= '9';
        bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        bool empty = byte == '.' && before == '.';
        dots += byte == '.';
        before = byte;
        if (empty || (!digit && !letter && byte != '-' && byte != '_' && byte != '.')) {
            return false;
        }
    }
    return dots == 2 && before != '.' && token.length <= LIMIT_TOKEN_BYTES;
}

static bool fits(const struct token_key *key, const char *algorithm, const char *id)
{
    return strcmp(algorithm, token_algorithm_name(key->algorithm)) == 0 &&
           (id == NULL || key->id == NULL || strcmp(id, key->id) == 0);
}

static enum token_status try_key(const struct token_key *key, const char *text, jwt_t **jwt)
{
    if (jwt_decode(jwt, text, key->material.data, (int)key->material.length) != 0) {
        *jwt = NULL;
        return TOKEN_FORGED;
    }
    if (jwt_get_alg(*jwt) != algorithms[key->algorithm].number) {
        jwt_free(*jwt);
        *jwt = NULL;
        return TOKEN_FORGED;
    }
    return TOKEN_OK;
}

/* `header` is of the same token, not verified: it chooses among the keys, and nothing more. */
static enum token_status verify_signature(const struct token_keys *keys, const char *text,
                                          jwt_t *header, jwt_t **jwt)
{
    enum token_status status = TOKEN_NO_KEY;
    const char *algorithm = jwt_get_header(header, "alg");
    const char *id = jwt_get_header(header, "kid");
    for (size_t i = 0; i < keys->length && algorithm != NULL && status != TOKEN_OK; i++) {
        if (fits(&keys->items[i], algorithm, id)) {
            status = try_key(&keys->items[i], text, jwt);
        }
    }
    return status;
}

/* Extensions that must be understood, and are not (RFC 7515, 4.1.11). What libjwt does not find is
 * EINVAL; all else might be there. */
static bool is_critical(jwt_t *header)
{
    errno = 0;
    char *critical = jwt_get_headers_json(header, "crit");
    bool absent = critical == NULL && errno == EINVAL;
    free(critical);
    return !absent;
}

static enum token_status decode(const struct token_keys *keys, const char *text, jwt_t **jwt)
{
    jwt_t *header = NULL;
    if (jwt_decode(&header, text, NULL, 0) != 0) {
        return TOKEN_MALFORMED;
    }
    enum token_status status =
        is_critical(header) ? TOKEN_MALFORMED : verify_signature(keys, text, header, jwt);
    jwt_free(header);
    return status;
}

/* A NumericDate: seconds, whole or not. False: there is something else. */
static bool read_seconds(jwt_t *jwt, const char *claim, double otherwise, double *seconds)
{
    errno = 0;
    char *text = jwt_get_grants_json(jwt, claim);
    *seconds = otherwise;
    if (text == NULL) {
        return errno == EINVAL;
    }
    bool number = text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
    *seconds = number ? strtod(text, NULL) : 0;
    free(text);
    return number && isfinite(*seconds);
}

static enum token_status read_times(jwt_t *jwt, double now_ms, uint64_t *expires_ms)
{
    double expires = 0;
    double begins = 0;
    if (!read_seconds(jwt, "exp", INFINITY, &expires) ||
        !read_seconds(jwt, "nbf", -INFINITY, &begins)) {
        return TOKEN_NO_TIME;
    }
    if (now_ms + TOKEN_LEEWAY_MS < begins * 1000) {
        return TOKEN_EARLY;
    }
    if (now_ms >= expires * 1000 + TOKEN_LEEWAY_MS) {
        return TOKEN_EXPIRED;
    }
    *expires_ms = expires > SECONDS_MAX ? UINT64_MAX : (uint64_t)(expires * 1000 + TOKEN_LEEWAY_MS);
    return TOKEN_OK;
}

static enum token_status write_grants(const struct grants *allow, const char *subject,
                                      struct buffer *grants)
{
    struct writer writer = writer_to(grants);
    if (allow->given) {
        grants_write(allow, subject, &writer);
    } else {
        access_grant(&writer, (struct bytes){0}, true, ACCESS_USE);
    }
    return writer.status == PROTOCOL_OK          ? TOKEN_OK
           : writer.status == PROTOCOL_NO_MEMORY ? TOKEN_NO_MEMORY
                                                 : TOKEN_BAD_ALLOW;
}

static enum token_status read_grants(jwt_t *jwt, const struct grants *otherwise,
                                     const char *subject, struct buffer *grants)
{
    errno = 0;
    char *text = jwt_get_grants_json(jwt, "allow");
    struct grants claimed = {0};
    if (text == NULL) {
        return errno == EINVAL ? write_grants(otherwise, subject, grants) : TOKEN_NO_MEMORY;
    }
    enum grants_status parsed = grants_parse(text, &claimed);
    enum token_status status = parsed == GRANTS_OK    ? write_grants(&claimed, subject, grants)
                               : parsed == GRANTS_BAD ? TOKEN_BAD_ALLOW
                                                      : TOKEN_NO_MEMORY;
    grants_finish(&claimed);
    free(text);
    return status;
}

static enum token_status read_claims(jwt_t *jwt, const struct token_keys *keys, uint64_t now_ms,
                                     struct token_claims *claims, struct buffer *grants)
{
    struct token_claims read = {0};
    const char *subject = jwt_get_grant(jwt, "sub");
    size_t length = subject == NULL ? 0 : strlen(subject);
    if (length == 0 || length > LIMIT_PRINCIPAL_BYTES) {
        return TOKEN_NO_SUBJECT;
    }
    memcpy(read.subject, subject, length);
    enum token_status status = read_times(jwt, (double)now_ms, &read.expires_ms);
    if (status == TOKEN_OK) {
        status = read_grants(jwt, &keys->allow, read.subject, grants);
    }
    if (status == TOKEN_OK) {
        read.admin = jwt_get_grant_bool(jwt, "admin") == 1;
        *claims = read;
    }
    return status;
}

enum token_status token_verify(const struct token_keys *keys, struct bytes token, uint64_t now_ms,
                               struct token_claims *claims, struct buffer *grants)
{
    char text[LIMIT_TOKEN_BYTES + 1];
    jwt_t *jwt = NULL;
    if (!has_form(token)) {
        return TOKEN_MALFORMED;
    }
    memcpy(text, token.data, token.length);
    text[token.length] = '\0';
    enum token_status status = decode(keys, text, &jwt);
    if (status == TOKEN_OK) {
        status = read_claims(jwt, keys, now_ms, claims, grants);
        jwt_free(jwt);
    }
    return status;
}
