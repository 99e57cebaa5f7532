/*
 * Goal:   webhooks are read with their secrets, and every mistake in one is told at its place
 * before the hub starts. Method: configurations of one line for each webhook, with one mistake
 * each; real files.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/config/fixture.h"
#include "tests/config/folder.h"

#define GOOD "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define HOOK "name: a, url: \"https://example.com/\", documents: [\"post/*\"], secret_file: secret"

static void start(void)
{
    folder_make();
    folder_write("secret", GOOD "\n");
    folder_write("two", GOOD "\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    folder_write("short", "password\n");
}

TestSuite(webhooks, .init = start, .fini = folder_remove);

/* `part` is told, at line 4, where the only webhook stands. */
static void check_webhook(const char *webhook, const char *part)
{
    char text[2048];
    struct config config;
    struct buffer mistakes;
    (void)snprintf(text, sizeof text, REQUIRED "webhooks:\n  - {%s}\n", webhook);
    cr_expect(not(folder_read(text, &config, &mistakes)), "%s", webhook);
    const char *told = (const char *)mistakes.data;
    cr_expect(strncmp(told, "hub.yaml:4:", 11) == 0 && strstr(told, part) != NULL,
              "%s\nnot told: %s\nbut: %s", webhook, part, told);
    cr_expect(strchr(told, '\n') == told + strlen(told) - 1, "more than one: %s", told);
    cr_expect(config.webhooks.items == NULL && config.webhook_sources == NULL);
    config_finish(&config);
    buffer_finish(&mistakes);
}

Test(webhooks, are_read_with_what_is_theirs)
{
    struct config config;
    struct buffer mistakes;
    cr_assert(eq(int, setenv("SYNCLINE_TEST_HOOK", GOOD, 1), 0));
    bool good =
        folder_read(REQUIRED "webhooks:\n"
                             "  - {" HOOK "}\n"
                             "  - name: b\n"
                             "    url: http://[::1]:8080/hook?x=1\n"
                             "    documents: [post/1, \"post/2*\"]\n"
                             "    secret_env: SYNCLINE_TEST_HOOK\n"
                             "    ca_file: ca.pem\n"
                             "    from: beginning\n"
                             "    timeout: 3s\n"
                             "    body_bytes: 2 KiB\n"
                             "    waiting: 20\n"
                             "    parallel: 7\n"
                             "    retry_min: 2s\n"
                             "    retry_max: 1m\n"
                             "    retry_after_max: 2m\n"
                             "    attempts: 9\n"
                             "    give_up: 2h\n"
                             "    failures: 4\n"
                             "  - {name: c, url: \"http://127.0.0.1\", documents: [\"post/*\"], "
                             "secret_file: two}\n",
                    &config, &mistakes);
    cr_assert(good, "%s", (const char *)mistakes.data);
    cr_assert(eq(sz, config.webhooks.length, 3));
    const struct webhook_target *a = &config.webhooks.items[0];
    const struct webhook_target *b = &config.webhooks.items[1];
    cr_expect(eq(u64, a->timeout_ms, 10000));
    cr_expect(eq(sz, a->limits.owed_max, 1000));
    cr_expect(not(a->from_beginning));
    cr_expect(eq(sz, a->secrets.length, 1));
    cr_expect(eq(str, b->url, "http://[::1]:8080/hook?x=1"));
    cr_expect(eq(str, b->ca_file, "ca.pem"));
    cr_expect(b->from_beginning);
    cr_expect(eq(u64, b->timeout_ms, 3000));
    cr_expect(eq(sz, b->body_bytes, 2048));
    cr_expect(eq(sz, b->limits.owed_max, 20));
    cr_expect(eq(sz, b->limits.parallel, 7));
    cr_expect(eq(u64, b->limits.retry_min_ms, 2000));
    cr_expect(eq(u64, b->limits.retry_max_ms, 60000));
    cr_expect(eq(u64, b->limits.hold_max_ms, 120000));
    cr_expect(eq(u64, b->limits.attempts_max, 9));
    cr_expect(eq(u64, b->limits.age_max_ms, 7200000));
    cr_expect(eq(u64, b->limits.breaker, 4));
    cr_expect(eq(sz, config.webhooks.items[2].secrets.length, 2));
    cr_expect(webhook_target_wants(b, bytes_of("post/1")));
    cr_expect(not(webhook_target_wants(b, bytes_of("post/10"))));
    cr_expect(webhook_target_wants(b, bytes_of("post/2")));
    cr_expect(webhook_target_wants(b, bytes_of("post/20")));
    cr_expect(not(webhook_target_wants(b, bytes_of("cart/2"))));
    config_finish(&config);
    buffer_finish(&mistakes);
}

