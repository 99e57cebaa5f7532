/*
 * Goal:   no file in the place of a JSON Web Key Set brings down who reads it; what is taken are
 *         keys that can check tokens, each of its own algorithm, and no public key is a secret.
 * Method: any bytes. Keys that are taken are held against what the configuration takes as keys,
 *         and try a good token that none of them has signed.
 */
#include <string.h>

#include "server/jwks.h"
#include "server/tokens.h"
#include "tests/fuzz/fuzz.h"
#include "tests/server/keys.h"

#define NOW_MS UINT64_C(1500000000000)

enum { SET_BYTES_MAX = 16 << 10, NOTES_BYTES = 4096 };

static void require_keys(const struct token_keys *keys)
{
    FUZZ_REQUIRE(keys->length > 0 && keys->length <= TOKEN_KEYS_MAX && keys->configured == 0);
    for (size_t i = 0; i < keys->length; i++) {
        const struct token_key *key = &keys->items[i];
        struct bytes material = buffer_bytes(&key->material);
        FUZZ_REQUIRE(token_key_expected(key->algorithm, material) == NULL);
        FUZZ_REQUIRE(key->id == NULL || (strlen(key->id) > 0 && strlen(key->id) <= 256));
    }
}

/* Each note is a line, whatever the set calls its keys. */
static void require_lines(struct bytes notes)
{
    size_t lines = 0;
    for (size_t i = 0; i < notes.length; i++) {
        FUZZ_REQUIRE(notes.data[i] == '\n' || (notes.data[i] >= ' ' && notes.data[i] < 0x7f));
        bool begins = i == 0 || notes.data[i - 1] == '\n';
        FUZZ_REQUIRE(!begins || (notes.length - i > 4 && memcmp(notes.data + i, "key ", 4) == 0));
        lines += notes.data[i] == '\n';
    }
    FUZZ_REQUIRE(lines <= JWKS_MEMBERS_MAX);
    FUZZ_REQUIRE(notes.length == 0 || notes.data[notes.length - 1] == '\n');
}

static void try_token(const struct token_keys *keys, const char *token)
{
    struct token_claims claims;
    struct buffer grants;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    struct bytes text = {(const uint8_t *)token, strlen(token)};
    FUZZ_REQUIRE(token_verify(keys, text, NOW_MS, &claims, &grants) != TOKEN_OK);
    buffer_finish(&grants);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct token_keys keys;
    struct buffer notes;
    char error[JWKS_TEXT_BYTES] = "";
    struct bytes text = {data, length < SET_BYTES_MAX ? length : SET_BYTES_MAX};
    buffer_init(&notes, NOTES_BYTES);
    if (jwks_parse(text, &keys, &notes, error)) {
        require_keys(&keys);
        try_token(&keys, TOKEN_OF_HS256);
        try_token(&keys, TOKEN_OF_ES256);
    } else {
        FUZZ_REQUIRE(keys.length == 0 && keys.items == NULL && error[0] != '\0');
        FUZZ_REQUIRE(strnlen(error, sizeof error) < sizeof error);
    }
    require_lines(buffer_bytes(&notes));
    token_keys_finish(&keys);
    buffer_finish(&notes);
    return 0;
}
