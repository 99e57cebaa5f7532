/*
 * Goal:   a key set gives the keys that can check a token here and no others, whatever stands in
 * it. Method: sets by hand, around the keys of RFC 7517's and RFC 7515's examples; what is cut
 * anywhere is none.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "server/jwks.h"

/* RFC 7517, A.1. */
#define EC_X "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"
#define EC_Y "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
#define EC "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\""
#define RSA_N                                                                                      \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"      \
    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-"              \
    "65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"   \
    "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
/* The first 63 bytes of that: an odd number of 504 bits. */
#define RSA_N_504                                                                                  \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR16tTT"
#define RSA "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\""
#define OCT                                                                                        \
    "\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"                        \
    "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\""

static struct token_keys keys;
static struct buffer notes;
static char error[JWKS_TEXT_BYTES];

static void start(void) { buffer_init(&notes, 1 << 16); }

static void finish(void)
{
    token_keys_finish(&keys);
    buffer_finish(&notes);
}

TestSuite(jwks, .init = start, .fini = finish);

static bool parse(const char *text)
{
    token_keys_finish(&keys);
    buffer_clear(&notes);
    error[0] = '\0';
    return jwks_parse((struct bytes){(const uint8_t *)text, strlen(text)}, &keys, &notes, error);
}

static bool parse_one(const char *members)
{
    char text[2048];
    (void)snprintf(text, sizeof text, "{\"keys\":[{%s}]}", members);
    return parse(text);
}

Test(jwks, each_kind_is_a_key_of_its_algorithm)
{
    cr_assert(parse("{\"keys\":[{" EC ",\"kid\":\"1\",\"use\":\"sig\"},{" RSA
                    ",\"alg\":\"RS256\"},{" OCT ",\"key_ops\":[\"sign\",\"verify\"]}]}"),
              "%s", error);
    cr_assert(eq(sz, keys.length, 3));
    cr_expect(eq(str, keys.items[0].id, (char *)(uintptr_t) "1"));
    cr_expect(eq(ptr, keys.items[1].id, NULL));
    static const enum token_algorithm algorithms[] = {TOKEN_ES256, TOKEN_RS256, TOKEN_HS256};
    for (size_t i = 0; i < 3; i++) {
        cr_expect(eq(int, (int)keys.items[i].algorithm, (int)algorithms[i]));
        const char *expected =
            token_key_expected(algorithms[i], buffer_bytes(&keys.items[i].material));
        cr_expect(expected == NULL, "%s", expected);
    }
    cr_expect(eq(sz, notes.length, 0));
}

Test(jwks, what_signs_no_token_here_is_passed_over)
{
    static const char *const others[] = {
        RSA ",\"use\":\"enc\"",
        RSA ",\"alg\":\"RS512\"",
        RSA ",\"key_ops\":[\"encrypt\"]",
        OCT ",\"alg\":\"HS512\"",
        EC ",\"alg\":1",
        "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"",
        "\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"",
        "\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char text[2048];
        (void)snprintf(text, sizeof text, "{\"keys\":[{%s},{" EC "}]}", others[i]);
        cr_expect(parse(text), "%s: %s", others[i], error);
        cr_expect(eq(sz, keys.length, 1), "%s", others[i]);
        cr_expect(gt(sz, notes.length, 0), "%s", others[i]);
        cr_expect(not(parse_one(others[i])), "%s alone", others[i]);
    }
}

Test(jwks, a_set_with_a_key_that_is_none_is_no_set)
{
    static const char *const wrong[] = {
        "",
        "\"kty\":1",
        EC ",\"d\":\"AA\"",
        RSA ",\"d\":\"AA\"",
        RSA ",\"p\":1",
        EC ",\"kid\":\"\"",
        EC ",\"kid\":7",
        EC ",\"kid\":\"a\\u0000b\"",
        EC ",\"kty\":\"EC\"",
        "\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"",
        "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X "\"",
        "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "=\",\"y\":\"" EC_Y "\"",
        "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"AA\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AA\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAA\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"" RSA_N "\"",
        "\"kty\":\"RSA\",\"n\":\"" RSA_N "AA\",\"e\":\"AQAB\"",
        "\"kty\":\"RSA\",\"n\":\"+" RSA_N "\",\"e\":\"AQAB\"",
        "\"kty\":\"oct\",\"k\":\"c2hvcnQ\"",
        "\"kty\":\"oct\",\"k\":\"not base64\"",
        "\"kty\":\"oct\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[2048];
        (void)snprintf(text, sizeof text, "{\"keys\":[{" EC "},{%s}]}", wrong[i]);
        cr_expect(not(parse(text)), "%s", wrong[i]);
        cr_expect(eq(sz, keys.length, 0), "%s", wrong[i]);
        cr_expect(gt(sz, strlen(error), 0), "%s", wrong[i]);
    }
}

