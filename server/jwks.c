#include "server/jwks.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/yaml/file.h"
#include "server/jwk_public.h"

enum { ID_BYTES_MAX = 256, ID_SHOWN_BYTES = 64, NUMBER_BYTES_MAX = 2048, RSA_BYTES_MIN = 256 };

/* One member of the set, as it is being read. */
struct jwk {
    const json_t *json;
    size_t number; /* 1: the first */
    struct token_key key;
    const char *passed; /* why it is passed over; NULL: it is not */
    const char *wrong;  /* why the set is none; NULL: nothing is */
};

static bool is(const char *text, const char *other)
{
    return text != NULL && strcmp(text, other) == 0;
}

static const char *text_of(const struct jwk *jwk, const char *name)
{
    return json_string_value(json_object_get(jwk->json, name));
}

/* --- base64url --- */

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Without padding (RFC 7515, 2). False: it is none, or longer than there is room for. */
static bool decode(const char *text, struct buffer *bytes)
{
    uint32_t bits = 0;
    unsigned count = 0;
    for (; *text != '\0'; text++) {
        int digit = digit_of(*text);
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            uint8_t byte = (uint8_t)(bits >> count);
            if (buffer_append(bytes, &byte, 1) != PROTOCOL_OK) {
                return false;
            }
        }
    }
    return bytes->length > 0 && count < 6 && (bits & ((1U << count) - 1)) == 0;
}

static bool read_number(const struct jwk *jwk, const char *name, struct buffer *bytes)
{
    const char *text = text_of(jwk, name);
    buffer_init(bytes, NUMBER_BYTES_MAX);
    return text != NULL && decode(text, bytes);
}

/* --- the kinds --- */

/* Some put a zero before a number, which makes it no longer. */
static struct bytes significant(const struct buffer *number)
{
    struct bytes bytes = buffer_bytes(number);
    while (bytes.length > 0 && bytes.data[0] == 0) {
        bytes = (struct bytes){bytes.data + 1, bytes.length - 1};
    }
    return bytes;
}

static void read_rsa(struct jwk *jwk)
{
    struct buffer n;
    struct buffer e;
    bool read = read_number(jwk, "n", &n) & read_number(jwk, "e", &e);
    jwk->key.algorithm = TOKEN_RS256;
    if (read && significant(&n).length < RSA_BYTES_MIN) {
        jwk->passed = "an RSA key of less than 2048 bits";
    } else if (!read || !jwk_rsa_pem(significant(&n), significant(&e), &jwk->key.material)) {
        jwk->wrong = "n and e are no RSA public key";
    }
    buffer_finish(&n);
    buffer_finish(&e);
}

static void read_ec(struct jwk *jwk)
{
    struct buffer x;
    struct buffer y;
    bool read = read_number(jwk, "x", &x) & read_number(jwk, "y", &y);
    jwk->key.algorithm = TOKEN_ES256;
    if (text_of(jwk, "crv") != NULL && !is(text_of(jwk, "crv"), "P-256")) {
        jwk->passed = "on another curve than P-256";
    } else if (!read || !is(text_of(jwk, "crv"), "P-256") ||
               !jwk_p256_pem(buffer_bytes(&x), buffer_bytes(&y), &jwk->key.material)) {
        jwk->wrong = "crv, x and y are no public key on P-256";
    }
    buffer_finish(&x);
    buffer_finish(&y);
}

static void read_oct(struct jwk *jwk)
{
    const char *text = text_of(jwk, "k");
    jwk->key.algorithm = TOKEN_HS256;
    if (text == NULL || !decode(text, &jwk->key.material)) {
        jwk->wrong = "k is no secret in base64url";
    } else if (token_key_expected(TOKEN_HS256, buffer_bytes(&jwk->key.material)) != NULL) {
        jwk->wrong = "k is no secret of 32 bytes or more";
    }
}

/* A key that signs has no business here, where only signatures are looked at. */
static bool has_private_members(const struct jwk *jwk)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    bool has = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        has = has || json_object_get(jwk->json, names[i]) != NULL;
    }
    return has;
}

/* --- what it is for --- */

static bool verifies(const struct jwk *jwk)
{
    const json_t *operations = json_object_get(jwk->json, "key_ops");
    const json_t *use = json_object_get(jwk->json, "use");
    bool listed = operations == NULL;
    for (size_t i = 0; i < json_array_size(operations); i++) {
        listed = listed || is(json_string_value(json_array_get(operations, i)), "verify");
    }
    return listed && (use == NULL || is(json_string_value(use), "sig"));
}

static void read_kind(struct jwk *jwk)
{
    const char *kind = text_of(jwk, "kty");
    if (kind == NULL) {
        jwk->wrong = "it has no kty";
    } else if (!verifies(jwk)) {
        jwk->passed = "not for signatures (use, key_ops)";
    } else if (is(kind, "oct")) {
        read_oct(jwk);
    } else if (!is(kind, "RSA") && !is(kind, "EC")) {
        jwk->passed = "of another kind than RSA, EC and oct";
    } else if (has_private_members(jwk)) {
        jwk->wrong = "it has private members, such as d; only the public ones may be here";
    } else if (is(kind, "RSA")) {
        read_rsa(jwk);
    } else {
        read_ec(jwk);
    }
}

