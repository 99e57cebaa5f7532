#include "server/handover.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/log.h"

enum { MESSAGE_BYTES = 64, ANSWER_MS = 10000 };

static const char ask_text[] = "take-over 1";
static const char sockets_text[] = "sockets";
static const char busy_text[] = "busy";
static const char go_text[] = "go";
static const char released_text[] = "released";
static const char ready_text[] = "ready";

/* --- both sides --- */

/* Beside the file itself, whatever links lead to it, as its lock is. False: there is no such file,
 * or the path is longer than a socket's may be. */
static bool control_path(const char *data, struct sockaddr_un *address)
{
    char *real = realpath(data, NULL);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = real == NULL
                     ? -1
                     : snprintf(address->sun_path, sizeof address->sun_path, "%s.control", real);
    free(real);
    return length > 0 && (size_t)length < sizeof address->sun_path;
}

/* Whoever may be root, or this hub's user, may stop the hub anyway. */
static bool is_ours(int partner)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t length = sizeof peer;
    return getsockopt(partner, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static bool say(int partner, const char *text)
{
    return send(partner, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static bool is_text(const char *message, ssize_t length, const char *text)
{
    return length == (ssize_t)strlen(text) && memcmp(message, text, (size_t)length) == 0;
}

/* One message; 0: the partner has gone. Waits, without end if `wait_ms` is negative. */
static ssize_t hear(int partner, char message[MESSAGE_BYTES], int wait_ms)
{
    struct pollfd readable = {.fd = partner, .events = POLLIN};
    int ready;
    do {
        ready = poll(&readable, 1, wait_ms);
    } while (ready < 0 && errno == EINTR);
    return ready <= 0 ? 0 : recv(partner, message, MESSAGE_BYTES, 0);
}

/* --- the running hub --- */

union rights {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static bool send_listener(int partner, int listener)
{
    union rights rights = {0};
    struct iovec text = {(void *)(uintptr_t)sockets_text, sizeof sockets_text - 1};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof listener);
    memcpy(CMSG_DATA(head), &listener, sizeof listener);
    return sendmsg(partner, &message, MSG_NOSIGNAL) > 0;
}

static void on_partner_closed(uv_handle_t *handle)
{
    struct handover *handover = handle->data;
    (void)close(handover->partner_socket);
    handover->partner_socket = -1;
}

static void drop_partner(struct handover *handover)
{
    if (!uv_is_closing((uv_handle_t *)&handover->partner)) {
        uv_close((uv_handle_t *)&handover->partner, on_partner_closed);
    }
}

static void on_partner(uv_poll_t *poll, int status, int events)
{
    struct handover *handover = poll->data;
    char message[MESSAGE_BYTES];
    (void)events;
    ssize_t length = status < 0 ? 0 : recv(handover->partner_socket, message, sizeof message, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (is_text(message, length, ask_text) &&
        send_listener(handover->partner_socket, handover->listener)) {
        return;
    }
    if (is_text(message, length, go_text)) {
        handover->begun = true;
        (void)uv_poll_stop(poll); /* what it says next is for `handover_finish` */
        handover->begin(handover->context);
        return;
    }
    drop_partner(handover);
}

static void on_door(uv_poll_t *poll, int status, int events)
{
    struct handover *handover = poll->data;
    (void)status;
    (void)events;
    int partner = accept4(handover->door_socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (partner < 0) {
        return;
    }
    bool free = handover->partner_socket < 0 && is_ours(partner);
    if (!free || uv_poll_init(poll->loop, &handover->partner, partner) != 0) {
        (void)say(partner, busy_text);
        (void)close(partner);
        return;
    }
    handover->partner_socket = partner;
    handover->partner.data = handover;
    (void)uv_poll_start(&handover->partner, UV_READABLE, on_partner);
}

static bool bind_door(struct handover *handover, const struct sockaddr_un *address)
{
    /* What lies there is a dead hub's: this one has the database's lock. The mode is the socket's
     * before it has a name. */
    (void)unlink(address->sun_path);
    return fchmod(handover->door_socket, S_IRUSR | S_IWUSR) == 0 &&
           bind(handover->door_socket, (const struct sockaddr *)address, sizeof *address) == 0 &&
           listen(handover->door_socket, 1) == 0;
}

bool handover_open(struct handover *handover, uv_loop_t *loop, const char *data, char *error,
                   size_t size)
{
    struct sockaddr_un address;
    handover->door_socket = -1;
    handover->partner_socket = -1;
    if (!control_path(data, &address)) {
        (void)snprintf(error, size, "%s.control is too long a path for a socket", data);
        return false;
    }
    handover->door_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (handover->door_socket < 0 || !bind_door(handover, &address) ||
        uv_poll_init(loop, &handover->door, handover->door_socket) != 0) {
        (void)snprintf(error, size, "%s cannot be listened on: %s", address.sun_path,
                       strerror(errno));
        if (handover->door_socket >= 0) {
            (void)close(handover->door_socket);
            handover->door_socket = -1;
        }
        return false;
    }
    memcpy(handover->path, address.sun_path, sizeof handover->path);
    handover->door.data = handover;
    return uv_poll_start(&handover->door, UV_READABLE, on_door) == 0;
}

static void on_door_closed(uv_handle_t *handle)
{
    struct handover *handover = handle->data;
    (void)close(handover->door_socket);
    handover->door_socket = -1;
}

void handover_close(struct handover *handover)
{
    if (handover->path[0] == '\0') {
        return;
    }
    (void)unlink(handover->path);
    handover->path[0] = '\0';
    uv_close((uv_handle_t *)&handover->door, on_door_closed);
    if (handover->partner_socket >= 0 && !handover->begun) {
        drop_partner(handover);
    } else if (handover->partner_socket >= 0) {
        uv_close((uv_handle_t *)&handover->partner, NULL);
    }
}

bool handover_finish(struct handover *handover)
{
    char message[MESSAGE_BYTES];
    int partner = handover->partner_socket;
    ssize_t length = say(partner, released_text) ? hear(partner, message, -1) : 0;
    bool ready = is_text(message, length, ready_text);
    (void)close(partner);
    handover->partner_socket = -1;
    return ready;
}

/* --- the new hub --- */

static enum takeover_status refuse(struct takeover *takeover, char *error, size_t size,
                                   const char *why)
{
    (void)snprintf(error, size, "the running hub is not taken over from: %s", why);
    takeover_end(takeover, false);
    return TAKEOVER_REFUSED;
}

/* The socket that comes with the message, or 0. */
static int receive_listener(int partner)
{
    char text[MESSAGE_BYTES];
    union rights rights = {0};
    struct iovec place = {text, sizeof text};
    struct msghdr message = {.msg_iov = &place,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    struct pollfd readable = {.fd = partner, .events = POLLIN};
    int listener = 0;
    if (poll(&readable, 1, ANSWER_MS) <= 0) {
        return 0;
    }
    ssize_t length = recvmsg(partner, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *head = length < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof listener)) {
        return 0;
    }
    memcpy(&listener, CMSG_DATA(head), sizeof listener);
    return is_text(text, length, sockets_text) ? listener : 0;
}

/* `host:port`, as the socket has it. */
static bool is_at(const struct inherited *inherited, const char *host, int port)
{
    char address[sizeof inherited->address];
    const char *colon = strrchr(inherited->address, ':');
    bool six = strchr(host, ':') != NULL;
    (void)snprintf(address, sizeof address, six ? "[%s]:%s" : "%s:%s", host, colon + 1);
    return strcmp(address, inherited->address) == 0 && (port == 0 || atoi(colon + 1) == port);
}

enum takeover_status takeover_ask(struct takeover *takeover, const char *data, const char *host,
                                  int port, char *error, size_t size)
{
    struct sockaddr_un address;
    char message[MESSAGE_BYTES];
    *takeover = (struct takeover){.partner = -1};
    if (!control_path(data, &address)) {
        return TAKEOVER_NOBODY;
    }
    takeover->partner = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (takeover->partner < 0 ||
        connect(takeover->partner, (const struct sockaddr *)&address, sizeof address) != 0) {
        bool nobody = errno == ENOENT || errno == ECONNREFUSED;
        if (!nobody) {
            return refuse(takeover, error, size, strerror(errno));
        }
        takeover_end(takeover, false);
        return TAKEOVER_NOBODY;
    }
    if (!is_ours(takeover->partner)) {
        return refuse(takeover, error, size, "it is another user's");
    }
    int listener = say(takeover->partner, ask_text) ? receive_listener(takeover->partner) : 0;
    if (listener == 0) {
        return refuse(takeover, error, size, "it is being taken over, or stops");
    }
    if (!inherit_socket(listener, &takeover->inherited, error, size)) {
        takeover_end(takeover, false);
        return TAKEOVER_REFUSED;
    }
    if (!is_at(&takeover->inherited, host, port)) {
        return refuse(takeover, error, size,
                      "it listens elsewhere than this configuration says; give both one `listen`");
    }
    if (!say(takeover->partner, go_text)) {
        return refuse(takeover, error, size, "it has just stopped");
    }
    /* Where it ends without a word, the database is free all the same. */
    (void)hear(takeover->partner, message, -1);
    return TAKEOVER_DONE;
}

void takeover_end(struct takeover *takeover, bool ready)
{
    if (takeover->partner >= 0) {
        if (ready && !say(takeover->partner, ready_text)) {
            log_event(LEVEL_WARNING, "already-ended",
                      LOG_FIELDS(log_sentence("reason", "the hub before has not waited")));
        }
        (void)close(takeover->partner);
        takeover->partner = -1;
    }
}
