#include "server/net/masking.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { HEADER_BYTES_MAX = 10 };

/* Where in its stream of bytes a socket is. */
struct watched {
    masking_refuse *refuse; /* NULL: HTTP so far */
    void *owner;
    uint64_t payload;                 /* bytes of the frame that are still to come */
    uint8_t header[HEADER_BYTES_MAX]; /* of the frame that begins */
    uint8_t length;                   /* of the header so far */
    uint8_t line_ends;                /* in a row: an empty line ends a request */
    bool requests;                    /* HTTP: frames begin after a request's end */
    bool unmasked;                    /* what followed a request was no masked frame */
    bool on;
};

/* `recv` is the whole program's, and so is this: who calls it has nothing but the socket. */
static struct watched sockets[MASKING_SOCKETS_MAX];

static struct watched *find(int socket)
{
    bool known = socket >= 0 && socket < MASKING_SOCKETS_MAX && sockets[socket].on;
    return known ? &sockets[socket] : NULL;
}

void masking_watch(int socket)
{
    if (socket >= 0 && socket < MASKING_SOCKETS_MAX) {
        sockets[socket] = (struct watched){.requests = true, .on = true};
    }
}

bool masking_claim(int socket, masking_refuse *refuse, void *owner)
{
    struct watched *watched = find(socket);
    if (watched == NULL) {
        return true;
    }
    watched->refuse = refuse;
    watched->owner = owner;
    watched->on = !watched->unmasked;
    return watched->on;
}

void masking_release(int socket)
{
    struct watched *watched = find(socket);
    if (watched != NULL) {
        watched->on = false;
    }
}

/* Like libwebsockets, it takes lines that end without a CR, too. */
static void read_request(struct watched *watched, uint8_t byte)
{
    if (byte == '\n') {
        watched->line_ends++;
    } else if (byte != '\r') {
        watched->line_ends = 0;
    }
    if (watched->line_ends == 2) {
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

static void read_header(struct watched *watched, uint8_t byte)
{
    static const uint64_t mask_bytes = 4;
    /* The next request's method begins with a letter, which no frame without extensions does. */
    if (watched->refuse == NULL && watched->length == 0 && byte >= 'A' && byte <= 'Z') {
        watched->requests = true;
        return;
    }
    watched->header[watched->length++] = byte;
    if (watched->length == 2 && (byte & 0x80) == 0) {
        watched->unmasked = true;
    } else if (watched->length == header_bytes(watched)) {
        watched->payload = payload_bytes(watched) + mask_bytes;
        watched->length = 0;
    }
}

static void follow(struct watched *watched, const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    while (i < length && !watched->unmasked) {
        if (watched->payload > 0) {
            size_t skipped = length - i < watched->payload ? length - i : (size_t)watched->payload;
            watched->payload -= skipped;
            i += skipped;
        } else if (watched->requests) {
            read_request(watched, bytes[i++]);
        } else {
            read_header(watched, bytes[i++]);
        }
    }
    if (watched->unmasked && watched->refuse != NULL) {
        watched->on = false;
        watched->refuse(watched->owner);
    }
}

/* The program's `recv`, under a name that is not the C library's. */
ssize_t watched_recv(int socket, void *buffer, size_t length, int flags) __asm__("recv");

ssize_t watched_recv(int socket, void *buffer, size_t length, int flags)
{
    ssize_t got = recvfrom(socket, buffer, length, flags, NULL, NULL);
    struct watched *watched = find(socket);
    if (watched != NULL && got > 0 && (flags & MSG_PEEK) == 0) {
        follow(watched, buffer, (size_t)got);
    }
    return got;
}
