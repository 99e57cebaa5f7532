/*
 * Goal:   an operator learns of all mistakes in one run, where each is and what would be right.
 * Method: wrong configurations and the exact lines they answer.
 */
#include <stdio.h>

#include "tests/config/fixture.h"

#define TYPES                                                                                      \
    "g-counter, pn-counter, bounded-counter, or-set, g-set, 2p-set, flag, lww-register, "          \
    "mv-register or map"
#define NAMES "a letter, then letters, digits, _ and -, at most 64 characters"
#define KEYS                                                                                       \
    "listen, behind_proxy, internal, tls, data, durability, console, allowed_origins, limits, "    \
    "document_idle, replica_ttl, ping, log, drain, tokens, api, webhooks, schemas or switches"
#define SIZE "a size, such as 65536, 64 KiB or 1 MiB"
#define TIME "a time, such as 30s, 5m, 12h or 90d"
#define ADDRESS "an address and a port, such as \"127.0.0.1:7962\" or \"[::1]:7962\""
#define NOTHING "f:1:1: nothing; expected keys and values, such as \"data: syncline.db\"\n"

Test(mistakes, unknown_keys_are_answered_with_what_was_meant)
{
    check_mistakes(REQUIRED "durabilty: full\n",
                   "f:3:1: unknown key \"durabilty\"; did you mean \"durability\"?\n");
    check_mistakes(REQUIRED "limits: {straems: 1}\n",
                   "f:3:10: unknown key \"straems\"; did you mean \"streams\"?\n");
    check_mistakes(REQUIRED "color: red\n", "f:3:1: unknown key \"color\"; expected " KEYS "\n");
    check_mistakes(REQUIRED "\"two\\nlines\": 1\n",
                   "f:3:2: unknown key \"two?lines\"; expected " KEYS "\n");
    check_mistakes(REQUIRED "a-key-of-more-than-forty-eight-characters-is-shown-cut-off-here: 1\n",
                   "f:3:1: unknown key \"a-key-of-more-than-forty-eight-characters-is-sho...\"; "
                   "expected " KEYS "\n");
}

Test(mistakes, keys_come_once)
{
    check_mistakes(REQUIRED "ping: 1s\nping: 2s\n",
                   "f:4:1: the key \"ping\" again; expected it once, and it is in line 3\n");
    check_mistakes("data: a.db\nschemas:\n  post: {a: or-set}\n  post: {a: or-set}\n",
                   "f:4:3: the key \"post\" again; expected it once, and it is in line 3\n");
    check_mistakes(REQUIRED "[a]: 1\n", "f:3:2: a list as a key; expected a name\n");
}

#define RATE "a rate, such as 100/s or 6000/m, or 0 for none"
#define BYTES_RATE "a rate, such as 64 KiB/s or 100 MiB/h, or 0 for none"

Test(mistakes, rates_have_a_period)
{
    static const char *const bad[] = {"100",  "100/", "/s",   "100/d",    "100 /",
                                      "-1/s", "0/s",  "1/ss", "64 KiB/s", "99999999999999/s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        char expected[256];
        (void)snprintf(text, sizeof text, REQUIRED "limits:\n  updates: %s\n", bad[i]);
        (void)snprintf(expected, sizeof expected, "f:4:12: \"%s\"; expected " RATE "\n", bad[i]);
        check_mistakes(text, expected);
    }
    check_mistakes(REQUIRED "limits:\n  hub_bytes: 64 KB/s\n",
                   "f:4:14: \"64 KB/s\"; expected " BYTES_RATE "\n");
    check_mistakes(REQUIRED "limits:\n  updates:\n", "f:4:3: nothing; expected " RATE "\n");
}

Test(mistakes, a_log_has_levels_and_formats)
{
    check_mistakes(REQUIRED "log: {level: loud}\n",
                   "f:3:14: \"loud\"; expected debug, info, warning or error\n");
    check_mistakes(REQUIRED "log: {format: xml}\n", "f:3:15: \"xml\"; expected text or json\n");
    check_mistakes(REQUIRED "log: json\n",
                   "f:3:6: \"json\"; expected keys and values, such as \"format: json\"\n");
}

