#include "server/net/wire.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/net/head.h"
#include "server/net/problem.h"

enum {
    HEADER_BYTES_MAX = 10,
    HEAD_BYTES_FIRST = 512,
    DRAIN_BYTES = 1 << 16,
    EMPTY_BYTES_MAX = 4 /* two lines */
};

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_FRAMES, STAGE_RELEASED };

struct wire {
    struct wire *next; /* of those with pending bytes */
    SSL *ssl;          /* NULL: none yet, or no TLS */
    wire_refuse *refuse;
    void *owner;
    uint8_t *head;
    uint64_t left; /* of the body, or of the frame */
    int socket;
    uint32_t head_length;
    uint32_t head_room;
    bool pends;
    uint8_t stage;
    uint8_t empty;                    /* bytes of empty lines before the head */
    struct head_scan scan;            /* of the head so far */
    uint8_t length;                   /* of the header so far */
    uint8_t header[HEADER_BYTES_MAX]; /* of the frame that begins */
};

/* `recv` is the whole program's, and so is this: who calls it has nothing but the socket. */
static struct wire *wires[WIRE_SOCKETS_MAX];

static struct wire *find(int socket)
{
    return socket >= 0 && socket < WIRE_SOCKETS_MAX ? wires[socket] : NULL;
}

struct wire *wire_open(int socket)
{
    struct wire *wire = calloc(1, sizeof *wire);
    if (wire != NULL) {
        wire->socket = socket;
        wires[socket] = wire;
    }
    return wire;
}

static void drop_head(struct wire *wire)
{
    free(wire->head);
    wire->head = NULL;
    wire->head_length = 0;
    wire->head_room = 0;
    wire->empty = 0;
    wire->scan = (struct head_scan){0};
}

/* --- what OpenSSL has, and nothing will tell of --- */

static struct {
    struct wire *first;
    struct wire *last;
    size_t length;
    void (*begin)(void *context);
    void *context;
} pending;

void wire_on_pending(void (*begin)(void *context), void *context)
{
    pending.begin = begin;
    pending.context = context;
}

static bool is_due(const struct wire *wire) { return wire->stage != STAGE_BODY || wire->left > 0; }

static void add_pending(struct wire *wire)
{
    wire->pends = true;
    wire->next = NULL;
    *(pending.first == NULL ? &pending.first : &pending.last->next) = wire;
    pending.last = wire;
    pending.length++;
}

static bool note_pending(struct wire *wire)
{
    if (wire->ssl == NULL || !is_due(wire) || SSL_pending(wire->ssl) <= 0) {
        return false;
    }
    if (!wire->pends) {
        add_pending(wire);
        pending.begin(pending.context);
    }
    return true;
}

static struct wire *take_pending(void)
{
    struct wire *wire = pending.first;
    pending.first = wire->next;
    pending.length--;
    wire->pends = false;
    return wire;
}

static void drop_pending(struct wire *wire)
{
    struct wire *rest = pending.first;
    if (!wire->pends) {
        return;
    }
    pending.first = NULL;
    pending.length = 0;
    while (rest != NULL) {
        struct wire *next = rest->next;
        if (rest != wire) {
            add_pending(rest);
        }
        rest = next;
    }
}

/* Frames that libwebsockets has begun to read it goes on with by itself. */
bool wire_serve_pending(void (*service)(void *context, int socket), void *context)
{
    for (size_t left = pending.length; left > 0 && pending.first != NULL; left--) {
        struct wire *wire = take_pending();
        if (wire->stage == STAGE_FRAMES || note_pending(wire)) {
            service(context, wire->socket); /* may close it, or others */
        }
    }
    return pending.first != NULL;
}

void wire_close(struct wire *wire)
{
    if (wire != NULL) {
        /* The number may be another's by now. */
        if (wires[wire->socket] == wire) {
            wires[wire->socket] = NULL;
        }
        drop_pending(wire);
        drop_head(wire);
        free(wire);
    }
}

struct bytes wire_head(const struct wire *wire)
{
    return wire->stage == STAGE_BODY ? (struct bytes){wire->head, wire->head_length}
                                     : (struct bytes){0};
}

void wire_body(struct wire *wire, uint64_t length)
{
    wire->left = length;
    (void)note_pending(wire);
}

void wire_next(struct wire *wire)
{
    drop_head(wire);
    wire->stage = STAGE_HEAD;
    (void)note_pending(wire);
}

void wire_frames(struct wire *wire, wire_refuse *refuse, void *owner)
{
    drop_head(wire);
    wire->refuse = refuse;
    wire->owner = owner;
    wire->left = 0;
    wire->stage = STAGE_FRAMES;
    (void)note_pending(wire);
}

void wire_resume(struct wire *wire) { (void)note_pending(wire); }

void wire_release(struct wire *wire) { wire->stage = STAGE_RELEASED; }

