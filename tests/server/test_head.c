/*
 * Goal:   a request's head means one thing or is refused: what another program on the way could
 *         take for two requests, or for another path, is never taken.
 * Method: heads by hand, those of the textbooks on request smuggling among them; and one good head
 *         with each of its bytes changed to each other.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "server/net/head.h"

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static bool text_is(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of(text));
}

/* The status that a request with this first line and these headers is refused with; 0: none. */
static unsigned status_of(const char *first, const char *headers)
{
    char text[4096];
    struct head head;
    (void)snprintf(text, sizeof text, "%s\r\n%s\r\n", first, headers);
    return head_read(bytes_of(text), &head).status;
}

static enum head_scanned scan(const char *text, size_t length, size_t piece, size_t *end)
{
    struct head_scan scan = {0};
    enum head_scanned scanned = HEAD_MORE;
    *end = 0;
    while (scanned == HEAD_MORE && *end < length) {
        size_t taken;
        size_t next = length - *end < piece ? length - *end : piece;
        scanned = head_scan(&scan, (struct bytes){(const uint8_t *)text + *end, next}, &taken);
        *end += taken;
    }
    return scanned;
}

Test(head, ends_where_it_ends_in_whatever_pieces_it_comes)
{
    static const char text[] = "GET /?%41 HTTP/1.1\r\nHost: x\n\r\nGET";
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        size_t end;
        cr_expect(eq(int, scan(text, sizeof text - 1, piece, &end), HEAD_WHOLE));
        cr_expect(eq(sz, end, sizeof text - 1 - 3));
        cr_expect(eq(int, scan(text, sizeof text - 1 - 4, piece, &end), HEAD_MORE));
    }
}

Test(head, a_first_line_that_libwebsockets_would_end_without_a_word_is_broken)
{
    static const char *const lines[] = {
        "GET x",     "GET *",     "GET  /",       "GET http://x/", "GET /%zz",     "GET /%4 ",
        "GET /%00",  "GET /a%0g", "GET /?a=%00b", "GET /\t",       "\x16\x03\x01", "GET /%\r\n",
        "GET /\x1b", " /",        "G(T /",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (size_t piece = 1; piece < 12; piece++) {
            size_t end;
            cr_expect(eq(int, scan(lines[i], strlen(lines[i]), piece, &end), HEAD_BROKEN), "%s",
                      lines[i]);
        }
    }
    static const char *const empty = "\r\nGET / HTTP/1.1\r\n";
    static const char nothing[] = "GET /\0";
    static const char header[] = "GET /a HTTP/1.1\r\na: %00\x01";
    size_t end;
    cr_expect(eq(int, scan(empty, strlen(empty), 3, &end), HEAD_BROKEN));
    cr_expect(eq(int, scan(nothing, sizeof nothing - 1, 3, &end), HEAD_BROKEN));
    cr_expect(eq(int, scan(header, sizeof header - 1, 5, &end), HEAD_MORE),
              "of the headers head_read judges");
}

Test(head, a_method_that_there_is_not_ends_it_where_it_is_known)
{
    static const struct {
        const char *line;
        size_t end; /* 0: it goes on */
    } lines[] = {{"GET /", 0},      {"get /", 0},      {"OPTIONS /", 0}, {"PATCH /", 0},
                 {"FOO /", 1},      {"PROPFIND /", 2}, {"GETS /", 4},    {"GE /", 3},
                 {"OPTIONSS /", 8}, {"TRACE /", 1}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct head_scan scan = {0};
        enum head_scanned scanned = HEAD_MORE;
        size_t at = 0;
        while (scanned == HEAD_MORE && lines[i].line[at] != '\0') {
            size_t taken;
            const uint8_t *byte = (const uint8_t *)&lines[i].line[at++];
            scanned = head_scan(&scan, (struct bytes){byte, 1}, &taken);
        }
        bool known = lines[i].end == 0;
        cr_expect(eq(int, scanned, known ? HEAD_MORE : HEAD_UNKNOWN_METHOD), "%s", lines[i].line);
        cr_expect(known || at == lines[i].end, "%s", lines[i].line);
    }
}

Test(head, a_header_over_several_lines_is_told)
{
    static const char *const heads[] = {"GET / HTTP/1.1\r\n a: b", "GET / HTTP/1.1\r\na: b\r\n\tc",
                                        "GET / HTTP/1.1\na: b\n c\n\n"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        for (size_t piece = 1; piece < 20; piece++) {
            size_t end;
            cr_expect(eq(int, scan(heads[i], strlen(heads[i]), piece, &end), HEAD_FOLDED), "%s",
                      heads[i]);
        }
    }
}