/* Three bytes of 0 before a number make it longer, but no stronger. */
#define ZEROS_4 "AAAA"
#define ZEROS_64 ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16
#define ZEROS_16 ZEROS_4 ZEROS_4 ZEROS_4 ZEROS_4
#define ZEROS_344 ZEROS_64 ZEROS_64 ZEROS_64 ZEROS_64 ZEROS_64 ZEROS_16 ZEROS_4 ZEROS_4

Test(jwks, zeros_before_a_number_make_no_key_stronger)
{
    cr_expect(parse_one("\"kty\":\"RSA\",\"n\":\"" ZEROS_4 RSA_N "\",\"e\":\"AAEAAQ\""), "%s",
              error);
    cr_expect(not(
        parse("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" ZEROS_344 RSA_N_504 "\",\"e\":\"AQAB\"}]}")));
    cr_expect(eq(str, error, (char *)(uintptr_t) "it has no key that can be used"));
    cr_expect(gt(sz, notes.length, 0));
}

Test(jwks, what_a_key_is_called_can_neither_end_a_line_nor_move_a_terminal)
{
    cr_assert(parse("{\"keys\":[{" EC "},{\"kty\":\"OKP\",\"kid\":\"a\\n\\u001b[2Jb\\u00e4\"}]}"));
    static const char expected[] = "key 2 of kid a??[2Jb?? is passed over: it is of another kind "
                                   "than RSA, EC and oct\n";
    cr_expect(bytes_equal(buffer_bytes(&notes),
                          (struct bytes){(const uint8_t *)expected, sizeof expected - 1}),
              "%.*s", (int)notes.length, (const char *)notes.data);
}

Test(jwks, what_is_cut_anywhere_is_none)
{
    static const char whole[] = "{\"keys\":[{" RSA ",\"kid\":\"a\"},{" EC "},{" OCT "}]}";
    cr_assert(parse(whole));
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        token_keys_finish(&keys);
        cr_assert(
            not(jwks_parse((struct bytes){(const uint8_t *)whole, length}, &keys, &notes, error)),
            "%zu bytes", length);
    }
}

Test(jwks, has_as_many_keys_as_there_may_be)
{
    static char text[64 << 10];
    for (int count = TOKEN_KEYS_MAX; count <= TOKEN_KEYS_MAX + 1; count++) {
        size_t length = (size_t)snprintf(text, sizeof text, "{\"keys\":[");
        for (int i = 0; i < count; i++) {
            length += (size_t)snprintf(text + length, sizeof text - length, "%s{" EC "}",
                                       i == 0 ? "" : ",");
        }
        (void)snprintf(text + length, sizeof text - length, "]}");
        cr_expect(eq(int, parse(text), count == TOKEN_KEYS_MAX), "%d: %s", count, error);
    }
}

Test(jwks, a_set_takes_the_place_of_the_last_one_and_of_nothing_else)
{
    struct token_keys all = {.configured = 0};
    struct token_key own = {.algorithm = TOKEN_HS256};
    buffer_init(&own.material, 64);
    cr_assert(token_keys_add(&all, &own));
    all.configured = 1;
    cr_assert(parse("{\"keys\":[{" EC "},{" RSA "}]}"));
    cr_assert(token_keys_replace(&all, &keys));
    cr_expect(eq(sz, all.length, 3));
    cr_expect(eq(sz, keys.length, 0));
    cr_assert(parse_one(OCT));
    cr_assert(token_keys_replace(&all, &keys));
    cr_expect(eq(sz, all.length, 2));
    cr_expect(eq(int, (int)all.items[1].algorithm, (int)TOKEN_HS256));
    cr_expect(gt(sz, all.items[1].material.length, 0));
    token_keys_finish(&all);
}
