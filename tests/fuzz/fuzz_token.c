/*
 * Goal:   no bytes in the place of a token bring down who looks at them, and none are taken but
 * those that the holder of a key has signed.
 * Method: any bytes; or, as the first one says, one of three good tokens with some of its bytes
 * changed. What is taken must be one of the three, with its claims.
 */
#include <string.h>

#include "server/hub/access.h"
#include "server/tokens.h"
#include "tests/fuzz/fuzz.h"
#include "tests/server/keys.h"

#define NOW_MS UINT64_C(1500000000000)

static const char *const signed_tokens[] = {TOKEN_OF_HS256, TOKEN_OF_RS256, TOKEN_OF_ES256};

static struct token_key items[3];
static struct token_keys keys = {.items = items};

static void add_keys(void)
{
    static const char *const materials[] = {SECRET, RSA_PUBLIC, EC_PUBLIC};
    for (size_t i = 0; i < 3; i++) {
        items[i].algorithm = (enum token_algorithm)i;
        buffer_init(&items[i].material, TOKEN_KEY_BYTES_MAX);
        FUZZ_REQUIRE(buffer_append(&items[i].material, materials[i], strlen(materials[i])) ==
                     PROTOCOL_OK);
    }
    keys.length = 3;
}

/* The bits at the end of base64 that stand for nothing may differ: all but the last byte must not.
 */
static bool is_signed(struct bytes token)
{
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(signed_tokens[i]);
        if (token.length == length && memcmp(token.data, signed_tokens[i], length - 1) == 0) {
            return true;
        }
    }
    return false;
}

static void verify(struct bytes token)
{
    struct token_claims claims = {.admin = false};
    struct buffer grants;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    enum token_status status = token_verify(&keys, token, NOW_MS, &claims, &grants);
    if (status == TOKEN_OK) {
        FUZZ_REQUIRE(is_signed(token));
        FUZZ_REQUIRE(strcmp(claims.subject, "ann") == 0 && claims.admin);
        FUZZ_REQUIRE(access_rights(buffer_bytes(&grants), (struct bytes){0}) == ACCESS_USE);
    } else {
        FUZZ_REQUIRE(claims.subject[0] == '\0' && !claims.admin && claims.expires_ms == 0);
        FUZZ_REQUIRE(token_status_text(status) != NULL && grants.length == 0);
    }
    buffer_finish(&grants);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    char token[512];
    struct fuzz_input input = {{data, length}};
    unsigned choice = fuzz_below(&input, 4);
    if (keys.length == 0) {
        add_keys();
    }
    if (choice == 3) {
        verify(input.left);
        return 0;
    }
    size_t bytes = strlen(signed_tokens[choice]);
    memcpy(token, signed_tokens[choice], bytes);
    for (size_t i = 0; i < 4 && input.left.length > 1; i++) {
        size_t at = ((size_t)fuzz_byte(&input) << 8 | fuzz_byte(&input)) % bytes;
        token[at] = (char)fuzz_byte(&input);
    }
    verify((struct bytes){(const uint8_t *)token, bytes});
    return 0;
}
