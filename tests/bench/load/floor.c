/*
 * The floor of a fan-out: what no server can do without. It takes every message of a client and
 * sends it on to all others, one `send` each; with a database's name it commits the message before.
 * No library, no queue, no timer, nothing is checked; who does not read is cut off.
 *
 *   floor [DATABASE]     prints {"port":N}
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load/fail.h"

enum { PEERS_MAX = 32768, EVENTS_MAX = 512, RECEIVE_BYTES = 1 << 16, BINARY = 0x82 };

/* What has come of a frame so far. */
struct rest {
    uint8_t *bytes;
    size_t length;
};

struct floor {
    int listener;
    int epoll;
    int peers[PEERS_MAX];
    bool open[PEERS_MAX];         /* by socket */
    struct rest rests[PEERS_MAX]; /* by socket */
    size_t length;
    sqlite3 *database;
    sqlite3_stmt *insert;
};

static struct floor floor_;

static void run_sql(const char *sql)
{
    if (sqlite3_exec(floor_.database, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail("%s: %s", sql, sqlite3_errmsg(floor_.database));
    }
}

static void open_database(const char *path)
{
    if (sqlite3_open(path, &floor_.database) != SQLITE_OK) {
        fail("%s cannot be opened", path);
    }
    run_sql("PRAGMA journal_mode=WAL");
    run_sql("PRAGMA synchronous=FULL");
    run_sql("CREATE TABLE journal(position INTEGER PRIMARY KEY, batch BLOB)");
    if (sqlite3_prepare_v2(floor_.database, "INSERT INTO journal(batch) VALUES (?)", -1,
                           &floor_.insert, NULL) != SQLITE_OK) {
        fail("insert: %s", sqlite3_errmsg(floor_.database));
    }
}

static void commit(const uint8_t *bytes, size_t length)
{
    if (floor_.database == NULL) {
        return;
    }
    (void)sqlite3_bind_blob(floor_.insert, 1, bytes, (int)length, SQLITE_STATIC);
    if (sqlite3_step(floor_.insert) != SQLITE_DONE || sqlite3_reset(floor_.insert) != SQLITE_OK) {
        fail("commit: %s", sqlite3_errmsg(floor_.database));
    }
}

static void listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    floor_.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(floor_.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(floor_.listener, SOMAXCONN) != 0 ||
        getsockname(floor_.listener, (struct sockaddr *)&address, &length) != 0) {
        fail("listen: %s", strerror(errno));
    }
    (void)printf("{\"port\":%u}\n", ntohs(address.sin_port));
    (void)fflush(stdout);
}

static void watch(int file)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
    if (epoll_ctl(floor_.epoll, EPOLL_CTL_ADD, file, &event) != 0) {
        fail("epoll: %s", strerror(errno));
    }
}

static void accept_all(void)
{
    int on = 1;
    for (int file; (file = accept4(floor_.listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (file >= PEERS_MAX) {
            fail("more clients than this program was made for");
        }
        (void)setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(file);
        floor_.open[file] = false;
    }
}

static void upgrade(int file)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                                 "connection: Upgrade\r\n\r\n";
    floor_.open[file] = true;
    floor_.peers[floor_.length++] = file;
    if (send(file, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) {
        fail("send: %s", strerror(errno));
    }
}

static void leave(int file)
{
    for (size_t i = 0; i < floor_.length; i++) {
        if (floor_.peers[i] == file) {
            floor_.peers[i] = floor_.peers[--floor_.length];
            break;
        }
    }
    (void)close(file);
}

static void broadcast(int from, const uint8_t *payload, size_t length)
{
    uint8_t frame[RECEIVE_BYTES + 4] = {BINARY, (uint8_t)length};
    size_t head = 2;
    if (length >= 126) {
        frame[1] = 126;
        frame[2] = (uint8_t)(length >> 8);
        frame[3] = (uint8_t)length;
        head = 4;
    }
    commit(payload, length);
    memcpy(&frame[head], payload, length);
    for (size_t i = 0; i < floor_.length; i++) {
        int to = floor_.peers[i];
        if (to != from && send(to, frame, head + length, MSG_NOSIGNAL) < 0) {
            leave(to);
        }
    }
}

/* The frames of the load generator: masked with zeros. Answers how many bytes were whole ones. */
static size_t take(int from, const uint8_t *at, size_t left)
{
    const uint8_t *start = at;
    while (left >= 8) {
        size_t head = (at[1] & 127U) < 126 ? 6 : 8;
        size_t length = head == 6 ? at[1] & 127U : (size_t)(at[2] << 8 | at[3]);
        if (head + length > left) {
            break;
        }
        broadcast(from, at + head, length);
        at += head + length;
        left -= head + length;
    }
    return (size_t)(at - start);
}

static void receive(int file)
{
    static uint8_t bytes[2 * RECEIVE_BYTES];
    struct rest *rest = &floor_.rests[file];
    if (rest->length > 0) {
        memcpy(bytes, rest->bytes, rest->length);
    }
    ssize_t got = recv(file, bytes + rest->length, RECEIVE_BYTES, 0);
    if (got <= 0) {
        leave(file);
        return;
    }
    if (!floor_.open[file]) {
        upgrade(file);
        return;
    }
    size_t length = rest->length + (size_t)got;
    size_t taken = take(file, bytes, length);
    rest->length = length - taken;
    if (rest->length > 0) {
        rest->bytes = reallocate(rest->bytes, rest->length);
        memcpy(rest->bytes, bytes + taken, rest->length);
    }
}

int main(int count, char **arguments)
{
    if (count > 1) {
        open_database(arguments[1]);
    }
    floor_.epoll = epoll_create1(EPOLL_CLOEXEC);
    listen_anywhere();
    watch(floor_.listener);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int length = epoll_wait(floor_.epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < length; i++) {
            if (events[i].data.fd == floor_.listener) {
                accept_all();
            } else {
                receive(events[i].data.fd);
            }
        }
    }
}
