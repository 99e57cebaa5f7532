#include "server/net/masking.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { SOCKETS_MAX = 1 << 17, HEADER_BYTES_MAX = 10 };

/* Where in its stream of bytes a socket is. */
struct watched {
    uint64_t payload;                 /* bytes of the frame that are still to come */
    uint8_t header[HEADER_BYTES_MAX]; /* of the frame that begins */
    uint8_t length;                   /* of the header so far */
    uint8_t line_ends;                /* of the "\r\n\r\n" that ends a request, so far */
    bool requests;                    /* HTTP: frames begin after a request's end */
    bool on;
};

static struct watched sockets[SOCKETS_MAX];

void masking_watch(int socket)
{
    if (socket >= 0 && socket < SOCKETS_MAX) {
        sockets[socket] = (struct watched){.requests = true, .on = true};
    }
}

static void read_request(struct watched *watched, uint8_t byte)
{
    static const uint8_t end[] = {'\r', '\n', '\r', '\n'};
    if (byte == end[watched->line_ends]) {
        watched->line_ends++;
    } else {
        watched->line_ends = byte == '\r';
    }
    if (watched->line_ends == sizeof end) {
        watched->line_ends = 0;
        watched->requests = false;
    }
}

static size_t header_bytes(const struct watched *watched)
{
    size_t extended = 0;
    if (watched->length >= 2) {
        uint8_t length = watched->header[1] & 0x7f;
        extended = length == 126 ? 2 : (length == 127 ? 8 : 0);
    }
    return 2 + extended;
}

static uint64_t payload_bytes(const struct watched *watched)
{
    uint64_t length = watched->header[1] & 0x7f;
    if (length < 126) {
        return length;
    }
    length = 0;
    for (size_t i = 2; i < watched->length; i++) {
        length = length << 8 | watched->header[i];
    }
    return length;
}

/* False: the frame that begins is not masked. */
static bool read_header(struct watched *watched, uint8_t byte)
{
    static const uint64_t mask_bytes = 4;
    /* A method begins with a letter, which no frame without extensions does. */
    if (watched->length == 0 && byte >= 'A' && byte <= 'Z') {
        watched->requests = true;
        return true;
    }
    watched->header[watched->length++] = byte;
    if (watched->length == 2 && (byte & 0x80) == 0) {
        return false;
    }
    if (watched->length == header_bytes(watched)) {
        watched->payload = payload_bytes(watched) + mask_bytes;
        watched->length = 0;
    }
    return true;
}

static bool follow(struct watched *watched, const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    bool masked = true;
    while (i < length && masked) {
        if (watched->payload > 0) {
            size_t skipped = length - i < watched->payload ? length - i : (size_t)watched->payload;
            watched->payload -= skipped;
            i += skipped;
        } else if (watched->requests) {
            read_request(watched, bytes[i++]);
        } else {
            masked = read_header(watched, bytes[i++]);
        }
    }
    return masked;
}

/* Best effort: a peer that breaks the protocol gets its reason if its socket takes it. */
static void say_why(int socket)
{
    static const char reason[] = "\x88\x1f\x03\xea"
                                 "a client must mask its frames";
    (void)send(socket, reason, sizeof reason - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The program's `recv`, under a name that is not the C library's. */
ssize_t watched_recv(int socket, void *buffer, size_t length, int flags) __asm__("recv");

ssize_t watched_recv(int socket, void *buffer, size_t length, int flags)
{
    ssize_t got = recvfrom(socket, buffer, length, flags, NULL, NULL);
    bool watched = socket >= 0 && socket < SOCKETS_MAX && sockets[socket].on;
    if (!watched || got <= 0 || (flags & MSG_PEEK) != 0) {
        return got;
    }
    if (!follow(&sockets[socket], buffer, (size_t)got)) {
        sockets[socket].on = false;
        say_why(socket);
        return 0;
    }
    return got;
}
