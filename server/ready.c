#include "server/ready.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { GIVE_UP_SECONDS = 5, ANSWER_BYTES = 4096 };

static int fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "synclined: not ready: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* Nobody can connect to "all addresses". */
static const char *host_of(const struct config_address *address)
{
    if (strcmp(address->host, "0.0.0.0") == 0) {
        return "127.0.0.1";
    }
    return strcmp(address->host, "::") == 0 ? "::1" : address->host;
}

/* -1: errno says why. */
static int dial(const struct addrinfo *target)
{
    int fd = socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = GIVE_UP_SECONDS};
    bool good = fd >= 0 &&
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
                connect(fd, target->ai_addr, target->ai_addrlen) == 0;
    if (!good && fd >= 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Until the hub closes, or as much as fits: what matters comes first. */
static bool read_answer(int fd, char answer[ANSWER_BYTES])
{
    size_t length = 0;
    ssize_t got = 1;
    while (got > 0 && length < ANSWER_BYTES - 1) {
        got = recv(fd, answer + length, ANSWER_BYTES - 1 - length, 0);
        length += got > 0 ? (size_t)got : 0;
    }
    answer[length] = '\0';
    return got >= 0;
}

static int judge(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || body == NULL) {
        return fail("the answer", "not HTTP; is this address TLS, or another program's?");
    }
    if (strncmp(answer + 9, "200", 3) != 0) {
        return fail("the hub says", body + 4);
    }
    (void)fputs(body + 4, stdout);
    return EXIT_SUCCESS;
}

int ready(const struct config_address *address)
{
    static const char request[] =
        "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *target = NULL;
    char port[16];
    char answer[ANSWER_BYTES];
    (void)snprintf(port, sizeof port, "%d", address->port);
    int unknown = getaddrinfo(host_of(address), port, &hints, &target);
    if (unknown != 0) {
        return fail(address->host, gai_strerror(unknown));
    }
    int fd = dial(target);
    freeaddrinfo(target);
    if (fd < 0) {
        return fail(host_of(address), strerror(errno));
    }
    bool good = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
                read_answer(fd, answer);
    int error = errno;
    (void)close(fd);
    return good ? judge(answer) : fail(host_of(address), strerror(error));
}
