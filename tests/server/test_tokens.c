/*
 * Goal:   only a token that is signed with a key of its own algorithm, and is good now, says who
 *         somebody is; whatever else comes is refused with a reason.
 * Method: tokens made by libjwt with any header and claims, tokens made by hand, and one of each
 *         algorithm from another library (keys.h).
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/access.h"
#include "server/tokens.h"
#include "tests/server/keys.h"

#define SECOND UINT64_C(1000)
#define NOW (1000000000 * SECOND)
#define GOOD "{\"sub\":\"ann\",\"exp\":1000000060}"

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* --- keys --- */

static struct token_key items[4];
static struct token_keys keys = {.items = items};

static void add_key(enum token_algorithm algorithm, const char *id, const char *material)
{
    struct token_key *key = &items[keys.length++];
    *key = (struct token_key){.id = (char *)(uintptr_t)id, .algorithm = algorithm};
    buffer_init(&key->material, TOKEN_KEY_BYTES_MAX);
    cr_assert(eq(int, buffer_append(&key->material, material, strlen(material)), PROTOCOL_OK));
}

static void use_all(void)
{
    add_key(TOKEN_HS256, NULL, SECRET);
    add_key(TOKEN_RS256, NULL, RSA_PUBLIC);
    add_key(TOKEN_ES256, NULL, EC_PUBLIC);
}

static void finish(void)
{
    for (size_t i = 0; i < keys.length; i++) {
        buffer_finish(&items[i].material);
    }
    keys.length = 0;
}

TestSuite(tokens, .fini = finish);

/* --- tokens --- */

/* The caller frees it. */
static char *sign(jwt_alg_t algorithm, const char *key, const char *headers, const char *claims)
{
    jwt_t *jwt = NULL;
    cr_assert(eq(int, jwt_new(&jwt), 0));
    cr_assert(eq(int, jwt_add_grants_json(jwt, claims), 0));
    cr_assert(eq(int, jwt_add_headers_json(jwt, headers), 0));
    cr_assert(eq(
        int,
        jwt_set_alg(jwt, algorithm, (const unsigned char *)key, key == NULL ? 0 : (int)strlen(key)),
        0));
    char *token = jwt_encode_str(jwt);
    jwt_free(jwt);
    cr_assert(token != NULL);
    return token;
}

static enum token_status verify_at(const char *token, uint64_t now_ms, struct token_claims *claims)
{
    struct buffer grants;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    enum token_status status = token_verify(&keys, bytes_of(token), now_ms, claims, &grants);
    buffer_finish(&grants);
    return status;
}

static void expect(enum token_status expected, const char *token)
{
    struct token_claims claims = {.expires_ms = 7};
    cr_expect(eq(int, verify_at(token, NOW, &claims), expected), "%s", token);
    cr_expect(expected == TOKEN_OK || claims.expires_ms == 7);
}

static void expect_claims(enum token_status expected, const char *claims)
{
    char *token = sign(JWT_ALG_HS256, SECRET, "{}", claims);
    expect(expected, token);
    free(token);
}

Test(tokens, of_each_algorithm_are_taken_from_another_library)
{
    static const char *const tokens[] = {TOKEN_OF_HS256, TOKEN_OF_RS256, TOKEN_OF_ES256};
    use_all();
    for (size_t i = 0; i < 3; i++) {
        struct token_claims claims;
        cr_assert(eq(int, verify_at(tokens[i], NOW, &claims), TOKEN_OK));
        cr_expect(eq(str, claims.subject, "ann"));
        cr_expect(eq(u64, claims.expires_ms, 2000000000 * SECOND + TOKEN_LEEWAY_MS));
        cr_expect(claims.admin);
    }
}

Test(tokens, are_checked_by_a_key_of_their_own_algorithm_only)
{
    static const char *const tokens[] = {TOKEN_OF_HS256, TOKEN_OF_RS256, TOKEN_OF_ES256};
    static const char *const material[] = {SECRET, RSA_PUBLIC, EC_PUBLIC};
    for (int i = 0; i < 3; i++) {
        add_key((enum token_algorithm)i, NULL, material[i]);
        for (int k = 0; k < 3; k++) {
            expect(i == k ? TOKEN_OK : TOKEN_NO_KEY, tokens[k]);
        }
        finish();
    }
}

