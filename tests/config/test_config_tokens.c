/*
 * Goal:   keys of tokens come from files and from the environment, and a mistake in one is told at
 *         its place before the hub starts.
 * Method: configurations of one line for each key; real files with keys good for nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/hub/access.h"
#include "tests/config/fixture.h"
#include "tests/config/folder.h"
#include "tests/server/keys.h"

static void start(void)
{
    folder_make();
    folder_write("secret", SECRET "\n");
    folder_write("rsa.pem", RSA_PUBLIC);
    folder_write("ec.pem", EC_PUBLIC);
    folder_write("short", "password\n");
}

TestSuite(keys, .init = start, .fini = folder_remove);

static void check_file(const char *text, const char *expected)
{
    struct config config;
    struct buffer mistakes;
    cr_expect(not(folder_read(text, &config, &mistakes)));
    cr_expect(eq(str, (char *)mistakes.data, (char *)expected));
    cr_expect(config.keys.items == NULL && config.data == NULL);
    config_finish(&config);
    buffer_finish(&mistakes);
}

Test(keys, come_from_files_and_from_the_environment)
{
    struct config config;
    struct buffer mistakes;
    cr_assert(eq(int, setenv("SYNCLINE_TEST_SECRET", SECRET "2", 1), 0));
    bool good = folder_read(REQUIRED "tokens:\n"
                                     "  keys:\n"
                                     "    - {algorithm: HS256, secret_file: secret}\n"
                                     "    - algorithm: HS256\n"
                                     "      id: two\n"
                                     "      secret_env: SYNCLINE_TEST_SECRET\n"
                                     "    - {algorithm: RS256, public_key_file: rsa.pem}\n"
                                     "    - {algorithm: ES256, public_key_file: ec.pem}\n",
                            &config, &mistakes);
    cr_assert(good, "%s", (const char *)mistakes.data);
    static const struct {
        enum token_algorithm algorithm;
        const char *id;
        const char *material;
    } expected[] = {{TOKEN_HS256, "none", SECRET},
                    {TOKEN_HS256, "two", SECRET "2"},
                    {TOKEN_RS256, "none", RSA_PUBLIC},
                    {TOKEN_ES256, "none", EC_PUBLIC}};
    cr_assert(eq(sz, config.keys.length, 4));
    for (size_t i = 0; i < 4; i++) {
        const struct token_key *key = &config.keys.items[i];
        size_t length = strlen(expected[i].material) - (i > 1); /* without the last line feed */
        cr_expect(eq(int, key->algorithm, expected[i].algorithm));
        cr_expect(eq(str, key->id == NULL ? "none" : key->id, (char *)expected[i].id));
        cr_expect(eq(sz, key->material.length, length));
        cr_expect(memcmp(key->material.data, expected[i].material, length) == 0);
    }
    config_finish(&config);
    buffer_finish(&mistakes);
}

Test(keys, are_not_needed)
{
    struct config config = parse(REQUIRED);
    cr_expect(eq(sz, config.keys.length, 0));
    config_finish(&config);
}

Test(keys, that_cannot_be_read_are_told_where_they_are_named)
{
    (void)unsetenv("SYNCLINE_TEST_NONE");
    check_file(
        REQUIRED "tokens:\n"
                 "  keys:\n"
                 "    - {algorithm: HS256, secret_file: nothing}\n"
                 "    - {algorithm: HS256, secret_env: SYNCLINE_TEST_NONE}\n"
                 "    - {algorithm: HS256, secret_file: short}\n"
                 "    - {algorithm: RS256, public_key_file: ec.pem}\n"
                 "    - {algorithm: ES256, public_key_file: rsa.pem}\n"
                 "    - {algorithm: HS256, secret_file: rsa.pem}\n",
        "hub.yaml:5:39: a file \"nothing\" (No such file or directory); expected one that "
        "can be read\n"
        "hub.yaml:6:38: a variable \"SYNCLINE_TEST_NONE\" (it is not set, or too long); "
        "expected one that can be read\n"
        "hub.yaml:7:39: a file \"short\"; expected a secret of 32 bytes or more\n"
        "hub.yaml:8:43: a file \"ec.pem\"; expected an RSA public key in PEM, \"-----BEGIN "
        "PUBLIC KEY-----\", of 2048 bits or more\n"
        "hub.yaml:9:43: a file \"rsa.pem\"; expected a public key on P-256 in PEM, "
        "\"-----BEGIN PUBLIC KEY-----\"\n"
        "hub.yaml:10:39: a file \"rsa.pem\"; expected a secret, which a public key is not\n");
}

