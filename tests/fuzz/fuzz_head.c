/*
 * Goal:   no bytes in the place of a request's head bring down who reads them, and what is taken
 *         means one thing: to us, to a proxy in front, and however often it is written and read.
 * Method: any bytes; what is taken is looked through for what must not be in it, written again
 *         in the plainest form, and read again; a path likewise, with every byte escaped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/head.h"
#include "tests/fuzz/fuzz.h"

static bool lies_in(struct bytes part, struct bytes whole)
{
    return part.length == 0 ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

/* Exactly as long as it is, so that a byte too many is seen. */
static uint8_t *room(size_t length)
{
    uint8_t *bytes = malloc(length == 0 ? 1 : length);
    FUZZ_REQUIRE(bytes != NULL);
    return bytes;
}

static void require_plain(struct bytes path)
{
    size_t start = 0;
    FUZZ_REQUIRE(path.length > 0 && path.data[0] == '/');
    FUZZ_REQUIRE(memchr(path.data, '\0', path.length) == NULL);
    for (size_t i = 0; i <= path.length; i++) {
        if (i == path.length || path.data[i] == '/') {
            size_t length = i - start;
            FUZZ_REQUIRE(length != 1 || path.data[start] != '.');
            FUZZ_REQUIRE(length != 2 || memcmp(path.data + start, "..", 2) != 0);
            start = i + 1;
        }
    }
}

static void decode(struct bytes target)
{
    uint8_t *path = room(target.length);
    size_t length = 0;
    if (head_decode_path(target, path, &length).status == 0) {
        FUZZ_REQUIRE(length <= target.length);
        require_plain((struct bytes){path, length});
        char *escaped = malloc(3 * length + 1);
        uint8_t *again = room(3 * length);
        size_t at = 0;
        size_t again_length = 0;
        FUZZ_REQUIRE(escaped != NULL);
        for (size_t i = 0; i < length; i++) {
            at += (size_t)snprintf(escaped + at, 4, path[i] == '/' ? "/" : "%%%02X", path[i]);
        }
        struct bytes written = {(const uint8_t *)escaped, at};
        FUZZ_REQUIRE(head_decode_path(written, again, &again_length).status == 0);
        FUZZ_REQUIRE(again_length == length && memcmp(again, path, length) == 0);
        free(escaped);
        free(again);
    }
    free(path);
}

/* What another reader could take for the end of a line, or of the head, stands in no value. */
static void require_clear(const struct head *head)
{
    static const char *const names[] = {"host", "origin", "authorization", "content-length",
                                        "transfer-encoding"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes value = head_value(head, names[i]);
        for (size_t k = 0; k < value.length; k++) {
            FUZZ_REQUIRE(value.data[k] == '\t' || (value.data[k] >= ' ' && value.data[k] != 0x7f));
        }
    }
    FUZZ_REQUIRE(head_token(head).length < head_value(head, "authorization").length ||
                 head_token(head).length == 0);
    FUZZ_REQUIRE(head_value(head, "transfer-encoding").length == 0);
    FUZZ_REQUIRE(head->sized == (head_value(head, "content-length").length > 0));
    FUZZ_REQUIRE(head->sized || head->body_bytes == 0);
    FUZZ_REQUIRE(head->body_bytes < UINT64_C(1000000000000000000));
}

/* The length in other words: a proxy may write it so. */
static void read_again(const struct head *head)
{
    char text[512];
    struct head again;
    int length = snprintf(text, sizeof text, "PUT / HTTP/1.1\r\nContent-Length: %llu\r\n\r\n",
                          (unsigned long long)head->body_bytes);
    struct bytes bytes = {(const uint8_t *)text, (size_t)length};
    FUZZ_REQUIRE(head_read(bytes, &again).status == 0);
    FUZZ_REQUIRE(again.body_bytes == head->body_bytes && again.sized);
}

/* How many bytes a whole head has, in one piece and in many; 0: it is none. */
static size_t scan(struct bytes text)
{
    struct head_scan whole = {0};
    struct head_scan parts = {0};
    size_t taken = 0;
    size_t sum = 0;
    enum head_scanned scanned = head_scan(&whole, text, &taken);
    enum head_scanned last = HEAD_MORE;
    for (size_t i = 0; i < text.length && last == HEAD_MORE; i++) {
        size_t one = 0;
        last = head_scan(&parts, (struct bytes){text.data + i, 1}, &one);
        sum += one;
    }
    FUZZ_REQUIRE(taken <= text.length && (scanned != HEAD_MORE || taken == text.length));
    FUZZ_REQUIRE(last == scanned && sum == taken);
    return scanned == HEAD_WHOLE ? taken : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct head head;
    size_t whole = scan((struct bytes){data, length});
    struct bytes text = {data, whole > 0 ? whole : length};
    struct head_refusal refusal = head_read(text, &head);
    FUZZ_REQUIRE((refusal.status == 0) == (refusal.text == NULL));
    FUZZ_REQUIRE(lies_in(head.method, text) && lies_in(head.target, text));
    FUZZ_REQUIRE(lies_in(head.query, text) && lies_in(head.lines, text));
    FUZZ_REQUIRE(lies_in(head_value(&head, "x-request-id"), text));
    decode(head.target); /* also of a head that is refused */
    if (whole > 0 && refusal.status == 0) {
        require_clear(&head);
        read_again(&head);
    }
    return 0;
}
