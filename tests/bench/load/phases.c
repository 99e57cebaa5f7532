/* From the first connection to the last answer. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>

#include "tests/bench/load/fail.h"
#include "tests/bench/load/load.h"

enum { CONNECTING_MAX = 128, EVENTS_MAX = 512, SETTLE_MS = 200, GIVE_UP_SECONDS = 20 };

static void enter(enum phase phase)
{
    load.phase = phase;
    load.phase_ns = load.now_ns;
}

static struct address address_of(void)
{
    return (struct address){INADDR_LOOPBACK, (uint16_t)load.options.port};
}

static void connect_more(void)
{
    while (load.connected < load.plan.length && load.connecting < CONNECTING_MAX) {
        struct client *client = &load.clients[load.connected];
        socket_connect(&client->socket, load.epoll, address_of(), load.connected, naps(client),
                       client);
        load.connected++;
        load.connecting++;
    }
}

static size_t planned(void)
{
    size_t total = 0;
    for (size_t i = 0; i < load.plan.length; i++) {
        total += load.plan.clients[i].updates.length;
    }
    return total;
}

/* What was acknowledged to anybody of a group has reached all of it. */
static bool all_have_all(void)
{
    for (size_t i = 0; i < load.plan.length; i++) {
        if (is_subscriber(&load.clients[i]) &&
            load.reached[i] < load.last_positions[i % load.options.groups]) {
            return false;
        }
    }
    return true;
}

bool is_complete(void)
{
    bool acks = dialect_acknowledges(load.plan.dialect);
    if (acks && load.acked < load.sent) {
        return false;
    }
    if (load.options.streams > 1) {
        return true;
    }
    if (load.plan.dialect == DIALECT_SYNCLINE) {
        return all_have_all();
    }
    size_t own = has_one_writer() || dialect_echoes(load.plan.dialect)
                     ? 0
                     : load.clients[0].plan->updates.length;
    return load.lowest / load.options.edits + own >= load.sent;
}

static double seconds_since(uint64_t then) { return (double)(load.now_ns - then) / 1e9; }

static void begin_sending(void)
{
    load.memory_ready = process_memory_kib(load.options.pid);
    load.cpu_ready = process_cpu_ns(load.options.pid);
    load.join_bytes = load.bytes;
    load.messages = load.bytes = 0;
    if (load.plan.dialect != DIALECT_SYNCLINE) {
        memset(load.reached, 0, load.plan.length * sizeof *load.reached);
    }
    load.now_ns = now_ns();
    load.send_ns = load.now_ns;
    enter(PHASE_SEND);
    find_lowest();
    send_all_due();
}

static void advance(void)
{
    const struct options *options = &load.options;
    switch (load.phase) {
    case PHASE_JOIN:
        connect_more();
        if (load.ready == load.plan.length) {
            enter(PHASE_SETTLE);
        }
        return;
    case PHASE_SETTLE:
        if (options->storm || seconds_since(load.phase_ns) * 1000 >= SETTLE_MS) {
            begin_sending();
        }
        return;
    case PHASE_SEND:
        send_by_the_clock();
        if (load.sent == planned() ||
            (options->seconds > 0 && seconds_since(load.phase_ns) >= options->seconds)) {
            enter(PHASE_DRAIN);
        }
        return;
    case PHASE_DRAIN:
        if ((is_complete() && seconds_since(load.phase_ns) >= options->hold) ||
            seconds_since(load.phase_ns) > options->hold + GIVE_UP_SECONDS) {
            enter(PHASE_OVER);
        }
        return;
    case PHASE_OVER:
        return;
    }
}

static void handle(const struct epoll_event *event)
{
    struct client *client = event->data.ptr;
    if (client->socket.status == SOCKET_CONNECTING && (event->events & EPOLLOUT) != 0) {
        socket_upgrade(&client->socket, address_of(), client->plan);
    }
    if ((event->events & EPOLLOUT) != 0) {
        socket_writable(&client->socket);
    }
    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        !socket_read(&client->socket, client, on_opened, on_frame)) {
        fail("the server has closed a connection after %zu of %zu updates", load.acked, load.sent);
    }
    fall_asleep(client);
}

/* Never asleep: to be woken costs whoever sends, and takes a while. */
static void take_events(void)
{
    struct epoll_event events[EVENTS_MAX];
    int length = epoll_wait(load.epoll, events, EVENTS_MAX, 0);
    load.now_ns = now_ns();
    for (int i = 0; i < length; i++) {
        handle(&events[i]);
    }
}

void run(void)
{
    load.memory_start = process_memory_kib(load.options.pid);
    load.cpu_start = process_cpu_ns(load.options.pid);
    load.start_ns = load.now_ns = now_ns();
    enter(PHASE_JOIN);
    while (load.phase != PHASE_OVER) {
        advance();
        wake_those_due();
        take_events();
        load.now_ns = now_ns();
        follow();
    }
    load.end_ns = load.phase_ns;
    load.cpu_end = process_cpu_ns(load.options.pid);
}