static bool keep_head(struct wire *wire, const uint8_t *bytes, size_t length)
{
    size_t needed = wire->head_length + length;
    size_t room = wire->head_room == 0 ? HEAD_BYTES_FIRST : wire->head_room;
    while (room < needed) {
        room *= 2;
    }
    if (room > wire->head_room) {
        uint8_t *head = realloc(wire->head, room);
        if (head == NULL) {
            return false;
        }
        wire->head = head;
        wire->head_room = (uint32_t)room;
    }
    memcpy(wire->head + wire->head_length, bytes, length);
    wire->head_length += (uint32_t)length;
    return true;
}

/* --- where the bytes come from --- */

static ssize_t read_ssl(SSL *ssl, void *buffer, size_t length)
{
    size_t got = 0;
    return SSL_read_ex(ssl, buffer, length, &got) == 1 ? (ssize_t)got : -1;
}

static ssize_t take(struct wire *wire, void *buffer, size_t length)
{
    return wire->ssl != NULL ? read_ssl(wire->ssl, buffer, length)
                             : recvfrom(wire->socket, buffer, length, 0, NULL, NULL);
}

static ssize_t look(struct wire *wire, void *buffer, size_t length)
{
    size_t got = 0;
    if (wire->ssl == NULL) {
        return recvfrom(wire->socket, buffer, length, MSG_PEEK, NULL, NULL);
    }
    return SSL_peek_ex(wire->ssl, buffer, length, &got) == 1 ? (ssize_t)got : -1;
}

static void say(struct wire *wire, const char *text, size_t length)
{
    if (wire->ssl == NULL) {
        (void)send(wire->socket, text, length, MSG_NOSIGNAL);
    } else {
        (void)SSL_write(wire->ssl, text, (int)length);
        (void)SSL_shutdown(wire->ssl);
    }
    (void)shutdown(wire->socket, SHUT_WR);
}

static const struct {
    const char *status;
    const char *text;
} refusals[] = {
    [HEAD_BROKEN] = {"400 Bad Request",
                     PROBLEM_TEXT("400", "Bad Request", "BAD_REQUEST",
                                  "the first line has no method, or its target is no path, has a "
                                  "control byte, or an escape that stands for nothing")},
    [HEAD_UNKNOWN_METHOD] = {"501 Not Implemented",
                             PROBLEM_TEXT("501", "Not Implemented", "METHOD_NOT_ALLOWED",
                                          "the method is none that is known here")},
    [HEAD_FOLDED] = {"400 Bad Request", PROBLEM_TEXT("400", "Bad Request", "BAD_REQUEST",
                                                     "a header goes over several lines")},
    [HEAD_TOO_LONG] = {"431 Request Header Fields Too Large",
                       PROBLEM_TEXT("431", "Request Header Fields Too Large", "HEAD_TOO_LONG",
                                    "the head is longer than 12 KiB, or than 256 lines")},
};

/* The peer may be writing still: what has come is taken, or its system would drop the answer. */
static ssize_t refuse_head(struct wire *wire, enum head_scanned why, void *buffer, size_t length)
{
    const char *status = refusals[why].status;
    const char *text = refusals[why].text;
    char answer[512];
    int answer_length = snprintf(answer, sizeof answer,
                                 "HTTP/1.1 %s\r\ncontent-type: " PROBLEM_TYPE "\r\n"
                                 "content-length: %zu\r\nconnection: close\r\n\r\n%s",
                                 status, strlen(text), text);
    assert(answer_length > 0 && (size_t)answer_length < sizeof answer);
    size_t drained = 0;
    ssize_t got = 0;
    say(wire, answer, (size_t)answer_length);
    while (drained < DRAIN_BYTES &&
           (got = recvfrom(wire->socket, buffer, length, 0, NULL, NULL)) > 0) {
        drained += (size_t)got;
    }
    wire->stage = STAGE_RELEASED;
    return 0;
}

static size_t count_empty(const struct wire *wire, const uint8_t *bytes, size_t length)
{
    size_t most = wire->scan.length > 0 ? 0 : EMPTY_BYTES_MAX - (size_t)wire->empty;
    size_t count = 0;
    while (count < length && count < most && (bytes[count] == '\r' || bytes[count] == '\n')) {
        count++;
    }
    return count;
}

/* Empty lines before a request count nothing (RFC 9112, 2.2): some clients end a body with one. */
static ssize_t look_at_head(struct wire *wire, void *buffer, size_t length)
{
    for (;;) {
        ssize_t got = look(wire, buffer, length);
        size_t empty = got <= 0 ? 0 : count_empty(wire, buffer, (size_t)got);
        if (empty == 0) {
            return got;
        }
        if (take(wire, buffer, empty) != (ssize_t)empty) {
            return -1;
        }
        wire->empty = (uint8_t)(wire->empty + empty);
    }
}

