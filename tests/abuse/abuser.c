/*
 * Many connections that mean no good: each says its words, once and then again and again, as slowly
 * or as fast as told, and reads what comes or does not. Prints one line of JSON.
 *
 *   abuser --port N --connections N --seconds S [options]
 *     --first FILE     said at once; u32 length and bytes, one after the other: the n-th connection
 *                      takes the n-th, and so on round
 *     --then FILE      the same, said when the first answer has come
 *     --again FILE     said over and over behind all that
 *     --piece BYTES    of that, in one write (default: all of it)
 *     --every MS       between two writes; without it as fast as the socket takes them
 *     --rate R         new connections per second (default: all at once)
 *     --deaf           nothing is read behind the first answer
 *     --leave WHEN     `connected` or `answered`: then it closes
 *     --reset          closes without FIN, by RST
 *     --return         whose connection has ended comes back
 *     --from ADDRESS   where they come from (default: 127.0.0.2 to 127.0.0.201, by turns)
 *     --host ADDRESS   where to (default: 127.0.0.1)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load/fail.h"
#include "tests/bench/load/measure.h"

enum { SOURCES = 200, EVENTS = 512, TICK_MS = 5, RECEIVE_BYTES = 1 << 16, SYNS_AT_ONCE = 256 };

enum leave { LEAVE_NEVER, LEAVE_CONNECTED, LEAVE_ANSWERED };

struct text {
    uint8_t *bytes;
    size_t length;
};

struct options {
    const char *host;
    const char *from;
    int port;
    size_t connections;
    double seconds;
    double rate;
    size_t piece;
    uint64_t every_ns;
    enum leave leave;
    bool deaf;
    bool reset;
    bool comes_back;
};

struct peer {
    int file; /* -1: closed */
    bool connected;
    bool answered;
    size_t said; /* of the first words */
    size_t then; /* of the next */
    size_t at;   /* in those that come again */
    uint64_t due_ns;
};

static struct options options = {.host = "127.0.0.1", .port = 0};
/* What connections say one by one. */
struct lines {
    struct text *items;
    size_t length;
};

static struct lines firsts;
static struct lines thens;
static struct text again;
static struct peer *peers;
static size_t opened_ever; /* with those that come back */
static size_t open_now;
static int epoll;

static struct {
    uint64_t connected;
    uint64_t refused; /* connect failed */
    uint64_t upgraded;
    uint64_t answered;
    uint64_t ended; /* by the other side */
    uint64_t sent;
    uint64_t received;
} counts;

static struct text read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail("%s: %s", path, strerror(errno));
    }
    struct text text = {.length = (size_t)ftell(file)};
    text.bytes = allocate(text.length);
    rewind(file);
    if (fread(text.bytes, 1, text.length, file) != text.length) {
        fail("%s: %s", path, strerror(errno));
    }
    (void)fclose(file);
    return text;
}

static void read_lines(struct lines *lines, const char *path)
{
    struct text all = read_file(path);
    for (size_t at = 0; at < all.length;) {
        uint32_t length = 0;
        memcpy(&length, all.bytes + at, sizeof length);
        at += sizeof length;
        lines->items = reallocate(lines->items, (lines->length + 1) * sizeof *lines->items);
        lines->items[lines->length++] = (struct text){all.bytes + at, length};
        at += length;
    }
}

static const struct text *line_of(const struct lines *lines, const struct peer *peer)
{
    static const struct text none;
    return lines->length == 0 ? &none : &lines->items[(size_t)(peer - peers) % lines->length];
}

static bool has_said(const struct peer *peer)
{
    return peer->said == line_of(&firsts, peer)->length &&
           peer->then == line_of(&thens, peer)->length;
}

/* Whose turn to speak it is, as far as answers go. */
static bool waits(const struct peer *peer)
{
    return thens.length > 0 && !peer->answered && peer->said == line_of(&firsts, peer)->length;
}

