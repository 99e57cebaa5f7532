#include "server/net/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { BAD_REQUEST = 400, LENGTH_REQUIRED = 411, BAD_VERSION = 505 };

static bool is_token(uint8_t byte)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || memchr(others, byte, sizeof others - 1) != NULL;
}

/* --- as it comes --- */

enum { IN_METHOD, BEFORE_TARGET, BEHIND };

/* What libwebsockets knows, in whatever case. */
static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                      "PATCH", "DELETE", "OPTIONS", "CONNECT"};

enum { METHODS = sizeof methods / sizeof *methods };

static enum head_scanned scan_method(struct head_scan *scan, uint8_t byte)
{
    if (byte == ' ' ? scan->column == 0 : !is_token(byte)) {
        return HEAD_BROKEN;
    }
    for (size_t i = 0; i < METHODS; i++) {
        uint8_t bit = (uint8_t)(1 << i);
        char expected = (scan->excluded & bit) != 0 ? '\0' : methods[i][scan->column];
        bool fits = byte == ' ' ? expected == '\0' : expected == toupper(byte);
        scan->excluded |= fits ? 0 : bit;
    }
    scan->column++;
    if (byte == ' ') {
        scan->place++;
    }
    return scan->excluded == (1 << METHODS) - 1 ? HEAD_UNKNOWN_METHOD : HEAD_MORE;
}

static bool breaks_target(struct head_scan *scan, uint8_t byte)
{
    if (scan->escaped > 0) {
        scan->escaped--;
        scan->nothing = scan->nothing && byte == '0';
        return isxdigit(byte) == 0 || (scan->escaped == 0 && scan->nothing);
    }
    if (scan->place == BEFORE_TARGET) {
        scan->place++;
        return byte != '/';
    }
    if (byte == '%') {
        scan->escaped = 2;
        scan->nothing = true;
    }
    return byte < ' ' && byte != '\r' && byte != '\n';
}

static enum head_scanned scan_byte(struct head_scan *scan, uint8_t byte)
{
    if (scan->lines > 0) {
        bool begins = scan->line_ends == 1;
        return begins && (byte == ' ' || byte == '\t') ? HEAD_FOLDED : HEAD_MORE;
    }
    if (scan->place == IN_METHOD) {
        return scan_method(scan, byte);
    }
    return breaks_target(scan, byte) ? HEAD_BROKEN : HEAD_MORE;
}

static void count_byte(struct head_scan *scan, uint8_t byte)
{
    scan->length++;
    if (byte == '\n') {
        scan->lines++;
        scan->line_ends++;
    } else if (byte != '\r') {
        scan->line_ends = 0;
    }
}

enum head_scanned head_scan(struct head_scan *scan, struct bytes bytes, size_t *taken)
{
    *taken = 0;
    while (*taken < bytes.length && scan->line_ends < 2) {
        uint8_t byte = bytes.data[*taken];
        enum head_scanned scanned = scan_byte(scan, byte);
        if (scanned != HEAD_MORE) {
            return scanned;
        }
        count_byte(scan, byte);
        (*taken)++;
        if (scan->length > HEAD_BYTES_MAX || scan->lines > HEAD_LINES_MAX) {
            return HEAD_TOO_LONG;
        }
    }
    return scan->line_ends == 2 ? HEAD_WHOLE : HEAD_MORE;
}

/* --- when it is whole --- */

static const struct head_refusal fine = {0, NULL};

static struct head_refusal refuse(unsigned status, const char *text)
{
    return (struct head_refusal){status, text};
}

static bool text_is(struct bytes text, const char *word)
{
    return text.length == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.length) == 0;
}

/* Takes a line off the front, without its end. False: there is no whole one. */
static bool take_line(struct bytes *rest, struct bytes *line)
{
    const uint8_t *end = rest->length == 0 ? NULL : memchr(rest->data, '\n', rest->length);
    if (end == NULL) {
        return false;
    }
    size_t length = (size_t)(end - rest->data);
    *line = (struct bytes){rest->data, length};
    *rest = (struct bytes){end + 1, rest->length - length - 1};
    if (length > 0 && line->data[length - 1] == '\r') {
        line->length--;
    }
    return true;
}

static struct bytes trim(struct bytes text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = (struct bytes){text.data + 1, text.length - 1};
    }
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t')) {
        text.length--;
    }
    return text;
}

/* Up to `end` and behind it; without one, all of it and nothing. */
static void split(struct bytes text, uint8_t end, struct bytes *before, struct bytes *behind)
{
    const uint8_t *at = text.length == 0 ? NULL : memchr(text.data, end, text.length);
    size_t length = at == NULL ? text.length : (size_t)(at - text.data);
    *before = (struct bytes){text.data, length};
    *behind = (struct bytes){0};
    if (at != NULL) {
        *behind = (struct bytes){at + 1, text.length - length - 1};
    }
}

