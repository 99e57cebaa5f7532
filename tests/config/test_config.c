/*
 * Goal:   what is written arrives, and what is not is what the hub itself would take.
 * Method: small configurations; the defaults are compared with hub_config_init and, where that says
 *         nothing, with docs/config.md.
 */
#include <stdio.h>
#include <unistd.h>

#include "crdt/tally.h"
#include "protocol/codec.h"
#include "tests/config/fixture.h"

Test(config, defaults_are_those_of_the_hub)
{
    struct hub_config hub;
    memset(&hub, 0, sizeof hub);
    hub_config_init(&hub);
    struct config config = parse(REQUIRED);
    cr_expect(eq(str, config.listen.host, "127.0.0.1"));
    cr_expect(eq(u16, config.listen.port, 7962));
    cr_expect(eq(str, config.data, "a.db"));
    cr_expect(eq(ptr, config.allowed_origins, NULL));
    cr_expect(eq(u64, config.hub.ping_ms, hub.ping_ms));
    cr_expect(eq(u64, config.hub.hello_ms, hub.hello_ms));
    cr_expect(eq(u64, config.hub.idle_ms, hub.idle_ms));
    cr_expect(eq(u64, config.hub.store_ms, hub.store_ms));
    cr_expect(eq(u64, config.hub.replica_ttl_ms, hub.replica_ttl_ms));
    cr_expect(eq(sz, config.hub.message_bytes, hub.message_bytes));
    cr_expect(eq(sz, config.hub.streams_max, hub.streams_max));
    cr_expect(eq(sz, config.hub.connections_max, hub.connections_max));
    cr_expect(eq(sz, config.hub.removals_max, hub.removals_max));
    cr_expect(eq(sz, config.hub.batch_bytes, hub.batch_bytes));
    cr_expect(eq(sz, config.hub.memory_limit, hub.memory_limit));
    cr_expect(eq(u64, config.hub.connection_rates.updates.amount, 20000));
    cr_expect(eq(u64, config.hub.connection_rates.bytes.amount, 16 << 20));
    cr_expect(eq(u64, config.hub.principal_rates.updates.amount, 0));
    cr_expect(eq(u64, config.hub.hub_rates.bytes.amount, 0));
    cr_expect(not(config.hub.relaxed));
    config_finish(&config);
}

/* docs/config.md promises these figures. */
Test(config, defaults_are_those_of_the_documentation)
{
    struct config config = parse(REQUIRED);
    cr_expect(eq(sz, config.hub.message_bytes, 1 << 20));
    cr_expect(eq(sz, config.hub.streams_max, 4096));
    cr_expect(eq(sz, config.hub.connections_max, 20000));
    cr_expect(eq(sz, config.hub.removals_max, 10000));
    cr_expect(eq(sz, config.hub.batch_bytes, 1 << 20));
    cr_expect(eq(sz, config.hub.memory_limit, 1 << 30));
    cr_expect(eq(sz, config.hub.buffer_bytes, 256 << 20));
    cr_expect(eq(sz, config.handshakes_max, 1000));
    cr_expect(eq(u64, config.hub.connection_rates.updates.per_ms, 1000));
    cr_expect(eq(sz, config.hub.principal_connections, 1000));
    cr_expect(eq(u64, config.hub.idle_ms, 60000));
    cr_expect(eq(u64, config.hub.replica_ttl_ms, UINT64_C(90) * 86400000));
    cr_expect(eq(u64, config.hub.ping_ms, 30000));
    config_finish(&config);
}

Test(config, the_console_is_for_those_on_this_machine_unless_it_is_on_or_off)
{
    static const struct {
        const char *listen;
        const char *console;
        bool allowed;
    } cases[] = {
        {"127.0.0.1:1", "auto", true}, {"127.9.9.9:1", "auto", true},
        {"[::1]:1", "auto", true},     {"[::ffff:127.0.0.1]:1", "auto", true},
        {"0.0.0.0:1", "auto", false},  {"[::]:1", "auto", false},
        {"10.0.0.1:1", "auto", false}, {"[::ffff:10.0.0.1]:1", "auto", false},
        {"0.0.0.0:1", "on", true},     {"127.0.0.1:1", "off", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, REQUIRED "listen: '%s'\nconsole: %s\n", cases[i].listen,
                       cases[i].console);
        struct config config = parse(text);
        cr_expect(eq(int, config_allows_console(&config), cases[i].allowed), "%s %s",
                  cases[i].listen, cases[i].console);
        config_finish(&config);
    }
    struct config config = parse(REQUIRED);
    cr_expect(config_allows_console(&config));
    config_finish(&config);
}