Test(head, what_comes_first_is_told_in_whatever_pieces_it_comes)
{
    char text[1024] = "GET / HTTP/1.1\n";
    size_t length = strlen(text);
    for (size_t i = 1; i <= HEAD_LINES_MAX; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "a\n");
    }
    length += (size_t)snprintf(text + length, sizeof text - length, " b\n");
    for (size_t piece = 1; piece <= length; piece++) {
        size_t end;
        cr_expect(eq(int, scan(text, length, piece, &end), HEAD_TOO_LONG));
        cr_expect(eq(sz, end, length - 3));
    }
}

Test(head, beyond_its_bounds_is_too_long)
{
    static const char line[] = {'a', ':', '\r', '\n'};
    static char text[2 * HEAD_BYTES_MAX] = "GET / HTTP/1.1\r\n";
    size_t first = strlen(text);
    size_t end;
    memset(text + first, 'a', sizeof text - first);
    cr_expect(eq(int, scan(text, HEAD_BYTES_MAX, 1000, &end), HEAD_MORE));
    cr_expect(eq(int, scan(text, HEAD_BYTES_MAX + 1, 1000, &end), HEAD_TOO_LONG));
    for (size_t i = 1; i <= HEAD_LINES_MAX; i++) {
        memcpy(text + first + (i - 1) * sizeof line, line, sizeof line);
    }
    size_t most = first + (HEAD_LINES_MAX - 1) * sizeof line;
    cr_expect(eq(int, scan(text, most, 1000, &end), HEAD_MORE));
    cr_expect(eq(int, scan(text, most + sizeof line, 1000, &end), HEAD_TOO_LONG));
}

Test(head, its_parts_are_told)
{
    struct head head;
    struct head_refusal refusal = head_read(
        bytes_of("POST /a%20b?x=1?y HTTP/1.1\r\nHost: here:80\r\nContent-Length: 12\r\nx-Empty:\r\n"
                 "X-Two: 1\r\nX-Two: \t 2 \t\r\n\r\n"),
        &head);
    cr_assert(eq(uint, refusal.status, 0), "%s", refusal.text);
    cr_expect(text_is(head.method, "POST"));
    cr_expect(text_is(head.target, "/a%20b"));
    cr_expect(text_is(head.query, "x=1?y"));
    cr_expect(head.sized && head.keeps_alive);
    cr_expect(eq(u64, head.body_bytes, 12));
    cr_expect(text_is(head_value(&head, "host"), "here:80"));
    cr_expect(text_is(head_value(&head, "x-two"), "1"), "the first");
    cr_expect(eq(sz, head_value(&head, "x-empty").length, 0));
    cr_expect(eq(sz, head_value(&head, "x-none").length, 0));
}

Test(head, the_token_is_what_stands_behind_its_scheme)
{
    static const struct {
        const char *value;
        const char *token;
    } values[] = {{"Bearer a.b.c", "a.b.c"}, {"bEARER a", "a"}, {"Bearer", ""}, {"Bearer ", ""},
                  {"Bearera", ""},           {"Basic a", ""},   {"a", ""},      {"", ""}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[64];
        struct head head;
        (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nAuthorization: %s\r\n\r\n",
                       values[i].value);
        cr_assert(eq(uint, head_read(bytes_of(text), &head).status, 0), "%s", values[i].value);
        cr_expect(text_is(head_token(&head), values[i].token), "%s", values[i].value);
    }
}

Test(head, lines_may_end_without_a_carriage_return_and_connections_close)
{
    struct head head;
    cr_assert(
        eq(uint, head_read(bytes_of("GET / HTTP/1.1\nConnection: CLOSE\n\n"), &head).status, 0));
    cr_expect(not(head.keeps_alive));
    cr_assert(eq(uint, head_read(bytes_of("GET / HTTP/1.0\r\n\r\n"), &head).status, 0));
    cr_expect(not(head.keeps_alive));
    cr_expect(not(head.sized));
}

Test(head, first_lines_that_are_none_are_refused)
{
    static const struct {
        const char *line;
        unsigned status;
    } lines[] = {
        {"GET / HTTP/1.1", 0},       {"GET / HTTP/2.0", 505},      {"GET /", 505},
        {"GET / HTTP/1.1 ", 505},    {"GET  / HTTP/1.1", 505},     {"GET / / HTTP/1.1", 505},
        {"GET /a\tb HTTP/1.1", 400}, {"GET /\x7f HTTP/1.1", 400},  {"GET /\xc3\xa4 HTTP/1.1", 400},
        {"GET /#a HTTP/1.1", 400},   {"GET /?\x01 HTTP/1.1", 400}, {"", 505},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        cr_expect(eq(uint, status_of(lines[i].line, ""), lines[i].status), "%s", lines[i].line);
    }
    struct head head;
    cr_expect(eq(uint, head_read(bytes_of("GET / HTTP/1.1"), &head).status, 400), "no end of line");
    cr_expect(eq(uint, head_read((struct bytes){0}, &head).status, 400));
}

