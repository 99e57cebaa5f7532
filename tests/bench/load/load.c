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
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/load/fail.h"
#include "tests/bench/load/load.h"

struct load load;

bool is_subscriber(const struct client *client)
{
    return load.plan.length == 1 || client->plan->updates.length == 0 ||
           load.clients[1].plan->updates.length > 0;
}

bool has_one_writer(void)
{
    return load.plan.length < 2 || load.clients[1].plan->updates.length == 0;
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