Test(mistakes, sizes_have_units_of_1024_or_none)
{
    check_mistakes(REQUIRED "limits:\n  message_bytes: 64 KB\n",
                   "f:4:18: \"64 KB\"; expected " SIZE "\n");
    check_mistakes(REQUIRED "limits:\n  memory: 18446744073709551616\n",
                   "f:4:11: \"18446744073709551616\"; expected " SIZE "\n");
    check_mistakes(REQUIRED "limits:\n  memory: 18446744073709551615 GiB\n",
                   "f:4:11: \"18446744073709551615 GiB\"; expected " SIZE "\n");
    check_mistakes(REQUIRED "limits:\n  memory: -1\n", "f:4:11: \"-1\"; expected " SIZE "\n");
    check_mistakes(REQUIRED "limits:\n  memory:\n", "f:4:3: nothing; expected " SIZE "\n");
    check_mistakes(REQUIRED "limits:\n  memory: null\n", "f:4:11: nothing; expected " SIZE "\n");
    check_mistakes(REQUIRED "limits:\n  message_bytes: 1 KiB\n",
                   "f:4:18: \"1 KiB\"; expected from 16 KiB to 64 MiB\n");
    check_mistakes(REQUIRED "limits:\n  streams: 0\n",
                   "f:4:12: \"0\"; expected from 1 to 1000000\n");
    check_mistakes(REQUIRED "limits:\n  streams: 1 KiB\n",
                   "f:4:12: \"1 KiB\"; expected a whole number\n");
}

Test(mistakes, times_have_units)
{
    check_mistakes(REQUIRED "ping: 30\n", "f:3:7: \"30\"; expected " TIME "\n");
    check_mistakes(REQUIRED "ping: soon\n", "f:3:7: \"soon\"; expected " TIME "\n");
    check_mistakes(REQUIRED "ping: 30 \n", "f:3:7: \"30\"; expected " TIME "\n");
    check_mistakes(REQUIRED "ping: 0s\n", "f:3:7: \"0s\"; expected from 1s to 1d\n");
    check_mistakes(REQUIRED "replica_ttl: [90d]\n", "f:3:15: a list; expected " TIME "\n");
    check_mistakes(REQUIRED "replica_ttl: {}\n", "f:3:1: a mapping; expected " TIME "\n");
}

Test(mistakes, addresses_are_numeric)
{
    static const char *const wrong[] = {
        "localhost:7962", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "1.2.3:80",   ":80",
        "[::1]",          "[::g]:80",  "::1:80",     "[1.2.3.4]:80",    "127.0.0.1:x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[128];
        char expected[256];
        (void)snprintf(text, sizeof text, REQUIRED "listen: '%s'\n", wrong[i]);
        (void)snprintf(expected, sizeof expected, "f:3:10: \"%s\"; expected " ADDRESS "\n",
                       wrong[i]);
        check_mistakes(text, expected);
    }
}

Test(mistakes, values_are_of_the_right_kind)
{
    check_mistakes("data: []\nschemas: {post: {likes: g-counter}}\n",
                   "f:1:1: a list; expected the path of the database's file\n");
    check_mistakes("data: ''\nschemas: {post: {likes: g-counter}}\n",
                   "f:1:8: \"\"; expected the path of the database's file\n");
    check_mistakes(REQUIRED "durability: yes\n", "f:3:13: \"yes\"; expected full or relaxed\n");
    check_mistakes(REQUIRED "console: yes\n", "f:3:10: \"yes\"; expected auto, on or off\n");
    check_mistakes(REQUIRED "limits: none\n",
                   "f:3:9: \"none\"; expected limits, such as \"streams: 4096\"\n");
    check_mistakes(REQUIRED "allowed_origins: 'https://a'\n",
                   "f:3:19: \"https://a\"; expected a list of origins, such as "
                   "[\"https://example.com\"]\n");
    check_mistakes(REQUIRED "allowed_origins: [example.com, 'https://a/', 'https://A', '']\n",
                   "f:3:19: \"example.com\"; expected an origin, such as \"https://example.com\"\n"
                   "f:3:33: \"https://a/\"; expected an origin, such as \"https://example.com\"\n"
                   "f:3:47: \"https://A\"; expected an origin, such as \"https://example.com\"\n"
                   "f:3:60: \"\"; expected an origin, such as \"https://example.com\"\n");
    check_mistakes("x: &x 1s\n" REQUIRED "ping: *x\n",
                   "f:1:1: unknown key \"x\"; expected " KEYS "\n"
                   "f:4:8: an alias; expected " TIME "\n");
}