static struct head_refusal read_first_line(struct bytes line, struct head *head)
{
    struct bytes rest;
    struct bytes target;
    struct bytes version;
    split(line, ' ', &head->method, &rest);
    split(rest, ' ', &target, &version);
    split(target, '?', &head->target, &head->query);
    for (size_t i = 0; i < target.length; i++) {
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f || target.data[i] == '#') {
            return refuse(BAD_REQUEST, "the target has a byte that must be escaped");
        }
    }
    head->keeps_alive = text_is(version, "HTTP/1.1");
    if (!head->keeps_alive && !text_is(version, "HTTP/1.0")) {
        return refuse(BAD_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    return fine;
}

/* False: no header, or one that some read otherwise: folded, or with space before the colon. */
static bool read_header(struct bytes line, struct bytes *name, struct bytes *value)
{
    split(line, ':', name, value);
    if (name->length == 0 || name->length == line.length) {
        return false;
    }
    for (size_t i = 0; i < name->length; i++) {
        if (!is_token(name->data[i])) {
            return false;
        }
    }
    *value = trim(*value);
    for (size_t i = 0; i < value->length; i++) {
        if ((value->data[i] < ' ' && value->data[i] != '\t') || value->data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Of which two would be two requests to two programs. */
static bool is_single(struct bytes name)
{
    static const char *const names[] = {"authorization", "content-length",    "content-type",
                                        "host",          "idempotency-key",   "last-event-id",
                                        "origin",        "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (text_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool read_length(struct bytes text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i == 18) {
            return false;
        }
        *length = *length * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.length > 0;
}

static size_t count(const struct head *head, struct bytes wanted)
{
    size_t found = 0;
    struct bytes rest = head->lines;
    struct bytes line;
    while (take_line(&rest, &line)) {
        struct bytes name;
        struct bytes value;
        split(line, ':', &name, &value);
        found += name.length == wanted.length &&
                 strncasecmp((const char *)name.data, (const char *)wanted.data, name.length) == 0;
    }
    return found;
}

static struct head_refusal read_headers(struct head *head)
{
    struct bytes rest = head->lines;
    struct bytes line;
    while (take_line(&rest, &line) && line.length > 0) {
        struct bytes name;
        struct bytes value;
        if (!read_header(line, &name, &value)) {
            return refuse(BAD_REQUEST, "a line of the head is no header");
        }
        if (is_single(name) && count(head, name) > 1) {
            return refuse(BAD_REQUEST, "a header that may stand once stands twice");
        }
    }
    return fine;
}

static struct head_refusal read_body(struct head *head)
{
    struct bytes length = head_value(head, "content-length");
    struct bytes encoding = head_value(head, "transfer-encoding");
    head->sized = length.length > 0;
    if (encoding.length > 0) {
        return refuse(LENGTH_REQUIRED, "say with Content-Length how long the body is");
    }
    if (head->sized && !read_length(length, &head->body_bytes)) {
        return refuse(BAD_REQUEST, "Content-Length is no number");
    }
    return fine;
}

struct head_refusal head_read(struct bytes text, struct head *head)
{
    struct bytes line;
    *head = (struct head){0};
    if (!take_line(&text, &line)) {
        return refuse(BAD_REQUEST, "the request has no first line");
    }
    struct head_refusal refusal = read_first_line(line, head);
    head->lines = text;
    if (refusal.status == 0) {
        refusal = read_headers(head);
    }
    if (refusal.status == 0) {
        refusal = read_body(head);
    }
    if (text_is(head_value(head, "connection"), "close")) {
        head->keeps_alive = false;
    }
    return refusal;
}

struct bytes head_value(const struct head *head, const char *wanted)
{
    struct bytes rest = head->lines;
    struct bytes line;
    while (take_line(&rest, &line)) {
        struct bytes name;
        struct bytes value;
        split(line, ':', &name, &value);
        if (text_is(name, wanted)) {
            return trim(value);
        }
    }
    return (struct bytes){0};
}

struct bytes head_token(const struct head *head)
{
    static const char scheme[] = "Bearer ";
    static const size_t length = sizeof scheme - 1;
    struct bytes value = head_value(head, "authorization");
    if (value.length <= length || strncasecmp((const char *)value.data, scheme, length) != 0) {
        return (struct bytes){0};
    }
    return (struct bytes){value.data + length, value.length - length};
}

static int hex(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    uint8_t lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_dots(const uint8_t *segment, size_t length)
{
    return (length == 1 && segment[0] == '.') ||
           (length == 2 && segment[0] == '.' && segment[1] == '.');
}

static bool has_dots(const uint8_t *path, size_t length)
{
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i == length || path[i] == '/') {
            if (is_dots(path + start, i - start)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

struct head_refusal head_decode_path(struct bytes target, uint8_t *path, size_t *length)
{
    *length = 0;
    if (target.length == 0 || target.data[0] != '/') {
        return refuse(BAD_REQUEST, "the target is no path");
    }
    for (size_t i = 0; i < target.length; i++) {
        uint8_t byte = target.data[i];
        if (byte == '%') {
            int high = i + 2 < target.length ? hex(target.data[i + 1]) : -1;
            int low = i + 2 < target.length ? hex(target.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return refuse(BAD_REQUEST, "a % in the path without two hexadecimal digits");
            }
            byte = (uint8_t)(high << 4 | low);
            i += 2;
            if (byte == '/') {
                return refuse(BAD_REQUEST, "%2F stands in no path here");
            }
        }
        if (byte == '\0') {
            return refuse(BAD_REQUEST, "NUL stands in no path here");
        }
        path[(*length)++] = byte;
    }
    if (has_dots(path, *length)) {
        return refuse(BAD_REQUEST, "a segment of the path is . or ..");
    }
    return fine;
}
