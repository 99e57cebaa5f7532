/*
 * Goal:   the HTTP API's bounds are read, and a mistake in one is told at its place.
 * Method: configurations of a few lines.
 */
#include "tests/config/fixture.h"

#define HOUR (UINT64_C(60) * 60 * 1000)

Test(api, what_is_not_said_has_a_bound)
{
    struct config config = parse(REQUIRED);
    cr_expect(eq(sz, config.api.watches_max, 1000));
    cr_expect(eq(sz, config.api.principal_watches_max, 100));
    cr_expect(eq(sz, config.api.principal_keys_max, 100000));
    cr_expect(eq(u64, config.api.key_ms, 25 * HOUR));
    config_finish(&config);
}

Test(api, bounds_are_read)
{
    struct config config = parse(REQUIRED "api: {watches: 5, watches_per_principal: 2, "
                                          "keys_per_principal: 7, key_ttl: 48h}\n");
    cr_expect(eq(sz, config.api.watches_max, 5));
    cr_expect(eq(sz, config.api.principal_watches_max, 2));
    cr_expect(eq(sz, config.api.principal_keys_max, 7));
    cr_expect(eq(u64, config.api.key_ms, 48 * HOUR));
    config_finish(&config);
}

Test(api, mistakes_say_what_was_expected)
{
    check_mistakes(REQUIRED "api: {watches: many, key_ttl: 23h}\n",
                   "f:3:16: \"many\"; expected a whole number from 0 to 1000000\n"
                   "f:3:31: \"23h\"; expected a time from 24h to 30d\n");
    check_mistakes(REQUIRED "api: {keys: 5}\n",
                   "f:3:7: unknown key \"keys\"; expected watches, watches_per_principal, "
                   "keys_per_principal or key_ttl\n");
    check_mistakes(REQUIRED "api: 5\n",
                   "f:3:6: \"5\"; expected bounds, such as \"watches: 1000\"\n");
}