static void watch(struct peer *peer, int operation)
{
    bool floods = again.length > 0 && options.every_ns == 0;
    bool writes = !peer->connected || (!waits(peer) && (floods || !has_said(peer)));
    bool reads = !options.deaf || (thens.length > 0 && !peer->answered);
    struct epoll_event event = {.data.ptr = peer, .events = EPOLLRDHUP};
    event.events |= writes ? (uint32_t)EPOLLOUT : 0U;
    event.events |= reads ? (uint32_t)EPOLLIN : 0U;
    if (epoll_ctl(epoll, operation, peer->file, &event) != 0) {
        fail("epoll: %s", strerror(errno));
    }
}

static void hang_up(struct peer *peer)
{
    if (options.reset) {
        struct linger linger = {.l_onoff = 1};
        (void)setsockopt(peer->file, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    (void)close(peer->file);
    *peer = (struct peer){.file = -1};
    open_now--;
}

static void dial(struct peer *peer)
{
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    from.sin_addr.s_addr = options.from != NULL
                               ? inet_addr(options.from)
                               : htonl(INADDR_LOOPBACK + 1 + (uint32_t)(opened_ever % SOURCES));
    to.sin_addr.s_addr = inet_addr(options.host);
    *peer = (struct peer){.file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (peer->file < 0) {
        fail("a socket: %s", strerror(errno));
    }
    (void)setsockopt(peer->file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(peer->file, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    opened_ever++;
    open_now++;
    if (bind(peer->file, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(peer->file, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        counts.refused++;
        hang_up(peer);
        return;
    }
    watch(peer, EPOLL_CTL_ADD);
}

/* False: the other side has closed. */
static bool say(struct peer *peer, const uint8_t *bytes, size_t length, size_t *said)
{
    ssize_t sent = send(peer->file, bytes, length, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    *said += (size_t)sent;
    counts.sent += (uint64_t)sent;
    return true;
}

static bool say_again(struct peer *peer)
{
    size_t left = again.length - peer->at;
    size_t length = options.piece > 0 && options.piece < left ? options.piece : left;
    if (!say(peer, again.bytes + peer->at, length, &peer->at)) {
        return false;
    }
    if (peer->at == again.length) {
        peer->at = 0;
    }
    return true;
}

static bool on_writable(struct peer *peer)
{
    const struct text *first = line_of(&firsts, peer);
    const struct text *then = line_of(&thens, peer);
    if (!peer->connected) {
        int error = 0;
        socklen_t length = sizeof error;
        (void)getsockopt(peer->file, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) {
            counts.refused++;
            return false;
        }
        peer->connected = true;
        counts.connected++;
        if (options.leave == LEAVE_CONNECTED) {
            return false;
        }
        peer->due_ns = now_ns() + options.every_ns;
    }
    bool good = true;
    if (peer->said < first->length) {
        good = say(peer, first->bytes + peer->said, first->length - peer->said, &peer->said);
    } else if (!waits(peer) && peer->then < then->length) {
        good = say(peer, then->bytes + peer->then, then->length - peer->then, &peer->then);
    } else if (!waits(peer) && again.length > 0 && options.every_ns == 0) {
        good = say_again(peer);
    }
    if (good) {
        watch(peer, EPOLL_CTL_MOD);
    }
    counts.ended += !good;
    return good;
}

static bool on_readable(struct peer *peer)
{
    static uint8_t bytes[RECEIVE_BYTES];
    ssize_t got = recv(peer->file, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (got <= 0) {
        counts.ended++;
        return false;
    }
    counts.received += (uint64_t)got;
    if (!peer->answered) {
        peer->answered = true;
        counts.answered++;
        counts.upgraded += got > 12 && memcmp(bytes + 9, "101", 3) == 0;
        watch(peer, EPOLL_CTL_MOD);
    }
    return options.leave != LEAVE_ANSWERED;
}

static void take(struct peer *peer, uint32_t events)
{
    bool good = true;
    if ((events & EPOLLOUT) != 0 || !peer->connected) {
        good = on_writable(peer);
    }
    if (good && (events & EPOLLIN) != 0) {
        good = on_readable(peer);
    } else if (good && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        counts.ended++;
        good = false;
    }
    if (!good) {
        hang_up(peer);
    }
}

/* Those that wait between two pieces. */
static void trickle(uint64_t now)
{
    for (size_t i = 0; i < options.connections; i++) {
        struct peer *peer = &peers[i];
        if (peer->file >= 0 && peer->connected && now >= peer->due_ns && has_said(peer)) {
            peer->due_ns += options.every_ns;
            if (!say_again(peer)) {
                counts.ended++;
                hang_up(peer);
            }
        }
    }
}

/* More are dialled as their rate says, and those that have ended, if they come back. */
static void dial_more(uint64_t start, uint64_t now)
{
    static size_t next;
    double due = options.rate > 0 ? options.rate * (double)(now - start) / 1e9 + 1 : 1e18;
    size_t looked = 0;
    size_t dialled = 0;
    while ((double)opened_ever < due && open_now < options.connections && dialled < SYNS_AT_ONCE &&
           (options.comes_back || opened_ever < options.connections) &&
           looked++ < options.connections) {
        if (peers[next].file < 0) {
            dial(&peers[next]);
            dialled++;
        }
        next = (next + 1) % options.connections;
    }
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    uint64_t start = now_ns();
    uint64_t end = start + (uint64_t)(options.seconds * 1e9);
    uint64_t tick = start;
    for (uint64_t now = start; now < end; now = now_ns()) {
        dial_more(start, now);
        int count = epoll_wait(epoll, events, EVENTS, TICK_MS);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer->file >= 0) {
                take(peer, events[i].events);
            }
        }
        if (options.every_ns > 0 && again.length > 0 && now - tick > TICK_MS * UINT64_C(1000000)) {
            tick = now;
            trickle(now);
        }
    }
}

static void report(double seconds)
{
    (void)printf("{\"seconds\":%.3f,\"opened\":%zu,\"connected\":%" PRIu64 ",\"refused\":%" PRIu64
                 ",\"answered\":%" PRIu64 ",\"upgraded\":%" PRIu64 ",\"ended\":%" PRIu64
                 ",\"open\":%zu,\"sent\":%" PRIu64 ",\"received\":%" PRIu64 "}\n",
                 seconds, opened_ever, counts.connected, counts.refused, counts.answered,
                 counts.upgraded, counts.ended, open_now, counts.sent, counts.received);
    (void)fflush(stdout);
}

static void parse(int count, char **arguments)
{
    static const struct option names[] = {
        {"host", required_argument, NULL, 'h'},    {"port", required_argument, NULL, 'P'},
        {"from", required_argument, NULL, 'F'},    {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 'r'},
        {"first", required_argument, NULL, 'f'},   {"then", required_argument, NULL, 't'},
        {"again", required_argument, NULL, 'a'},   {"piece", required_argument, NULL, 'p'},
        {"every", required_argument, NULL, 'e'},   {"leave", required_argument, NULL, 'l'},
        {"deaf", no_argument, NULL, 'd'},          {"reset", no_argument, NULL, 'R'},
        {"return", no_argument, NULL, 'b'},        {0},
    };
    for (int name; (name = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        switch (name) {
        case 'h':
            options.host = optarg;
            break;
        case 'P':
            options.port = atoi(optarg);
            break;
        case 'F':
            options.from = optarg;
            break;
        case 'c':
            options.connections = (size_t)atol(optarg);
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'f':
            read_lines(&firsts, optarg);
            break;
        case 't':
            read_lines(&thens, optarg);
            break;
        case 'a':
            again = read_file(optarg);
            break;
        case 'p':
            options.piece = (size_t)atol(optarg);
            break;
        case 'e':
            options.every_ns = (uint64_t)atol(optarg) * 1000000U;
            break;
        case 'l':
            options.leave = strcmp(optarg, "connected") == 0 ? LEAVE_CONNECTED : LEAVE_ANSWERED;
            break;
        case 'd':
            options.deaf = true;
            break;
        case 'R':
            options.reset = true;
            break;
        case 'b':
            options.comes_back = true;
            break;
        default:
            fail("there is no such option");
        }
    }
    if (options.port == 0 || options.connections == 0 || options.seconds <= 0) {
        fail("a port, connections and seconds are needed");
    }
}

int main(int count, char **arguments)
{
    parse(count, arguments);
    peers = allocate(options.connections * sizeof *peers);
    for (size_t i = 0; i < options.connections; i++) {
        peers[i].file = -1;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t start = now_ns();
    run();
    report((double)(now_ns() - start) / 1e9);
    return EXIT_SUCCESS;
}