Test(tokens, signed_with_a_public_key_as_if_it_were_a_secret_are_refused)
{
    static const char *const material[] = {RSA_PUBLIC, EC_PUBLIC};
    static const enum token_algorithm algorithms[] = {TOKEN_RS256, TOKEN_ES256};
    for (size_t i = 0; i < 2; i++) {
        char *token = sign(JWT_ALG_HS256, material[i], "{}", GOOD);
        add_key(algorithms[i], NULL, material[i]);
        expect(TOKEN_NO_KEY, token);
        add_key(TOKEN_HS256, NULL, SECRET); /* a secret of its own makes no difference */
        expect(TOKEN_FORGED, token);
        finish();
        free(token);
    }
}

Test(tokens, without_a_signature_are_refused)
{
    use_all();
    char *none = sign(JWT_ALG_NONE, NULL, "{}", GOOD);
    expect(TOKEN_MALFORMED, none);
    free(none);
    /* {"alg":"None"} and {"typ":"JWT"} with the claims {"sub":"ann"} */
    expect(TOKEN_MALFORMED, "eyJhbGciOiJOb25lIn0.eyJzdWIiOiJhbm4ifQ");
    expect(TOKEN_MALFORMED, "eyJhbGciOiJOb25lIn0.eyJzdWIiOiJhbm4ifQ.");
    expect(TOKEN_NO_KEY, "eyJhbGciOiJOb25lIn0.eyJzdWIiOiJhbm4ifQ.AAAA");
    expect(TOKEN_MALFORMED, "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbm4ifQ.");
    char cut[] = TOKEN_OF_HS256;
    *(strrchr(cut, '.') + 1) = '\0';
    expect(TOKEN_MALFORMED, cut);
}

Test(tokens, of_other_algorithms_are_refused)
{
    use_all();
    static const jwt_alg_t others[] = {JWT_ALG_HS384, JWT_ALG_HS512, JWT_ALG_RS384, JWT_ALG_RS512};
    for (size_t i = 0; i < 4; i++) {
        char *token = sign(others[i], i < 2 ? SECRET : RSA_PRIVATE, "{}", GOOD);
        expect(TOKEN_NO_KEY, token);
        free(token);
    }
}

Test(tokens, of_another_key_are_refused)
{
    use_all();
    char *other = sign(JWT_ALG_ES256, OTHER_EC_PRIVATE, "{}", GOOD);
    expect(TOKEN_FORGED, other);
    free(other);
    other = sign(JWT_ALG_HS256, SECRET "x", "{}", GOOD);
    expect(TOKEN_FORGED, other);
    free(other);
    finish();
    expect(TOKEN_NO_KEY, TOKEN_OF_HS256);
}

Test(tokens, choose_among_keys_by_their_id)
{
    add_key(TOKEN_HS256, "old", "another secret of 32 bytes ......");
    add_key(TOKEN_HS256, "new", SECRET);
    char *named = sign(JWT_ALG_HS256, SECRET, "{\"kid\":\"new\"}", GOOD);
    char *misnamed = sign(JWT_ALG_HS256, SECRET, "{\"kid\":\"old\"}", GOOD);
    char *unknown = sign(JWT_ALG_HS256, SECRET, "{\"kid\":\"odd\"}", GOOD);
    char *unnamed = sign(JWT_ALG_HS256, SECRET, "{}", GOOD);
    expect(TOKEN_OK, named);
    expect(TOKEN_FORGED, misnamed);
    expect(TOKEN_NO_KEY, unknown);
    expect(TOKEN_OK, unnamed);
    add_key(TOKEN_HS256, NULL, SECRET);
    expect(TOKEN_OK, unknown);
    free(named);
    free(misnamed);
    free(unknown);
    free(unnamed);
}