static void read_id(struct jwk *jwk)
{
    const json_t *id = json_object_get(jwk->json, "kid");
    size_t length = json_string_length(id);
    if (id == NULL) {
        return;
    }
    if (length == 0 || length > ID_BYTES_MAX || strlen(json_string_value(id)) != length) {
        jwk->wrong = "kid is no text of 1 to 256 bytes";
    } else if ((jwk->key.id = strdup(json_string_value(id))) == NULL) {
        jwk->wrong = "there is no memory for its kid";
    }
}

static void read_jwk(struct jwk *jwk)
{
    buffer_init(&jwk->key.material, TOKEN_KEY_BYTES_MAX);
    if (!json_is_object(jwk->json)) {
        jwk->wrong = "it is no object";
        return;
    }
    read_kind(jwk);
    const json_t *algorithm = json_object_get(jwk->json, "alg");
    if (jwk->passed == NULL && jwk->wrong == NULL && algorithm != NULL &&
        !is(json_string_value(algorithm), token_algorithm_name(jwk->key.algorithm))) {
        jwk->passed = "for another algorithm (alg) than HS256, RS256 and ES256";
    }
    if (jwk->wrong == NULL) {
        read_id(jwk);
    }
}

/* --- the set --- */

static void drop(struct token_key *key)
{
    free(key->id);
    buffer_finish(&key->material);
}

/* So much of a key's id as can be shown on a terminal, and in one line. */
static void show_id(const struct jwk *jwk, char shown[ID_SHOWN_BYTES + 1])
{
    const char *id = text_of(jwk, "kid");
    size_t length = 0;
    for (; id != NULL && id[length] != '\0' && length < ID_SHOWN_BYTES; length++) {
        shown[length] = '?';
        if (id[length] >= ' ' && id[length] <= '~') {
            shown[length] = id[length];
        }
    }
    shown[length] = '\0';
}

static void note(struct buffer *notes, const struct jwk *jwk)
{
    char line[JWKS_TEXT_BYTES];
    char id[ID_SHOWN_BYTES + 1];
    show_id(jwk, id);
    int length = snprintf(line, sizeof line, "key %zu%s%s is passed over: it is %s\n", jwk->number,
                          id[0] == '\0' ? "" : " of kid ", id, jwk->passed);
    if (length > 0 && buffer_append(notes, line, (size_t)length) != PROTOCOL_OK) {
        return; /* there is enough to read */
    }
}

/* Whether the set is still one. */
static bool take(struct jwk *jwk, struct token_keys *keys, struct buffer *notes)
{
    read_jwk(jwk);
    if (jwk->wrong == NULL && jwk->passed == NULL && keys->length == TOKEN_KEYS_MAX) {
        jwk->wrong = "it is one more than the 16 that can be used";
    }
    if (jwk->wrong == NULL && jwk->passed == NULL && !token_keys_add(keys, &jwk->key)) {
        jwk->wrong = "there is no memory for it";
    }
    if (jwk->wrong != NULL || jwk->passed != NULL) {
        drop(&jwk->key);
    }
    if (jwk->passed != NULL && jwk->wrong == NULL) {
        note(notes, jwk);
    }
    return jwk->wrong == NULL;
}

static bool read_set(const json_t *set, struct token_keys *keys, struct buffer *notes,
                     char error[JWKS_TEXT_BYTES])
{
    size_t length = json_array_size(set);
    if (!json_is_array(set) || length > JWKS_MEMBERS_MAX) {
        (void)snprintf(error, JWKS_TEXT_BYTES, "it has no list of keys, of at most %d",
                       (int)JWKS_MEMBERS_MAX);
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        struct jwk jwk = {.json = json_array_get(set, i), .number = i + 1};
        if (!take(&jwk, keys, notes)) {
            (void)snprintf(error, JWKS_TEXT_BYTES, "key %zu: %s", i + 1, jwk.wrong);
            return false;
        }
    }
    if (keys->length == 0) {
        (void)snprintf(error, JWKS_TEXT_BYTES, "it has no key that can be used");
    }
    return keys->length > 0;
}

bool jwks_parse(struct bytes text, struct token_keys *keys, struct buffer *notes,
                char error[JWKS_TEXT_BYTES])
{
    json_error_t mistake;
    json_t *root =
        json_loadb((const char *)text.data, text.length, JSON_REJECT_DUPLICATES, &mistake);
    *keys = (struct token_keys){0};
    if (root == NULL) {
        (void)snprintf(error, JWKS_TEXT_BYTES, "it is no JSON (line %d: %s)", mistake.line,
                       mistake.text);
        return false;
    }
    bool good = read_set(json_object_get(root, "keys"), keys, notes, error);
    json_decref(root);
    if (!good) {
        token_keys_finish(keys);
    }
    return good;
}

bool jwks_read(const char *path, struct token_keys *keys, struct buffer *notes,
               char error[JWKS_TEXT_BYTES])
{
    struct buffer text;
    buffer_init(&text, JWKS_BYTES_MAX);
    *keys = (struct token_keys){0};
    int failed = file_read(path, &text);
    bool good = failed == 0 && jwks_parse(buffer_bytes(&text), keys, notes, error);
    if (failed != 0) {
        (void)snprintf(error, JWKS_TEXT_BYTES, "%s", strerror(failed));
    }
    buffer_finish(&text);
    return good;
}
