/*
 * The load generator: plays a plan against a server, counts, and prints one line of JSON.
 *
 *   load --plan FILE --port N [options]
 *     --pid N        the server's process, whose processor time and memory are told
 *     --seconds S    how long it sends; without it until the plan's updates are sent
 *     --rate R       updates per second and writer, sent when they are due, ready or not
 *     --window W     without a rate: so many updates of a writer may be under way
 *     --until all    under way means: not all have it (default: not acknowledged)
 *     --streams S    documents of one connection; updates go round them
 *     --groups G     one document for each G-th client: it has what the others of its group sent
 *     --edits E      edits in one update, as the hub counts them
 *     --storm        each client sends as soon as it has joined
 *     --hold S       no updates: stay connected so long
 *     --nap MS       who sends nothing reads until it is up to date, and then not for so long
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/load/dialect.h"
#include "tests/bench/load/fail.h"
#include "tests/bench/load/measure.h"
#include "tests/bench/load/socket.h"

enum { CONNECTING_MAX = 128, EVENTS_MAX = 512, SETTLE_MS = 200, GIVE_UP_SECONDS = 20 };

struct options {
    const char *plan;
    int port;
    int pid;
    double seconds;
    double rate;
    size_t window;
    bool until_all;
    size_t streams;
    size_t groups;
    size_t edits;
    bool storm;
    double hold;
    uint64_t nap_ns;
};

struct client {
    struct socket socket;
    const struct plan_client *plan;
    int joined;
    bool ready;
    uint64_t wakes_ns;
    uint64_t goal; /* reads up to here, and sleeps */
    size_t sent;
    size_t acked;
    size_t *acked_rounds; /* by stream */
    uint64_t *sent_ns;
};

/* From this update on, that position; or this time on, that position everywhere. */
struct mark {
    uint64_t position;
    uint64_t value;
};

struct marks {
    struct mark *items;
    size_t length;
    size_t capacity;
};

enum phase { PHASE_JOIN, PHASE_SETTLE, PHASE_SEND, PHASE_DRAIN, PHASE_OVER };

struct load {
    struct options options;
    struct plan plan;
    struct client *clients;
    int epoll;
    size_t connected;
    size_t connecting;
    size_t ready;
    enum phase phase;
    uint64_t start_ns;
    uint64_t phase_ns; /* when it began */
    uint64_t send_ns;
    uint64_t end_ns;
    size_t sent;
    size_t acked;
    uint64_t *reached; /* by client: the position it was brought to, or how many updates it has */
    uint64_t lowest;   /* what all subscribers have reached */
    size_t at_lowest;  /* how many have reached no more */
    uint64_t *last_positions; /* of an acknowledgement, by group */
    size_t everywhere;        /* updates of the one writer that all have */
    size_t told;              /* of `positions`, how many of those are everywhere */
    struct marks positions;   /* the one writer's: position, updates acknowledged with it */
    uint64_t messages;
    uint64_t bytes;
    uint64_t join_bytes; /* what came until all had joined */
    uint64_t refused;
    uint64_t memory_start;
    uint64_t memory_ready;
    uint64_t cpu_start;
    uint64_t cpu_ready;
    uint64_t cpu_end;
    struct latencies ack_latencies;
    struct latencies all_latencies;
    struct heard heard;
    uint64_t now_ns;
};

static struct load load;

static void marks_add(struct marks *marks, struct mark mark)
{
    if (marks->length == marks->capacity) {
        marks->capacity = marks->capacity * 2 + 1024;
        marks->items = reallocate(marks->items, marks->capacity * sizeof *marks->items);
    }
    marks->items[marks->length++] = mark;
}

/* --- receiving --- */

static bool is_subscriber(const struct client *client)
{
    return load.plan.length == 1 || client->plan->updates.length == 0 ||
           load.clients[1].plan->updates.length > 0;
}

static bool has_one_writer(void)
{
    return load.plan.length < 2 || load.clients[1].plan->updates.length == 0;
}

static void take_ack(struct client *client, const struct heard_ack *ack)
{
    size_t streams = load.options.streams;
    size_t stream = streams == 1 ? 0 : (size_t)ack->stream - 1;
    size_t *rounds = &client->acked_rounds[stream];
    for (; *rounds < (size_t)ack->seq / load.options.edits; ++*rounds) {
        size_t index = *rounds * streams + stream;
        latencies_add(&load.ack_latencies, load.now_ns - client->sent_ns[index]);
        client->acked++;
        load.acked++;
    }
    if (streams > 1) {
        return;
    }
    uint64_t *last_position =
        &load.last_positions[(size_t)(client - load.clients) % load.options.groups];
    if (ack->position > *last_position) {
        *last_position = ack->position;
    }
    if (has_one_writer()) {
        marks_add(&load.positions, (struct mark){ack->position, client->acked});
    }
}

static void take_confirmed(struct client *client, size_t count)
{
    for (size_t i = 0; i < count && client->acked < client->sent; i++, load.acked++) {
        latencies_add(&load.ack_latencies, load.now_ns - client->sent_ns[client->acked++]);
    }
}

