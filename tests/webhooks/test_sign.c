/*
 * Goal:   what is signed can be checked by anybody's implementation of Standard Webhooks.
 * Method: the example that the specification's own libraries are tested with, and secrets of every
 *         wrong form.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "server/webhooks/sign.h"

static struct bytes text_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

Test(sign, the_specifications_example_is_signed_alike)
{
    struct webhook_secrets secrets;
    struct webhook_message message = {.id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                      .timestamp = 1614265330,
                                      .body = text_of("{\"test\": 2432232314}")};
    char signature[WEBHOOK_SIGNATURE_BYTES];
    cr_assert(webhook_secrets_parse(text_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &secrets));
    cr_assert(eq(sz, secrets.items[0].length, 24));
    cr_assert(webhook_sign(&secrets.items[0], &message, signature));
    cr_assert(eq(str, signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
}

Test(sign, two_secrets_are_told_apart_by_white_space)
{
    struct webhook_secrets secrets;
    cr_assert(webhook_secrets_parse(text_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
                                            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
                                    &secrets));
    cr_assert(eq(sz, secrets.length, 2));
    cr_assert(eq(sz, secrets.items[1].length, 32));
}

Test(sign, other_secrets_are_refused)
{
    static const char too_long[] = /* 66 bytes */
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    static const char *const wrong[] = {
        "",
        "\n",
        "whsec_",
        "secret",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  /* not whole */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2Lab===", /* too much padding */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La",     /* 21 bytes */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
        too_long,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw x",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct webhook_secrets secrets;
        cr_assert(not(webhook_secrets_parse(text_of(wrong[i]), &secrets)), "%s", wrong[i]);
    }
}

Test(sign, an_id_names_what_is_told_and_to_whom)
{
    static const uint64_t positions[] = {3, 17};
    static const uint64_t others[] = {3, 18};
    char id[WEBHOOK_ID_BYTES];
    char same[WEBHOOK_ID_BYTES];
    char other[WEBHOOK_ID_BYTES];
    struct bytes journal = text_of("0123456789abcdef");
    cr_assert(webhook_id(journal, "orders", text_of("post/1"), positions, id));
    cr_assert(webhook_id(journal, "orders", text_of("post/1"), positions, same));
    cr_assert(eq(str, id, same));
    cr_assert(eq(sz, strlen(id), 36));
    cr_assert(webhook_id(journal, "orders", text_of("post/1"), others, other));
    cr_assert(ne(str, id, other));
    cr_assert(webhook_id(journal, "others", text_of("post/1"), positions, other));
    cr_assert(ne(str, id, other));
}
