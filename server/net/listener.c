#include "server/net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_AT_ONCE = 64, /* then those who are connected have their turn */
    PAUSE_MS = 100
};

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

/* Answers the length; 0: not an address. */
static socklen_t read_address(const char *text, int port, union address *address)
{
    *address = (union address){0};
    if (inet_pton(AF_INET, text, &address->four.sin_addr) == 1) {
        address->four.sin_family = AF_INET;
        address->four.sin_port = htons((uint16_t)port);
        return sizeof address->four;
    }
    if (inet_pton(AF_INET6, text, &address->six.sin6_addr) == 1) {
        address->six.sin6_family = AF_INET6;
        address->six.sin6_port = htons((uint16_t)port);
        return sizeof address->six;
    }
    return 0;
}

static int listen_on(const union address *address, socklen_t length)
{
    int on = 1;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, &address->any, length) == 0 && listen(fd, SOMAXCONN) == 0) {
        return fd;
    }
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static const char *reason(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "the port is in use";
    case EADDRNOTAVAIL:
        return "the address is not this machine's";
    case EACCES:
        return "the port takes rights this process lacks";
    default:
        return strerror(error);
    }
}

static bool refuse(char *error, size_t size, const char *address, int port, const char *why)
{
    bool six = strchr(address, ':') != NULL;
    (void)snprintf(error, size, "%s%s%s:%d cannot be listened on: %s", six ? "[" : "", address,
                   six ? "]" : "", port, why);
    return false;
}

bool listener_open(struct listener *listener, uv_loop_t *loop, int inherited, const char *address,
                   int port, char *error, size_t size)
{
    union address parsed;
    socklen_t length = read_address(address, port, &parsed);
    errno = EINVAL;
    listener->socket = inherited != 0 ? inherited : length == 0 ? -1 : listen_on(&parsed, length);
    if (listener->socket < 0) {
        return refuse(error, size, address, port, reason(errno));
    }
    int rc = uv_poll_init(loop, &listener->poll, listener->socket);
    if (rc == 0) {
        rc = uv_timer_init(loop, &listener->pause); /* never fails */
    }
    if (rc != 0) {
        (void)close(listener->socket);
        listener->socket = -1;
        return refuse(error, size, address, port, uv_strerror(rc));
    }
    listener->poll.data = listener;
    listener->pause.data = listener;
    return true;
}

static void resume(uv_timer_t *timer);

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int socket = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            listener->accept(listener->context, socket);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays in the queue, so the socket stays readable: look away. */
            (void)uv_poll_stop(poll);
            (void)uv_timer_start(&listener->pause, resume, PAUSE_MS, 0);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void resume(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

void listener_start(struct listener *listener, listener_accept *accept, void *context)
{
    listener->accept = accept;
    listener->context = context;
    resume(&listener->pause);
}

void listener_stop(struct listener *listener)
{
    if (listener->socket >= 0) {
        (void)uv_poll_stop(&listener->poll);
        (void)uv_timer_stop(&listener->pause);
    }
}

int listener_port(const struct listener *listener)
{
    union address address = {0};
    socklen_t length = sizeof address;
    if (getsockname(listener->socket, &address.any, &length) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

void listener_close(struct listener *listener)
{
    if (listener->socket >= 0) {
        uv_close((uv_handle_t *)&listener->poll, NULL);
        uv_close((uv_handle_t *)&listener->pause, NULL);
        (void)close(listener->socket); /* uv_close has stopped the watcher */
        listener->socket = -1;
    }
}