static void make_ready(struct client *client)
{
    client->ready = true;
    load.ready++;
    load.connecting--;
}

static void note_reached(const struct client *client, const struct heard *heard)
{
    uint64_t *reached = &load.reached[client - load.clients];
    uint64_t before = *reached;
    *reached = heard->position != 0 ? heard->position : before + heard->updates;
    if (before == load.lowest && *reached > before && is_subscriber(client)) {
        load.at_lowest--;
    }
}

static void on_frame(void *context, struct bytes payload)
{
    struct client *client = context;
    struct heard *heard = &load.heard;
    dialect_hear(load.plan.dialect, payload, heard);
    load.messages++;
    load.bytes += payload.length;
    load.refused += heard->refused;
    for (size_t i = 0; i < heard->ack_length; i++) {
        take_ack(client, &heard->acks[i]);
    }
    take_confirmed(client, heard->confirmed);
    if (heard->answer_length > 0) {
        uint8_t head[14];
        socket_send(&client->socket, head, frame_head(head, heard->answer_length));
        socket_send(&client->socket, heard->answer, heard->answer_length);
    }
    note_reached(client, heard);
    client->joined += heard->joined;
    /* The hub answers with WELCOME and an OPENED for each document. */
    int answers = load.plan.dialect == DIALECT_SYNCLINE ? (int)load.options.streams + 1 : 1;
    if (!client->ready && client->joined >= answers) {
        make_ready(client);
    }
}

static void on_opened(void *context)
{
    struct client *client = context;
    const struct frames *join = &client->plan->join;
    socket_send(&client->socket, join->bytes, frames_end(join, join->length));
    if (load.plan.dialect == DIALECT_COUNT) {
        make_ready(client);
    }
}

/* --- clients that are slow --- */

static bool naps(const struct client *client)
{
    return load.options.nap_ns > 0 && client->plan->updates.length == 0;
}

static void fall_asleep(struct client *client)
{
    if (naps(client) && load.phase >= PHASE_SEND &&
        load.reached[client - load.clients] >= client->goal) {
        client->wakes_ns = load.now_ns + load.options.nap_ns;
        socket_sleep(&client->socket, true);
    }
}

static void wake_those_due(void)
{
    for (size_t i = 0; load.options.nap_ns > 0 && i < load.plan.length; i++) {
        struct client *client = &load.clients[i];
        if (client->socket.asleep && load.now_ns >= client->wakes_ns) {
            client->goal = load.last_positions[i % load.options.groups];
            socket_sleep(&client->socket, false);
        }
    }
}

static void find_lowest(void)
{
    load.lowest = UINT64_MAX;
    for (size_t i = 0; i < load.plan.length; i++) {
        uint64_t reached = load.reached[i];
        if (is_subscriber(&load.clients[i]) && reached <= load.lowest) {
            load.at_lowest = reached < load.lowest ? 1 : load.at_lowest + 1;
            load.lowest = reached;
        }
    }
}

static void note_everywhere(size_t updates)
{
    const struct client *writer = &load.clients[0];
    for (; load.everywhere < updates; load.everywhere++) {
        latencies_add(&load.all_latencies, load.now_ns - writer->sent_ns[load.everywhere]);
    }
}

static void follow(void)
{
    if (load.at_lowest == 0) {
        find_lowest();
    }
    if (!has_one_writer() || load.phase < PHASE_SEND) {
        return;
    }
    if (load.plan.dialect != DIALECT_SYNCLINE) {
        size_t lowest = (size_t)load.lowest / load.options.edits;
        note_everywhere(lowest < load.sent ? lowest : load.sent);
        return;
    }
    while (load.told < load.positions.length &&
           load.positions.items[load.told].position <= load.lowest) {
        note_everywhere((size_t)load.positions.items[load.told++].value);
    }
}

/* --- sending --- */

static size_t under_way(const struct client *client)
{
    if (load.options.until_all) {
        return load.sent - load.everywhere;
    }
    return client->sent - client->acked;
}

static size_t due(const struct client *client)
{
    size_t left = client->plan->updates.length - client->sent;
    size_t wanted;
    if (load.options.rate > 0) {
        double elapsed = (double)(load.now_ns - load.send_ns) / 1e9;
        size_t until_now = (size_t)(elapsed * load.options.rate);
        wanted = until_now > client->sent ? until_now - client->sent : 0;
    } else {
        size_t busy = under_way(client);
        wanted = load.options.window > busy ? load.options.window - busy : 0;
    }
    return wanted < left ? wanted : left;
}

static void send_due(struct client *client)
{
    const struct frames *updates = &client->plan->updates;
    size_t count = due(client);
    if (count == 0) {
        return;
    }
    size_t start = frames_end(updates, client->sent);
    for (size_t i = 0; i < count; i++) {
        /* When it should have been sent: a generator that is late counts against the server. */
        size_t index = client->sent + i;
        client->sent_ns[index] =
            load.options.rate > 0
                ? load.send_ns + (uint64_t)((double)(index + 1) / load.options.rate * 1e9)
                : load.now_ns;
    }
    client->sent += count;
    load.sent += count;
    socket_send(&client->socket, updates->bytes + start, frames_end(updates, client->sent) - start);
}