Test(webhooks, a_mistake_is_told_with_what_was_expected)
{
    static const struct {
        const char *webhook;
        const char *part;
    } cases[] = {
        {"url: \"https://e.com\", documents: [\"post/*\"], secret_file: secret", "expected a name"},
        {"name: \"1x\", url: \"https://e.com\", documents: [\"post/*\"], secret_file: secret",
         "\"1x\"; expected a name"},
        {"name: a, documents: [\"post/*\"], secret_file: secret", "expected an address"},
        {"name: a, url: \"ftp://e.com\", documents: [\"post/*\"], secret_file: secret",
         "expected an address"},
        {"name: a, url: \"https://\", documents: [\"post/*\"], secret_file: secret",
         "expected an address"},
        {"name: a, url: \"https:///x\", documents: [\"post/*\"], secret_file: secret",
         "expected an address"},
        {"name: a, url: \"https://u:p@e.com\", documents: [\"post/*\"], secret_file: secret",
         "without user and password"},
        {"name: a, url: \"https://e.com/a b\", documents: [\"post/*\"], secret_file: secret",
         "expected an address"},
        {"name: a, url: \"https://e.com\", secret_file: secret", "expected a list of names"},
        {"name: a, url: \"https://e.com\", documents: [], secret_file: secret",
         "expected a list of 1 to 64 names"},
        {"name: a, url: \"https://e.com\", documents: [\"*\"], secret_file: secret",
         "\"*\"; expected a document's name"},
        {"name: a, url: \"https://e.com\", documents: [\"post/*x\"], secret_file: secret",
         "\"post/*x\"; expected a document's name"},
        {"name: a, url: \"https://e.com\", documents: [\"cart/*\"], secret_file: secret",
         "\"cart/*\" as documents of the webhook a; expected a schema that is declared"},
        {"name: a, url: \"https://e.com\", documents: [\"post/*\"]",
         "a webhook without a secret; expected secret_file or secret_env"},
        {HOOK ", secret_env: X", "a second source of the secret"},
        {"name: a, url: \"https://e.com\", documents: [\"post/*\"], secret_file: short",
         "a file \"short\"; expected one to four secrets: whsec_"},
        {"name: a, url: \"https://e.com\", documents: [\"post/*\"], secret_file: gone",
         "a file \"gone\" (No such file or directory); expected one to four secrets"},
        {"name: a, url: \"https://e.com\", documents: [\"post/*\"], secret_env: NOT_SET_AT_ALL",
         "a variable \"NOT_SET_AT_ALL\" (it is not set, or too long); expected"},
        {HOOK ", from: then", "\"then\"; expected now or beginning"},
        {HOOK ", timeout: 5", "expected a time"},
        {HOOK ", timeout: 10m", "expected from 1s to 5m"},
        {HOOK ", waiting: 9", "expected from 10 to 100000"},
        {HOOK ", parallel: many", "\"many\"; expected a whole number"},
        {HOOK ", body_bytes: 1 B", "expected a size"},
        {HOOK ", retry_min: 10m", "retry_min of 10m with retry_max of 5m; expected no more"},
        {HOOK ", colour: red", "unknown key \"colour\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_webhook(cases[i].webhook, cases[i].part);
    }
}

Test(webhooks, names_are_given_once_and_lists_are_lists)
{
    char text[4096];
    size_t length = (size_t)snprintf(text, sizeof text, "webhooks:\n");
    check_mistakes(REQUIRED "webhooks: {}\n",
                   "f:3:1: a mapping; expected a list of at most 16 webhooks\n");
    check_mistakes(REQUIRED "webhooks:\n  - {" HOOK "}\n  - {" HOOK "}\n",
                   "f:5:6: a second webhook called \"a\"; expected another name\n");
    for (size_t i = 0; i < 17; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "  - {}\n");
    }
    (void)snprintf(text + length, sizeof text - length, REQUIRED);
    check_mistakes(text, "f:1:1: a list; expected a list of at most 16 webhooks\n");
}