Test(tokens, with_extensions_that_must_be_understood_are_refused)
{
    use_all();
    char *token = sign(JWT_ALG_HS256, SECRET, "{\"crit\":[\"b64\"],\"b64\":false}", GOOD);
    expect(TOKEN_MALFORMED, token);
    free(token);
}

Test(tokens, expire_and_begin_with_some_leeway)
{
    use_all();
    expect_claims(TOKEN_OK, "{\"sub\":\"ann\",\"exp\":999999996}");
    expect_claims(TOKEN_EXPIRED, "{\"sub\":\"ann\",\"exp\":999999995}");
    expect_claims(TOKEN_OK, "{\"sub\":\"ann\",\"exp\":999999995.5}");
    expect_claims(TOKEN_EXPIRED, "{\"sub\":\"ann\",\"exp\":-1}");
    expect_claims(TOKEN_OK, "{\"sub\":\"ann\",\"nbf\":1000000005}");
    expect_claims(TOKEN_EARLY, "{\"sub\":\"ann\",\"nbf\":1000000006}");
    struct token_claims claims;
    char *token = sign(JWT_ALG_HS256, SECRET, "{}", GOOD);
    cr_assert(eq(int, verify_at(token, NOW, &claims), TOKEN_OK));
    cr_expect(eq(u64, claims.expires_ms, NOW + 60 * SECOND + TOKEN_LEEWAY_MS));
    cr_expect(not(claims.admin));
    cr_expect(eq(int, verify_at(token, claims.expires_ms - 1, &claims), TOKEN_OK));
    cr_expect(eq(int, verify_at(token, claims.expires_ms, &claims), TOKEN_EXPIRED));
    free(token);
}

Test(tokens, without_an_end_never_expire)
{
    use_all();
    static const char *const endless[] = {"{\"sub\":\"ann\"}", "{\"sub\":\"ann\",\"exp\":1e300}"};
    for (size_t i = 0; i < 2; i++) {
        struct token_claims claims;
        char *token = sign(JWT_ALG_HS256, SECRET, "{}", endless[i]);
        cr_assert(eq(int, verify_at(token, NOW, &claims), TOKEN_OK));
        cr_expect(eq(u64, claims.expires_ms, UINT64_MAX));
        free(token);
    }
}

Test(tokens, with_claims_of_another_kind_are_refused)
{
    use_all();
    expect_claims(TOKEN_NO_TIME, "{\"sub\":\"ann\",\"exp\":\"1000000060\"}");
    expect_claims(TOKEN_NO_TIME, "{\"sub\":\"ann\",\"exp\":null}");
    expect_claims(TOKEN_NO_TIME, "{\"sub\":\"ann\",\"nbf\":true}");
    expect_claims(TOKEN_NO_SUBJECT, "{\"exp\":1000000060}");
    expect_claims(TOKEN_NO_SUBJECT, "{\"sub\":\"\"}");
    expect_claims(TOKEN_NO_SUBJECT, "{\"sub\":42}");
    char claims[400];
    (void)snprintf(claims, sizeof claims, "{\"sub\":\"%0*d\"}", LIMIT_PRINCIPAL_BYTES, 0);
    expect_claims(TOKEN_OK, claims);
    (void)snprintf(claims, sizeof claims, "{\"sub\":\"%0*d\"}", LIMIT_PRINCIPAL_BYTES + 1, 0);
    expect_claims(TOKEN_NO_SUBJECT, claims);
}

Test(tokens, make_an_operator_by_true_alone)
{
    static const struct {
        const char *claims;
        bool admin;
    } cases[] = {{"{\"sub\":\"a\",\"admin\":true}", true},
                 {"{\"sub\":\"a\",\"admin\":false}", false},
                 {"{\"sub\":\"a\",\"admin\":1}", false},
                 {"{\"sub\":\"a\",\"admin\":\"true\"}", false}};
    use_all();
    for (size_t i = 0; i < 4; i++) {
        struct token_claims claims;
        char *token = sign(JWT_ALG_HS256, SECRET, "{}", cases[i].claims);
        cr_assert(eq(int, verify_at(token, NOW, &claims), TOKEN_OK));
        cr_expect(eq(int, claims.admin, cases[i].admin), "%s", cases[i].claims);
        free(token);
    }
}

