/*
 * The state of a load, which its files share: load.c reads what is asked for and tells what came
 * out, phases.c leads from joining to the end, send.c and receive.c are the two ways.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "tests/bench/load/dialect.h"
#include "tests/bench/load/measure.h"
#include "tests/bench/load/socket.h"

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

extern struct load load;

/* load.c */
bool has_one_writer(void);
bool is_subscriber(const struct client *client);

/* receive.c */
/* For `socket_read`; context is the client. */
void on_frame(void *context, struct bytes payload);
void on_opened(void *context);
/* After events, not at each: what all have reached, and since when. */
void find_lowest(void);
void follow(void);
/* Whether it is one that reads and sleeps by turns; it has read enough; all whose time has come. */
bool naps(const struct client *client);
void fall_asleep(struct client *client);
void wake_those_due(void);

/* send.c: what is due now. `send_next`: to a client that has just heard something;
 * `send_by_the_clock`: where it is not an acknowledgement that a client waits for. */
void send_all_due(void);
void send_next(struct client *client);
void send_by_the_clock(void);

/* phases.c */
void run(void);
bool is_complete(void);

#endif
