#include "server/net/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEADER_BYTES_MAX = 10, HEAD_BYTES_FIRST = 512, DRAIN_BYTES = 1 << 16 };

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_FRAMES, STAGE_RELEASED };

struct wire {
    wire_refuse *refuse;
    void *owner;
    uint8_t *head;
    uint64_t left; /* of the body, or of the frame */
    int socket;
    uint32_t head_length;
    uint32_t head_room;
    uint8_t stage;
    uint8_t line_ends;                /* in a row: an empty line ends a head */
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
    wire->line_ends = 0;
}

void wire_close(struct wire *wire)
{
    if (wire != NULL) {
        /* The number may be another's by now. */
        if (wires[wire->socket] == wire) {
            wires[wire->socket] = NULL;
        }
        drop_head(wire);
        free(wire);
    }
}

struct bytes wire_head(const struct wire *wire)
{
    return wire->stage == STAGE_BODY ? (struct bytes){wire->head, wire->head_length}
                                     : (struct bytes){0};
}

void wire_body(struct wire *wire, uint64_t length) { wire->left = length; }

void wire_next(struct wire *wire)
{
    drop_head(wire);
    wire->stage = STAGE_HEAD;
}

void wire_frames(struct wire *wire, wire_refuse *refuse, void *owner)
{
    drop_head(wire);
    wire->refuse = refuse;
    wire->owner = owner;
    wire->left = 0;
    wire->stage = STAGE_FRAMES;
}

void wire_release(struct wire *wire) { wire->stage = STAGE_RELEASED; }

/* How many bytes belong to the head. Like libwebsockets, it takes lines that end without a CR. */
static size_t scan_head(struct wire *wire, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            wire->line_ends++;
        } else if (bytes[i] != '\r') {
            wire->line_ends = 0;
        }
        if (wire->line_ends == 2) {
            return i + 1;
        }
    }
    return length;
}

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

/* The peer may be writing still: what has come is taken, or its system would drop the answer. */
static ssize_t refuse_head(struct wire *wire, void *buffer, size_t length)
{
    static const char text[] =
        "{\"type\":\"about:blank\",\"title\":\"Request Header Fields Too Large\",\"status\":431,"
        "\"detail\":\"the head is longer than 12 KiB\"}\n";
    char answer[512];
    int answer_length = snprintf(answer, sizeof answer,
                                 "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                                 "content-type: application/problem+json\r\n"
                                 "content-length: %zu\r\nconnection: close\r\n\r\n%s",
                                 sizeof text - 1, text);
    size_t drained = 0;
    ssize_t got = 0;
    (void)send(wire->socket, answer, (size_t)answer_length, MSG_NOSIGNAL);
    (void)shutdown(wire->socket, SHUT_WR);
    while (drained < DRAIN_BYTES &&
           (got = recvfrom(wire->socket, buffer, length, 0, NULL, NULL)) > 0) {
        drained += (size_t)got;
    }
    wire->stage = STAGE_RELEASED;
    return 0;
}

static ssize_t receive_head(struct wire *wire, void *buffer, size_t length, int flags)
{
    ssize_t got = recvfrom(wire->socket, buffer, length, flags | MSG_PEEK, NULL, NULL);
    if (got <= 0) {
        return got;
    }
    size_t taken = scan_head(wire, buffer, (size_t)got);
    if (wire->head_length + taken > WIRE_HEAD_BYTES) {
        return refuse_head(wire, buffer, length);
    }
    if (!keep_head(wire, buffer, taken)) {
        errno = ENOMEM;
        return -1;
    }
    if (wire->line_ends == 2) {
        wire->stage = STAGE_BODY;
        wire->left = 0;
    }
    return recvfrom(wire->socket, buffer, taken, flags, NULL, NULL);
}

static ssize_t receive_body(struct wire *wire, void *buffer, size_t length, int flags)
{
    if (wire->left == 0) {
        errno = EAGAIN;
        return -1;
    }
    size_t most = wire->left < length ? (size_t)wire->left : length;
    ssize_t got = recvfrom(wire->socket, buffer, most, flags, NULL, NULL);
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

/* The program's `recv`, under a name that is not the C library's. */
ssize_t wire_recv(int socket, void *buffer, size_t length, int flags) __asm__("recv");

ssize_t wire_recv(int socket, void *buffer, size_t length, int flags)
{
    struct wire *wire = find(socket);
    if (wire != NULL && wire->stage == STAGE_HEAD) {
        return receive_head(wire, buffer, length, flags);
    }
    if (wire != NULL && wire->stage == STAGE_BODY) {
        return receive_body(wire, buffer, length, flags);
    }
    ssize_t got = recvfrom(socket, buffer, length, flags, NULL, NULL);
    if (wire != NULL && wire->stage == STAGE_FRAMES && got > 0) {
        follow_frames(wire, buffer, (size_t)got);
    }
    return got;
}