Test(tokens, with_any_byte_missing_or_another_are_refused)
{
    static const char *const tokens[] = {TOKEN_OF_HS256, TOKEN_OF_RS256, TOKEN_OF_ES256};
    use_all();
    for (size_t i = 0; i < 3; i++) {
        char text[1024];
        struct token_claims claims;
        size_t length = strlen(tokens[i]);
        for (size_t at = 0; at < length; at++) {
            (void)snprintf(text, sizeof text, "%.*s", (int)at, tokens[i]);
            cr_expect(ne(int, verify_at(text, NOW, &claims), TOKEN_OK), "cut at %zu", at);
            (void)snprintf(text, sizeof text, "%s", tokens[i]);
            text[at] = text[at] == 'A' ? 'B' : 'A';
            /* The last digit of a signature has bits to spare. */
            cr_expect(at == length - 1 || verify_at(text, NOW, &claims) != TOKEN_OK,
                      "other at %zu of %s", at, tokens[i]);
        }
    }
}

Test(tokens, that_are_none_are_refused)
{
    use_all();
    static const char *const garbage[] = {"a..b",
                                          ".a.b",
                                          "",
                                          ".",
                                          "..",
                                          "...",
                                          "a.b.c",
                                          "e30.e30.e30",
                                          "eyJhbGciOiJIUzI1NiJ9..",
                                          "\xff\xfe.\x80.\x81",
                                          "W10.W10.W10",
                                          TOKEN_OF_HS256 ".",
                                          " " TOKEN_OF_HS256,
                                          TOKEN_OF_HS256 "\n",
                                          TOKEN_OF_HS256 "="};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        struct token_claims claims;
        cr_expect(ne(int, verify_at(garbage[i], NOW, &claims), TOKEN_OK), "%s", garbage[i]);
    }
    static const char with_end[] = TOKEN_OF_HS256 "\0more";
    struct bytes token = {(const uint8_t *)with_end, sizeof with_end - 1};
    cr_expect(
        eq(int, token_verify(&keys, token, NOW, &(struct token_claims){0}, NULL), TOKEN_MALFORMED));
    static char long_one[LIMIT_TOKEN_BYTES + 2];
    memset(long_one, 'A', sizeof long_one - 1);
    long_one[10] = '.';
    long_one[20] = '.';
    expect(TOKEN_MALFORMED, long_one);
}