Test(mistakes, schemas_name_their_types)
{
    check_mistakes("data: a.db\nschemas: {post: {likes: gcounter}}\n",
                   "f:2:25: \"gcounter\" as a type; expected " TYPES "\n");
    check_mistakes("data: a.db\nschemas: {post: {likes: }}\n",
                   "f:2:18: nothing as a type; expected " TYPES "\n");
    check_mistakes("data: a.db\nschemas: {post: {likes: [g-counter]}}\n",
                   "f:2:26: a list as a type; expected " TYPES "\n");
    check_mistakes("data: a.db\nschemas: {post: {tags: {of: int}}}\n",
                   "f:2:25: no key \"type\"; expected the type of the field\n");
    check_mistakes("data: a.db\nschemas: {post: {tags: {type: or-set, of: text}}}\n",
                   "f:2:43: \"text\" as what the elements are; expected string, int, float, bool, "
                   "bytes or any\n");
    check_mistakes("data: a.db\nschemas: {post: {likes: {of: int, type: g-counter}}}\n",
                   "f:2:30: \"of\" for the type g-counter, which has no elements; expected the "
                   "type alone\n");
    check_mistakes("data: a.db\nschemas: {1post: {a/b: or-set}}\n",
                   "f:2:11: the name \"1post\"; expected " NAMES "\n"
                   "f:2:19: the name \"a/b\"; expected " NAMES "\n");
    check_mistakes("data: a.db\nschemas: {post: {}}\n",
                   "f:2:11: an empty mapping; expected fields and their types, such as \"likes: "
                   "g-counter\"\n");
    check_mistakes("data: a.db\nschemas: [post]\n",
                   "f:2:11: a list; expected schemas, such as \"post: {likes: g-counter}\"\n");
}

Test(mistakes, options_belong_to_their_types)
{
    check_mistakes("data: a.db\nschemas: {post: {n: {type: pn-counter, min: 0}}}\n",
                   "f:2:45: \"min\" for the type pn-counter, which has no bounds; expected the "
                   "type alone\n");
    check_mistakes("data: a.db\nschemas: {post: {n: {type: bounded-counter, min: 1, max: 1.5}}}\n",
                   "f:2:50: \"1\"; expected a whole number of at most 0: a counter starts at 0\n"
                   "f:2:58: \"1.5\"; expected a whole number of at least 0: a counter starts at "
                   "0\n");
    check_mistakes("data: a.db\nschemas: {post: {f: {type: flag, wins: on}}}\n",
                   "f:2:40: \"on\" as what wins; expected enable or disable\n");
    check_mistakes("data: a.db\nschemas: {post: {m: map}}\n",
                   "f:2:21: the type map alone; expected {type: map, of: ...} with the type of its "
                   "values\n");
    check_mistakes("data: a.db\nschemas: {post: {m: {type: map}}}\n",
                   "f:2:22: no key \"of\" for the type map; expected the type of its values\n");
    check_mistakes("data: a.db\nschemas: {post: {m: {type: map, of: string}}}\n",
                   "f:2:37: \"string\" as a type; expected " TYPES "\n");
    check_mistakes("data: a.db\nschemas: {post: {m: {type: map, of: {type: or-set, of: x}}}}\n",
                   "f:2:56: \"x\" as what the elements are; expected string, int, float, bool, "
                   "bytes or any\n");
}

static void append(char *text, size_t bytes, const char *more)
{
    size_t length = strlen(text);
    (void)snprintf(text + length, bytes - length, "%s", more);
}

Test(mistakes, maps_in_maps_are_bounded)
{
    char text[1024] = "data: a.db\nschemas: {post: {m: ";
    for (int i = 0; i <= LIMIT_MAP_DEPTH; i++) {
        append(text, sizeof text, "{type: map, of: ");
    }
    append(text, sizeof text, "flag");
    for (int i = 0; i <= LIMIT_MAP_DEPTH; i++) {
        append(text, sizeof text, "}");
    }
    append(text, sizeof text, "}}\n");
    check_mistakes(text, "f:2:165: one more map in a map; expected at most 8\n");
}

