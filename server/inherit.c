#include "server/inherit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_SOCKET = 3 };

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static bool refuse(char *error, size_t size, const char *why)
{
    (void)snprintf(error, size, "the socket that is handed over %s", why);
    return false;
}

static bool show_address(const union address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    bool six = address->any.sa_family == AF_INET6;
    const void *number =
        six ? (const void *)&address->six.sin6_addr : (const void *)&address->four.sin_addr;
    unsigned port = ntohs(six ? address->six.sin6_port : address->four.sin_port);
    if (inet_ntop(address->any.sa_family, number, host, sizeof host) == NULL) {
        return false;
    }
    (void)snprintf(text, size, six ? "[%s]:%u" : "%s:%u", host, port);
    return true;
}

static bool is_listening(int socket)
{
    int type = 0;
    int listens = 0;
    socklen_t length = sizeof type;
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) {
        return false;
    }
    length = sizeof listens;
    return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0;
}

bool inherit_socket(int socket, struct inherited *inherited, char *error, size_t size)
{
    union address address = {0};
    socklen_t length = sizeof address;
    if (!is_listening(socket)) {
        return refuse(error, size, "does not listen: give one with ListenStream=");
    }
    if (getsockname(socket, &address.any, &length) != 0 ||
        (address.any.sa_family != AF_INET && address.any.sa_family != AF_INET6) ||
        !show_address(&address, inherited->address, sizeof inherited->address)) {
        return refuse(error, size, "is not one of TCP: give ListenStream= an address and a port");
    }
    int flags = fcntl(socket, F_GETFL);
    if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(socket, F_SETFD, FD_CLOEXEC) != 0) {
        return refuse(error, size, strerror(errno));
    }
    inherited->socket = socket;
    return true;
}

static long read_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long number = text == NULL ? 0 : strtol(text, &end, 10);
    return text != NULL && *text != '\0' && *end == '\0' ? number : 0;
}

bool inherit_from_environment(struct inherited *inherited, char *error, size_t size)
{
    long count = read_number("LISTEN_FDS");
    bool mine = read_number("LISTEN_PID") == (long)getpid();
    *inherited = (struct inherited){0};
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDNAMES");
    if (!mine || count <= 0) {
        return true;
    }
    if (count > 1) {
        (void)snprintf(error, size,
                       "%ld sockets are handed over, and the hub listens on one: give one "
                       "ListenStream=",
                       count);
        return false;
    }
    return inherit_socket(FIRST_SOCKET, inherited, error, size);
}
