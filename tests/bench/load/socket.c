#include "tests/bench/load/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load/fail.h"

enum {
    RECEIVE_BYTES = 1 << 18,
    NARROW_BYTES = 1 << 16,
    NARROW_SEGMENT = 1400,
    PER_SOURCE = 2000,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    PONG = 0x8a,
    MASKED = 0x80
};

static void watch(struct socket *client, int operation, bool output)
{
    uint32_t input = client->asleep ? 0U : EPOLLIN;
    struct epoll_event event = {.events = input | (output ? (uint32_t)EPOLLOUT : 0U),
                                .data.ptr = client->data};
    if (epoll_ctl(client->epoll, operation, client->file, &event) != 0) {
        fail("epoll: %s", strerror(errno));
    }
    client->watches_output = output;
}

void socket_sleep(struct socket *client, bool asleep)
{
    client->asleep = asleep;
    watch(client, EPOLL_CTL_MOD, client->watches_output);
}

/* On loopback a segment has 64 KiB, and the sender's kernel room for 20 of them. */
static void make_narrow(int file)
{
    int segment = NARROW_SEGMENT;
    int room = NARROW_BYTES;
    if (setsockopt(file, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) != 0 ||
        setsockopt(file, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) != 0) {
        fail("a narrow socket: %s", strerror(errno));
    }
}

void socket_connect(struct socket *client, int epoll, struct address to, size_t index, bool narrow,
                    void *data)
{
    int on = 1;
    *client = (struct socket){.epoll = epoll, .status = SOCKET_CONNECTING, .data = data};
    client->file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->file < 0) {
        fail("a socket: %s", strerror(errno));
    }
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(index / PER_SOURCE));
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(to.port)};
    server.sin_addr.s_addr = htonl(to.host);
    (void)setsockopt(client->file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(client->file, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (narrow) {
        make_narrow(client->file);
    }
    if (bind(client->file, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(client->file, (struct sockaddr *)&server, sizeof server) != 0 &&
         errno != EINPROGRESS)) {
        fail("connect: %s", strerror(errno));
    }
    watch(client, EPOLL_CTL_ADD, true);
}

void socket_upgrade(struct socket *client, struct address to, const struct plan_client *plan)
{
    char request[1024];
    bool named = plan->subprotocol.length > 0;
    int length = snprintf(request, sizeof request,
                          "GET %.*s HTTP/1.1\r\nhost: 127.0.0.1:%u\r\nconnection: Upgrade\r\n"
                          "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
                          "sec-websocket-key: c3luY2xpbmUgYmVuY2ghIQ==\r\n%s%.*s%s\r\n",
                          (int)plan->path.length, (const char *)plan->path.data, to.port,
                          named ? "sec-websocket-protocol: " : "", (int)plan->subprotocol.length,
                          (const char *)plan->subprotocol.data, named ? "\r\n" : "");
    client->status = SOCKET_UPGRADING;
    socket_send(client, (const uint8_t *)request, (size_t)length);
}

static void keep(uint8_t **kept, size_t *kept_length, const uint8_t *bytes, size_t length)
{
    *kept = reallocate(*kept, *kept_length + length);
    memcpy(*kept + *kept_length, bytes, length);
    *kept_length += length;
}

static size_t send_some(struct socket *client, const uint8_t *bytes, size_t length)
{
    ssize_t sent = send(client->file, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        fail("send: %s", strerror(errno));
    }
    return sent < 0 ? 0 : (size_t)sent;
}

void socket_send(struct socket *client, const uint8_t *bytes, size_t length)
{
    size_t sent = client->unsent_length > 0 ? 0 : send_some(client, bytes, length);
    if (sent < length) {
        keep(&client->unsent, &client->unsent_length, bytes + sent, length - sent);
        watch(client, EPOLL_CTL_MOD, true);
    }
}

void socket_writable(struct socket *client)
{
    size_t sent =
        client->unsent_length == 0 ? 0 : send_some(client, client->unsent, client->unsent_length);
    client->unsent_length -= sent;
    if (client->unsent_length > 0) {
        memmove(client->unsent, client->unsent + sent, client->unsent_length);
    } else if (client->watches_output) {
        watch(client, EPOLL_CTL_MOD, false);
    }
}

static void pong(struct socket *client, struct bytes payload)
{
    uint8_t frame[6 + 125] = {PONG, (uint8_t)(MASKED | payload.length)};
    memcpy(&frame[6], payload.data, payload.length);
    socket_send(client, frame, 6 + payload.length);
}

/* One frame's header and payload, or length 0: there is more to come. */
static size_t frame_length(const uint8_t *at, size_t left, struct bytes *payload)
{
    size_t head = 2;
    if (left < head) {
        return 0;
    }
    uint64_t length = at[1];
    if (length >= 126) {
        size_t width = length == 126 ? 2 : 8;
        length = 0;
        if (left < head + width) {
            return 0;
        }
        for (size_t i = 0; i < width; i++) {
            length = length << 8 | at[head++];
        }
    }
    if (left - head < length) {
        return 0;
    }
    *payload = (struct bytes){at + head, (size_t)length};
    return head + (size_t)length;
}

static bool take_upgrade(struct socket *client, const uint8_t *at, size_t left, size_t *used)
{
    const uint8_t *end = memmem(at, left, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    if (left < 12 || memcmp(at, "HTTP/1.1 101", 12) != 0) {
        fail("the upgrade was refused: %.*s", (int)(end - at), (const char *)at);
    }
    client->status = SOCKET_OPEN;
    *used = (size_t)(end - at) + 4;
    return true;
}

/* Answers how much it has used; the rest waits for more. */
static size_t take_all(struct socket *client, const uint8_t *bytes, size_t length, void *context,
                       void (*opened)(void *context),
                       void (*frame)(void *context, struct bytes payload))
{
    size_t used = 0;
    if (client->status == SOCKET_UPGRADING) {
        if (!take_upgrade(client, bytes, length, &used)) {
            return 0;
        }
        opened(context);
    }
    struct bytes payload;
    for (size_t step = 0; (step = frame_length(bytes + used, length - used, &payload)) > 0;) {
        unsigned opcode = bytes[used] & 15U;
        if (opcode == OPCODE_CLOSE) {
            fail("the server closes: %.*s", payload.length < 2 ? 0 : (int)payload.length - 2,
                 (const char *)payload.data + 2);
        } else if (opcode == OPCODE_PING) {
            pong(client, payload);
        } else if (opcode == OPCODE_BINARY) {
            frame(context, payload);
        }
        used += step;
    }
    return used;
}

bool socket_read(struct socket *client, void *context, void (*opened)(void *context),
                 void (*frame)(void *context, struct bytes payload))
{
    static uint8_t shared[RECEIVE_BYTES];
    ssize_t got = recv(client->file, shared, sizeof shared, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (got <= 0) {
        return false;
    }
    uint8_t *bytes = shared;
    size_t length = (size_t)got;
    if (client->partial_length > 0) {
        keep(&client->partial, &client->partial_length, shared, length);
        bytes = client->partial;
        length = client->partial_length;
    }
    size_t used = take_all(client, bytes, length, context, opened, frame);
    if (bytes == shared && used < length) {
        keep(&client->partial, &client->partial_length, bytes + used, length - used);
    } else if (bytes != shared) {
        client->partial_length = length - used;
        memmove(client->partial, client->partial + used, client->partial_length);
    }
    return true;
}

void socket_close(struct socket *client)
{
    if (client->status != SOCKET_CLOSED) {
        (void)close(client->file);
    }
    free(client->unsent);
    free(client->partial);
    *client = (struct socket){.status = SOCKET_CLOSED};
}