Test(config, every_key_arrives)
{
    struct config config =
        parse("listen: '[::1]:80'\n"
              "data: /var/lib/syncline/data.db\n"
              "durability: relaxed\n"
              "allowed_origins: ['https://example.com', 'http://localhost:80', '*']\n"
              "limits:\n"
              "  message_bytes: 64 KiB\n"
              "  streams: 1\n"
              "  connections: 2\n"
              "  removals: 3\n"
              "  batch_bytes: 65536\n"
              "  memory: 2GiB\n"
              "  updates: 0\n"
              "  bytes: 1 MiB/s\n"
              "  principal_updates: 6000/m\n"
              "  principal_bytes: 64 KiB/s\n"
              "  principal_connections: 4\n"
              "  principal_streams: 5\n"
              "  hub_updates: 7/h\n"
              "  hub_bytes: 1GiB/h\n"
              "  handshakes: 16\n"
              "  buffers: 2 MiB\n"
              "document_idle: 5m\n"
              "replica_ttl: 30d\n"
              "ping: 12h\n"
              "log: {format: json, level: warning}\n"
              "schemas: {post: {likes: g-counter}}\n");
    cr_expect(eq(str, config.listen.host, "::1"));
    cr_expect(eq(u16, config.listen.port, 80));
    cr_expect(eq(str, config.data, "/var/lib/syncline/data.db"));
    cr_expect(config.hub.relaxed);
    cr_assert(eq(sz, config.allowed_origin_count, 3));
    cr_expect(eq(str, config.allowed_origins[0], "https://example.com"));
    cr_expect(eq(str, config.allowed_origins[1], "http://localhost:80"));
    cr_expect(eq(str, config.allowed_origins[2], "*"));
    cr_expect(eq(ptr, config.allowed_origins[3], NULL));
    cr_expect(eq(sz, config.hub.message_bytes, 65536));
    cr_expect(eq(sz, config.hub.streams_max, 1));
    cr_expect(eq(sz, config.hub.connections_max, 2));
    cr_expect(eq(sz, config.hub.removals_max, 3));
    cr_expect(eq(sz, config.hub.batch_bytes, 65536));
    cr_expect(eq(sz, config.hub.memory_limit, (size_t)2 << 30));
    cr_expect(eq(u64, config.hub.connection_rates.updates.amount, 0));
    cr_expect(eq(u64, config.hub.connection_rates.bytes.amount, 1 << 20));
    cr_expect(eq(u64, config.hub.principal_rates.updates.amount, 6000));
    cr_expect(eq(u64, config.hub.principal_rates.updates.per_ms, 60000));
    cr_expect(eq(u64, config.hub.principal_rates.bytes.amount, 65536));
    cr_expect(eq(u64, config.hub.principal_rates.bytes.per_ms, 1000));
    cr_expect(eq(sz, config.hub.principal_connections, 4));
    cr_expect(eq(sz, config.hub.principal_streams, 5));
    cr_expect(eq(u64, config.hub.hub_rates.updates.per_ms, 3600000));
    cr_expect(eq(u64, config.hub.hub_rates.bytes.amount, 1 << 30));
    cr_expect(eq(int, config.log.level, LEVEL_WARNING));
    cr_expect(eq(int, config.log.format, FORMAT_JSON));
    cr_expect(eq(sz, config.handshakes_max, 16));
    cr_expect(eq(sz, config.hub.buffer_bytes, 2 << 20));
    cr_expect(eq(u64, config.hub.idle_ms, 300000));
    cr_expect(eq(u64, config.hub.replica_ttl_ms, UINT64_C(30) * 86400000));
    cr_expect(eq(u64, config.hub.ping_ms, 43200000));
    config_finish(&config);
}

