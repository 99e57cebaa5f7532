/* A configuration's text in, what was read or the mistakes out. */
#ifndef TESTS_CONFIG_FIXTURE_H
#define TESTS_CONFIG_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "server/config.h"

/* What a configuration cannot do without. */
#define REQUIRED "data: a.db\nschemas: {post: {likes: g-counter}}\n"

static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* The caller finishes it. */
static inline struct config parse(const char *text)
{
    struct config config;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 16);
    bool good = config_parse(bytes_of(text), "f", &config, &mistakes);
    cr_assert(good, "%.*s", (int)mistakes.length, (const char *)mistakes.data);
    buffer_finish(&mistakes);
    return config;
}

/* The mistakes must be exactly these, and nothing else is left. */
static inline void check_mistakes(const char *text, const char *expected)
{
    struct config config;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 16);
    cr_expect(not(config_parse(bytes_of(text), "f", &config, &mistakes)));
    cr_assert(eq(int, buffer_append(&mistakes, "", 1), PROTOCOL_OK));
    cr_expect(eq(str, (char *)mistakes.data, (char *)expected));
    cr_expect(config.data == NULL && config.allowed_origins == NULL &&
              config.schemas.schemas == NULL);
    config_finish(&config);
    buffer_finish(&mistakes);
}

#endif