static void send_all_due(void)
{
    size_t writers = has_one_writer() ? 1 : load.plan.length;
    for (size_t i = 0; i < writers; i++) {
        if (load.clients[i].ready) {
            send_due(&load.clients[i]);
        }
    }
}

/* --- phases --- */

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

static bool is_complete(void)
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
}

static void advance(void)
{
    const struct options *options = &load.options;
    switch (load.phase) {
    case PHASE_JOIN:
        connect_more();
        if (options->storm) {
            send_all_due();
        }
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
        send_all_due();
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

static void run(void)
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

static void report(void)
{
    (void)printf("{\"clients\":%zu,\"join_ms\":%.1f,\"seconds\":%.4f,\"sent\":%zu,\"acked\":%zu,"
                 "\"everywhere\":%zu,\"complete\":%s,\"refused\":%" PRIu64,
                 load.plan.length, (double)(load.send_ns - load.start_ns) / 1e6,
                 (double)(load.end_ns - load.send_ns) / 1e9, load.sent, load.acked, load.everywhere,
                 is_complete() ? "true" : "false", load.refused);
    (void)printf(
        ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"join_bytes\":%" PRIu64
        ",\"join_cpu_ms\":%.3f,\"cpu_ms\":%.3f,\"own_cpu_ms\":%.3f",
        load.messages, load.bytes, load.join_bytes, (double)(load.cpu_ready - load.cpu_start) / 1e6,
        (double)(load.cpu_end - load.cpu_ready) / 1e6, (double)process_cpu_ns((int)getpid()) / 1e6);
    (void)printf(",\"memory_kib\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", load.memory_start,
                 load.memory_ready, process_memory_kib(load.options.pid));
    latencies_print(&load.ack_latencies, "ack_ms");
    latencies_print(&load.all_latencies, "all_ms");
    (void)puts("}");
}

static struct options parse(int count, char **arguments)
{
    static const struct option names[] = {
        {"plan", required_argument, NULL, 'p'},   {"port", required_argument, NULL, 'P'},
        {"pid", required_argument, NULL, 'i'},    {"seconds", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'r'},   {"window", required_argument, NULL, 'w'},
        {"until", required_argument, NULL, 'u'},  {"streams", required_argument, NULL, 'S'},
        {"groups", required_argument, NULL, 'g'}, {"edits", required_argument, NULL, 'e'},
        {"storm", no_argument, NULL, 't'},        {"hold", required_argument, NULL, 'h'},
        {"nap", required_argument, NULL, 'n'},    {0},
    };
    struct options options = {.window = 1, .streams = 1, .groups = 1, .edits = 1};
    for (int name; (name = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        switch (name) {
        case 'p':
            options.plan = optarg;
            break;
        case 'P':
            options.port = atoi(optarg);
            break;
        case 'i':
            options.pid = atoi(optarg);
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'w':
            options.window = (size_t)atol(optarg);
            break;
        case 'u':
            options.until_all = strcmp(optarg, "all") == 0;
            break;
        case 'S':
            options.streams = (size_t)atol(optarg);
            break;
        case 'g':
            options.groups = (size_t)atol(optarg);
            break;
        case 'e':
            options.edits = (size_t)atol(optarg);
            break;
        case 't':
            options.storm = true;
            break;
        case 'h':
            options.hold = atof(optarg);
            break;
        case 'n':
            options.nap_ns = (uint64_t)atol(optarg) * 1000000U;
            break;
        default:
            fail("there is no such option");
        }
    }
    if (options.plan == NULL || options.port == 0) {
        fail("a plan and a port are needed");
    }
    return options;
}

int main(int count, char **arguments)
{
    load.options = parse(count, arguments);
    plan_read(&load.plan, load.options.plan);
    load.clients = allocate(load.plan.length * sizeof *load.clients);
    load.reached = allocate(load.plan.length * sizeof *load.reached);
    load.last_positions = allocate(load.options.groups * sizeof *load.last_positions);
    for (size_t i = 0; i < load.plan.length; i++) {
        load.clients[i].plan = &load.plan.clients[i];
        load.clients[i].sent_ns = allocate(load.plan.clients[i].updates.length * sizeof(uint64_t));
        load.clients[i].acked_rounds =
            allocate(load.options.streams * sizeof *load.clients[i].acked_rounds);
    }
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    run();
    report();
    for (size_t i = 0; i < load.plan.length; i++) {
        socket_close(&load.clients[i].socket);
        free(load.clients[i].sent_ns);
        free(load.clients[i].acked_rounds);
    }
    free(load.clients);
    free(load.reached);
    free(load.last_positions);
    free(load.positions.items);
    latencies_finish(&load.ack_latencies);
    latencies_finish(&load.all_latencies);
    heard_finish(&load.heard);
    plan_finish(&load.plan);
    (void)close(load.epoll);
    return EXIT_SUCCESS;
}
