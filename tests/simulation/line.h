/*
 * Line: a client's connection to the hub, with a token, and the devices that share it, as the tabs
 * of a browser do: each has a stream of its own on it.
 */
#ifndef SIMULATION_LINE_H
#define SIMULATION_LINE_H

#include "protocol/packet.h"
#include "tests/simulation/tokens.h"

enum { LINE_DEVICES = 2 };

struct device;
struct visitor;

struct line {
    struct host *host;
    struct device *devices[LINE_DEVICES];
    size_t length;
    struct visitor *visitor; /* NULL: it has devices */
    unsigned number;         /* its own, and of whose tokens it has */
    size_t wire;             /* HOST_WIRES: not connected */
    int64_t last_id;
    bool welcomed;
    struct journal_id journal;
    struct token token; /* that counts */
    struct token fresh; /* on its way */
    int64_t auth;       /* with this AUTH; 0: none */
};

void line_init(struct line *line, unsigned number, struct host *host);
void line_add(struct line *line, struct device *device);

/* If it is not connected; `random` NULL: with a token that is good and stays so. */
void line_connect(struct line *line, struct random *random);
/* `loses`: what was sent may never arrive. */
void line_leave(struct line *line, bool loses);
bool line_is_up(const struct line *line);
/* Whose tokens it brings. */
unsigned line_person(const struct line *line);

/* Brings a fresh token, which may be no good. */
void line_renew(struct line *line, struct random *random);

void line_say(struct line *line, struct bytes message);
void line_say_packet(struct line *line, const struct packet *packet);

/* Takes a message in; false: there is none. */
bool line_receive(struct line *line);

#endif