Test(head, what_two_programs_could_read_in_two_ways_is_refused)
{
    static const struct {
        const char *headers;
        unsigned status;
    } cases[] = {
        {"Host: x\r\nContent-Length: 5\r\n", 0},
        {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
        {"Content-Length: 5\r\ncontent-length: 6\r\n", 400},
        {"Content-Length: 5, 5\r\n", 400},
        {"Content-Length: +5\r\n", 400},
        {"Content-Length: 0x5\r\n", 400},
        {"Content-Length: 5 5\r\n", 400},
        {"Content-Length: 1234567890123456789\r\n", 400},
        {"Content-Length: 123456789012345678\r\n", 0},
        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 411},
        {"Transfer-Encoding: chunked\r\n", 411},
        {"Transfer-Encoding: xchunked\r\n", 411},
        {"Transfer-Encoding : chunked\r\n", 400},
        {"Transfer-Encoding\t: chunked\r\n", 400},
        {" Transfer-Encoding: chunked\r\n", 400},
        {"X: y\r\n folded\r\n", 400},
        {"X: y\rContent-Length: 5\r\n", 400},
        {"X: y\r\r\n", 400},
        {"X: a\x01z\r\n", 400},
        {"X: a\x7fz\r\n", 400},
        {": nameless\r\n", 400},
        {"no colon\r\n", 400},
        {"Host: a\r\nHost: b\r\n", 400},
        {"Origin: https://a\r\nORIGIN: https://b\r\n", 400},
        {"Authorization: Bearer a\r\nauthorization: Bearer b\r\n", 400},
        {"Idempotency-Key: a\r\nIdempotency-Key: a\r\n", 400},
        {"Accept: a\r\nAccept: b\r\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect(eq(uint, status_of("POST / HTTP/1.1", cases[i].headers), cases[i].status), "%s",
                  cases[i].headers);
    }
}

Test(head, a_changed_byte_adds_no_body_but_by_a_digit)
{
    static const char good[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
    for (size_t at = 0; at + 1 < sizeof good; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[sizeof good];
            struct head head;
            memcpy(text, good, sizeof good);
            text[at] = (char)byte;
            struct head_refusal refusal =
                head_read((struct bytes){(const uint8_t *)text, sizeof good - 1}, &head);
            cr_assert(refusal.status != 0 || !head.sized || head.body_bytes < 100, "%zu %u", at,
                      byte);
            cr_assert(refusal.status == 0 || refusal.text != NULL);
        }
    }
}

/* What the target's path is decoded to; NULL: it is refused. */
static const char *decoded(const char *target)
{
    static char path[256];
    size_t length = 0;
    cr_assert(strlen(target) < sizeof path);
    if (head_decode_path(bytes_of(target), (uint8_t *)path, &length).status != 0) {
        return NULL;
    }
    cr_assert(le(sz, length, strlen(target)));
    path[length] = '\0';
    return path;
}

Test(head, a_path_is_decoded_once)
{
    static const char *const pairs[][2] = {
        {"/", "/"},
        {"/a%20b", "/a b"},
        {"/%e4%C4", "/\xe4\xc4"},
        {"/%2561", "/%61"},
        {"/%252e%252e/a", "/%2e%2e/a"},
        {"/.a/b./...", "/.a/b./..."},
        {"//a//", "//a//"},
        {"/a\\..\\b", "/a\\..\\b"}, /* no separator here */
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *path = decoded(pairs[i][0]);
        cr_assert(path != NULL, "%s", pairs[i][0]);
        cr_expect(strcmp(path, pairs[i][1]) == 0, "%s", pairs[i][0]);
    }
}

Test(head, a_path_that_tries_to_be_another_one_is_refused)
{
    static const uint8_t nul[] = {'/', 'a', '\0', 'b'};
    uint8_t path[sizeof nul];
    size_t length;
    static const char *const tricks[] = {
        "",       "a",         "*",       "http://x/", "/..",    "/.",     "/../a",  "/a/..",
        "/a/./b", "/%2e%2e/a", "/%2E./a", "/.%2e",     "/a/%2e", "/a%2fb", "/a%2Fb", "/..%2fa",
        "/a%00",  "/%00",      "/%",      "/%4",       "/%zz",   "/%4g",   "/a%",    "/%-1",
    };
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        cr_expect(decoded(tricks[i]) == NULL, "%s", tricks[i]);
    }
    struct bytes target = {nul, sizeof nul};
    cr_expect(ne(uint, head_decode_path(target, path, &length).status, 0));
}