Test(config, schemas_hold_the_types_of_their_fields)
{
    struct config config = parse("data: a.db\n"
                                 "schemas:\n"
                                 "  post:\n"
                                 "    likes: g-counter\n"
                                 "    stock: {type: pn-counter}\n"
                                 "    tags: {type: or-set, of: int}\n"
                                 "  page-2: {seen_by: or-set}\n");
    cr_assert(eq(sz, config.schemas.length, 2));
    const struct schema *post = schema_find(&config.schemas, bytes_of("post"));
    const struct schema *page = schema_find(&config.schemas, bytes_of("page-2"));
    cr_assert(ne(ptr, (void *)post, NULL));
    cr_assert(ne(ptr, (void *)page, NULL));
    cr_assert(eq(sz, post->length, 3));
    cr_assert(eq(sz, page->length, 1));
    cr_expect(eq(str, post->fields[0].name, "likes"));
    cr_expect(post->fields[0].declared.codec == &codec_gcounter);
    cr_expect(post->fields[1].declared.codec == &codec_pncounter);
    cr_expect(post->fields[2].declared.codec == &codec_orset);
    cr_expect(eq(int, post->fields[2].declared.of, ELEMENT_INT));
    cr_expect(page->fields[0].declared.codec == &codec_orset);
    cr_expect(eq(int, page->fields[0].declared.of, ELEMENT_STRING));
    config_finish(&config);
}

Test(config, options_stand_in_declarations)
{
    struct config config =
        parse("data: a.db\n"
              "schemas:\n"
              "  shop:\n"
              "    stock: {type: bounded-counter, min: 0, max: 100}\n"
              "    open: {type: flag, wins: disable}\n"
              "    carts: {type: map, of: {of: {type: bounded-counter, min: 0}, type: map}}\n");
    const struct schema *shop = schema_find(&config.schemas, bytes_of("shop"));
    cr_assert(ne(ptr, (void *)shop, NULL));
    const struct declaration *stock = &shop->fields[0].declared;
    cr_expect(stock->crdt.min == 0 && stock->crdt.max == 100);
    cr_expect(shop->fields[1].declared.crdt.disable_wins);
    const struct declaration *carts = &shop->fields[2].declared;
    cr_assert(eq(sz, declaration_depth(carts), 2));
    cr_expect(carts->inner->inner->codec == &codec_bounded_tally);
    cr_expect(carts->inner->inner->crdt.min == 0);
    cr_expect(carts->crdt.of->of->type == &crdt_bounded_tally);
    config_finish(&config);
}

Test(config, json_is_yaml)
{
    struct config config =
        parse("{\"data\": \"a.db\", \"schemas\": {\"post\": {\"likes\": \"g-counter\"}},\n"
              " \"limits\": {\"streams\": 7}}");
    cr_expect(eq(sz, config.hub.streams_max, 7));
    config_finish(&config);
}

Test(config, finish_takes_an_empty_one)
{
    struct config config = {0};
    config_finish(&config);
    config_finish(&config);
}

Test(config, a_file_is_read_like_its_text)
{
    char path[] = "/tmp/syncline-config-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(ge(int, fd, 0));
    cr_assert(write(fd, REQUIRED, strlen(REQUIRED)) == (ssize_t)strlen(REQUIRED));
    (void)close(fd);
    struct config config;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 16);
    cr_expect(config_read(path, &config, &mistakes));
    cr_expect(eq(str, config.data, "a.db"));
    cr_expect(eq(sz, mistakes.length, 0));
    config_finish(&config);
    buffer_finish(&mistakes);
    (void)unlink(path);
}

Test(config, the_demo_is_a_configuration)
{
    struct config config;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 16);
    bool good = config_read(SYNCLINE_SOURCE "/server/demo.yaml", &config, &mistakes);
    cr_expect(good, "%.*s", (int)mistakes.length, (const char *)mistakes.data);
    config_finish(&config);
    buffer_finish(&mistakes);
}