static ssize_t receive_head(struct wire *wire, void *buffer, size_t length)
{
    ssize_t got = look_at_head(wire, buffer, length);
    if (got <= 0) {
        return got;
    }
    size_t taken = 0;
    enum head_scanned scanned = head_scan(&wire->scan, (struct bytes){buffer, (size_t)got}, &taken);
    if (scanned != HEAD_MORE && scanned != HEAD_WHOLE) {
        return refuse_head(wire, scanned, buffer, length);
    }
    if (!keep_head(wire, buffer, taken)) {
        errno = ENOMEM;
        return -1;
    }
    if (scanned == HEAD_WHOLE) {
        wire->stage = STAGE_BODY;
        wire->left = 0;
    }
    return take(wire, buffer, taken);
}

/* Over TLS nothing can be said to be not due: the connection ends. Only who sends a request after
 * one with a body, and does not read what it is answered, comes to that. */
static ssize_t receive_body(struct wire *wire, void *buffer, size_t length)
{
    if (wire->left == 0) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t got = take(wire, buffer, wire->left < length ? (size_t)wire->left : length);
    if (got > 0) {
        wire->left -= (size_t)got;
    }
    return got;
}

static size_t header_bytes(const struct wire *wire)
{
    size_t extended = 0;
    if (wire->length >= 2) {
        uint8_t length = wire->header[1] & 0x7f;
        extended = length == 126 ? 2 : (length == 127 ? 8 : 0);
    }
    return 2 + extended;
}

static uint64_t payload_bytes(const struct wire *wire)
{
    uint64_t length = wire->header[1] & 0x7f;
    if (length < 126) {
        return length;
    }
    length = 0;
    for (size_t i = 2; i < wire->length; i++) {
        length = length << 8 | wire->header[i];
    }
    return length;
}

/* False: the frame is not masked. */
static bool read_header(struct wire *wire, uint8_t byte)
{
    static const uint64_t mask_bytes = 4;
    wire->header[wire->length++] = byte;
    if (wire->length == 2 && (byte & 0x80) == 0) {
        return false;
    }
    if (wire->length == header_bytes(wire)) {
        wire->left = payload_bytes(wire) + mask_bytes;
        wire->length = 0;
    }
    return true;
}

static void follow_frames(struct wire *wire, const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    while (i < length) {
        if (wire->left > 0) {
            size_t skipped = length - i < wire->left ? length - i : (size_t)wire->left;
            wire->left -= skipped;
            i += skipped;
        } else if (!read_header(wire, bytes[i++])) {
            wire->stage = STAGE_RELEASED;
            wire->refuse(wire->owner); /* before libwebsockets gets the bytes */
            return;
        }
    }
}

/* How many bytes are left of the frame, if what comes next begins with these. */
static uint64_t frame_bytes(const struct wire *wire, const uint8_t *bytes, size_t length)
{
    struct wire ahead = *wire;
    size_t i = 0;
    while (ahead.left == 0 && i < length && read_header(&ahead, bytes[i])) {
        i++;
    }
    return ahead.left > 0 ? i + ahead.left : length;
}

/*
 * Over TLS no more than one frame at a time. When a message has libwebsockets paused, it keeps what
 * it has read behind it, and while OpenSSL has more it goes through that again and again, in one
 * call without an end. So there must be nothing behind it.
 */
static ssize_t receive_frames(struct wire *wire, void *buffer, size_t length)
{
    uint64_t due = length;
    if (wire->ssl != NULL) {
        uint8_t header[HEADER_BYTES_MAX];
        ssize_t seen = wire->left > 0 ? 0 : look(wire, header, sizeof header);
        if (seen < 0) {
            return seen;
        }
        due = frame_bytes(wire, header, (size_t)seen);
    }
    ssize_t got = take(wire, buffer, due < length ? (size_t)due : length);
    if (got > 0) {
        follow_frames(wire, buffer, (size_t)got);
    }
    return got;
}

static ssize_t receive(struct wire *wire, void *buffer, size_t length)
{
    switch (wire->stage) {
    case STAGE_HEAD:
        return receive_head(wire, buffer, length);
    case STAGE_BODY:
        return receive_body(wire, buffer, length);
    case STAGE_FRAMES:
        return receive_frames(wire, buffer, length);
    default:
        return take(wire, buffer, length);
    }
}

/* The program's `recv`, under a name that is not the C library's. */
ssize_t wire_recv(int socket, void *buffer, size_t length, int flags) __asm__("recv");

ssize_t wire_recv(int socket, void *buffer, size_t length, int flags)
{
    struct wire *wire = find(socket);
    return wire == NULL ? recvfrom(socket, buffer, length, flags, NULL, NULL)
                        : receive(wire, buffer, length);
}

/* And its `SSL_read`. */
int wire_ssl_read(SSL *ssl, void *buffer, int length) __asm__("SSL_read");

int wire_ssl_read(SSL *ssl, void *buffer, int length)
{
    struct wire *wire = find(SSL_get_fd(ssl));
    if (wire == NULL) {
        return (int)read_ssl(ssl, buffer, (size_t)length);
    }
    wire->ssl = ssl;
    int got = (int)receive(wire, buffer, (size_t)length);
    if (wire->stage != STAGE_FRAMES) {
        (void)note_pending(wire);
    }
    return got;
}