/* One field more than LIMIT_FIELDS, and one schema more than LIMIT_SCHEMAS. */
Test(mistakes, fields_and_schemas_are_bounded)
{
    char fields[8192] = "data: a.db\nschemas:\n  post:\n";
    char schemas[8192] = "data: a.db\nschemas:\n";
    for (int i = 0; i <= LIMIT_FIELDS; i++) {
        size_t end = strlen(fields);
        (void)snprintf(&fields[end], sizeof fields - end, "    f%d: or-set\n", i);
    }
    for (int i = 0; i <= LIMIT_SCHEMAS; i++) {
        size_t end = strlen(schemas);
        (void)snprintf(&schemas[end], sizeof schemas - end, "  s%d: {f: or-set}\n", i);
    }
    check_mistakes(fields, "f:260:5: one more field; expected at most 256 in a schema\n");
    check_mistakes(schemas, "f:259:3: one more schema; expected at most 256\n");
}

Test(mistakes, a_switch_is_true_or_false)
{
    check_mistakes(REQUIRED "behind_proxy: yes\n", "f:3:15: \"yes\"; expected true or false\n");
    check_mistakes(REQUIRED "behind_proxy:\n", "f:3:1: nothing; expected true or false\n");
}

Test(mistakes, required_keys_are_missed_even_behind_an_empty_value)
{
    check_mistakes("ping: 1s\n",
                   "f:1:1: no key \"data\"; expected the path of the database's file\n"
                   "f:1:1: no key \"schemas\"; expected schemas, such as \"post: {likes: "
                   "g-counter}\"\n");
    check_mistakes("schemas: {post: {likes: g-counter}}\nping:\n",
                   "f:2:1: nothing; expected " TIME "\n"
                   "f:1:1: no key \"data\"; expected the path of the database's file\n");
}

Test(mistakes, all_are_told_at_once)
{
    check_mistakes("listen: here\nping: 3\nlimits: {memory: big}\n" REQUIRED,
                   "f:1:9: \"here\"; expected " ADDRESS "\n"
                   "f:2:7: \"3\"; expected " TIME "\n"
                   "f:3:18: \"big\"; expected " SIZE "\n");
}

Test(mistakes, what_is_no_yaml_is_located)
{
    check_mistakes("data: [a\n",
                   "f:2:1: flow sequence without a closing bracket; expected well-formed YAML\n");
    check_mistakes("data:\n\t- a\n", "f:2:1: tab character may not be used as indentation; "
                                     "expected well-formed YAML\n");
    check_mistakes("data: a\nping: \xff\n",
                   "f:2:1: a line with bytes that are no text; expected UTF-8\n");
    check_mistakes(REQUIRED "? ping\n: 1s\n- ?\n",
                   "f:3:1: a key marked with \"?\"; expected its name alone\n"
                   "f:5:3: a key marked with \"?\"; expected its name alone\n");
    check_mistakes("a: b\r\nc: d\r? e\r- ? f\n",
                   "f:3:1: a key marked with \"?\"; expected its name alone\n"
                   "f:4:3: a key marked with \"?\"; expected its name alone\n");
    check_mistakes(REQUIRED "---\ndata: b.db\n", "f:4:1: a second document; expected one\n");
    check_mistakes("", NOTHING);
    check_mistakes("# only a comment\n", NOTHING);
    check_mistakes("---\n", NOTHING);
    check_mistakes("~\n", NOTHING);
    check_mistakes("- data\n",
                   "f:1:3: a list; expected keys and values, such as \"data: syncline.db\"\n");
}

Test(mistakes, a_missing_file_is_named)
{
    struct config config;
    struct buffer mistakes;
    buffer_init(&mistakes, 1 << 16);
    cr_expect(not(config_read("/nowhere/syncline.yaml", &config, &mistakes)));
    cr_assert(eq(int, buffer_append(&mistakes, "", 1), PROTOCOL_OK));
    cr_expect(eq(str, (char *)mistakes.data,
                 "/nowhere/syncline.yaml:1:1: a file that cannot be read (No such file or "
                 "directory); expected a configuration\n"));
    config_finish(&config);
    buffer_finish(&mistakes);
}