Test(tokens, have_keys_that_fit_their_algorithm)
{
    static const struct {
        enum token_algorithm algorithm;
        const char *material;
        bool good;
    } cases[] = {
        {TOKEN_HS256, SECRET, true},
        {TOKEN_HS256, "short", false},
        {TOKEN_HS256, "", false},
        {TOKEN_RS256, RSA_PUBLIC, true},
        {TOKEN_RS256, "\r\n" RSA_PUBLIC, true},
        {TOKEN_RS256, RSA1024_PUBLIC, false},
        {TOKEN_RS256, RSA_PRIVATE, false},
        {TOKEN_RS256, EC_PUBLIC, false},
        {TOKEN_RS256, SECRET, false},
        {TOKEN_ES256, EC_PUBLIC, true},
        {TOKEN_ES256, EC384_PUBLIC, false},
        {TOKEN_ES256, EC_PRIVATE, false},
        {TOKEN_ES256, RSA_PUBLIC, false},
        {TOKEN_ES256, "", false},
        {TOKEN_ES256, "-----BEGIN PUBLIC KEY-----", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *expected = token_key_expected(cases[i].algorithm, bytes_of(cases[i].material));
        cr_expect(eq(int, expected == NULL, cases[i].good), "case %zu", i);
    }
}

/* --- what they allow --- */

/* The rights of a token with these claims to a document; 255: it is refused. */
static unsigned rights_of(const char *claims, const char *document)
{
    char *token = sign(JWT_ALG_HS256, SECRET, "{}", claims);
    struct token_claims read;
    struct buffer grants;
    unsigned rights = 255;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    if (token_verify(&keys, bytes_of(token), NOW, &read, &grants) == TOKEN_OK) {
        rights = access_rights(buffer_bytes(&grants), bytes_of(document));
    }
    buffer_finish(&grants);
    free(token);
    return rights;
}

Test(tokens, allow_the_use_of_everything_unless_somebody_says_more)
{
    use_all();
    cr_expect(eq(uint, rights_of("{\"sub\":\"ann\"}", "post/1"), ACCESS_USE));
    keys.allow.given = true;
    cr_expect(eq(uint, rights_of("{\"sub\":\"ann\"}", "post/1"), 0));
    cr_assert(grants_add(&keys.allow, bytes_of("cart/{sub}"), ACCESS_READ));
    cr_expect(eq(uint, rights_of("{\"sub\":\"ann\"}", "cart/ann"), ACCESS_READ));
    cr_expect(eq(uint, rights_of("{\"sub\":\"ann\"}", "cart/bob"), 0));
    static const char claimed[] = "{\"sub\":\"ann\",\"allow\":{\"cart/bob\":[\"write\"]}}";
    cr_expect(eq(uint, rights_of(claimed, "cart/bob"), ACCESS_WRITE));
    cr_expect(eq(uint, rights_of(claimed, "cart/ann"), 0), "the token's word stands alone");
    cr_expect(eq(uint, rights_of("{\"sub\":\"ann\",\"allow\":{}}", "cart/ann"), 0));
    grants_finish(&keys.allow);
}

Test(tokens, allow_what_fits_their_patterns)
{
    static const struct {
        const char *pattern;
        const char *subject;
        const char *document;
        bool fits;
    } cases[] = {
        {"post/1", "ann", "post/1", true},
        {"post/1", "ann", "post/10", false},
        {"post/*", "ann", "post/10", true},
        {"post/*", "ann", "posts/1", false},
        {"post/a*", "ann", "post/b", false},
        {"*", "ann", "any/thing", true},
        {"notes/{sub}/*", "ann", "notes/ann/1", true},
        {"notes/{sub}/*", "ann", "notes/anna/1", false},
        {"notes/{sub}/*", "a/b", "notes/a/b/1", false}, /* or `a` would read what is b's */
        {"notes/{sub}", "*", "notes/ann", false},       /* a star in a name is a star */
        {"notes/{sub}", "*", "notes/*", true},
        {"notes/{sub}-{sub}", "a", "notes/a-a", true},
        {"notes/{sub}", "{sub}", "notes/{sub}", true},
    };
    use_all();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char claims[256];
        (void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"allow\":{\"%s\":[\"read\"]}}",
                       cases[i].subject, cases[i].pattern);
        cr_expect(eq(uint, rights_of(claims, cases[i].document), cases[i].fits), "%s %s", claims,
                  cases[i].document);
    }
}

Test(tokens, whose_rights_nobody_knows_are_refused)
{
    static const char *const claims[] = {"[]",
                                         "true",
                                         "\"post/*\"",
                                         "{\"post/*\":\"read\"}",
                                         "{\"post/*\":[]}",
                                         "{\"post/*\":[\"raed\"]}",
                                         "{\"post/*\":[\"read\",1]}",
                                         "{\"post\":[\"read\"]}",
                                         "{\"post/\":[\"read\"]}",
                                         "{\"/1\":[\"read\"]}",
                                         "{\"*/1\":[\"read\"]}",
                                         "{\"post/*/1\":[\"read\"]}",
                                         "{\"post/{user}\":[\"read\"]}",
                                         "{\"post/{sub\":[\"read\"]}",
                                         "{\"post/sub}\":[\"read\"]}",
                                         "{\"\":[\"read\"]}"};
    use_all();
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "{\"sub\":\"ann\",\"allow\":%s}", claims[i]);
        expect_claims(TOKEN_BAD_ALLOW, text);
    }
}