Test(keys, have_what_their_algorithm_needs_and_nothing_else)
{
    check_mistakes(
        REQUIRED "tokens:\n"
                 "  keys:\n"
                 "    - {algorithm: none, secret_file: secret}\n"
                 "    - {secret_file: secret}\n"
                 "    - {algorithm: HS256}\n"
                 "    - {algorithm: HS256, public_key_file: rsa.pem}\n"
                 "    - {algorithm: RS256, secret_file: secret}\n"
                 "    - {algorithm: RS256, secret_file: secret, public_key_file: rsa.pem}\n"
                 "    - {algorithm: HS256, secret_file: secret, secret_env: SECRET}\n"
                 "    - {algorithm: HS256, secret_file: []}\n"
                 "    - {algorithm: HS256, secret: hunter2}\n"
                 "    - key\n",
        "f:5:19: \"none\"; expected HS256, RS256 or ES256\n"
        "f:6:8: no key \"algorithm\"; expected HS256, RS256 or ES256\n"
        "f:7:8: a key of HS256 without its material; expected secret_file or secret_env\n"
        "f:8:8: a key of HS256 without its material; expected secret_file or secret_env\n"
        "f:9:8: a key of RS256 without its material; expected public_key_file\n"
        "f:10:8: a key of RS256 with a secret; expected only public_key_file\n"
        "f:11:59: a second source of the secret; expected secret_file or secret_env\n"
        "f:12:26: a list; expected the path of the secret's file\n"
        "f:12:8: a key of HS256 without its material; expected secret_file or secret_env\n"
        "f:13:26: unknown key \"secret\"; did you mean \"secret_env\"?\n"
        "f:13:8: a key of HS256 without its material; expected secret_file or secret_env\n"
        "f:14:7: \"key\"; expected a key, such as \"{algorithm: HS256, secret_file: secret}\"\n");
}

Test(keys, are_a_list_that_is_not_empty_and_bounded)
{
    check_mistakes(REQUIRED "tokens: {keys: []}\n", "f:3:10: a list; expected a list of keys\n");
    check_mistakes(REQUIRED "tokens: {}\n",
                   "f:3:1: an empty mapping; expected keys of tokens, such as \"keys: "
                   "[{algorithm: HS256, secret_file: secret}]\"\n"
                   "f:3:1: \"tokens\" without keys; expected \"keys\", a list of keys, or "
                   "\"jwks_file\", the path of a JSON Web Key Set\n");
    check_mistakes(REQUIRED "tokens: {allow: {\"*\": [read]}}\n",
                   "f:3:10: \"tokens\" without keys; expected \"keys\", a list of keys, or "
                   "\"jwks_file\", the path of a JSON Web Key Set\n");
    check_mistakes(REQUIRED "tokens: {jwks_file: \"\"}\n",
                   "f:3:22: \"\"; expected the path of a file with a JSON Web Key Set\n");
    char text[4096] = REQUIRED "tokens:\n  keys:\n";
    for (size_t i = 0; i <= TOKEN_KEYS_MAX; i++) {
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at,
                       "    - {algorithm: HS256, secret_file: secret}\n");
    }
    check_mistakes(text, "f:5:8: 17 keys; expected at most 16\n");
}

Test(keys, come_with_what_tokens_allow_that_do_not_say)
{
    struct config config;
    struct buffer mistakes;
    cr_assert(folder_read(REQUIRED "tokens:\n  keys: [{algorithm: HS256, secret_file: secret}]\n"
                                   "  allow:\n"
                                   "    post/*: [read, write, presence]\n"
                                   "    \"cart/{sub}\": [admin]\n",
                          &config, &mistakes));
    cr_assert(eq(sz, config.keys.allow.length, 2));
    cr_expect(eq(str, config.keys.allow.items[0].pattern, "post/*"));
    cr_expect(eq(uint, config.keys.allow.items[0].rights, ACCESS_USE));
    cr_expect(eq(uint, config.keys.allow.items[1].rights, ACCESS_ADMIN));
    config_finish(&config);
    buffer_finish(&mistakes);
}

Test(keys, allow_what_is_spelled_right)
{
    check_mistakes(REQUIRED "tokens:\n  keys: [{algorithm: HS256, secret_file: secret}]\n"
                            "  allow:\n"
                            "    post: [read]\n"
                            "    cart/{user}: [read]\n"
                            "    post/*: [raed]\n"
                            "    post/1: []\n"
                            "    post/2: read\n",
                   "f:6:5: \"post\" as a pattern; expected one such as \"post/*\" or "
                   "\"cart/{sub}\"\n"
                   "f:7:5: \"cart/{user}\" as a pattern; expected one such as \"post/*\" or "
                   "\"cart/{sub}\"\n"
                   "f:8:14: \"raed\" as a right; expected read, write, presence or admin\n"
                   "f:9:5: a list; expected a list of read, write, presence and admin\n"
                   "f:10:13: \"read\"; expected a list of read, write, presence and admin\n");
}
