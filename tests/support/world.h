/*
 * World: the hub's core with everything around it played by the test. Connections are numbers, the
 * clock is a variable, what the hub sends to a connection is kept as a transcript in JSON, the
 * journal is a list of batches, and the rows go through the real tables in an SQLite database in
 * memory. Nothing happens by itself: `world_commit` ends an append, `world_store` a store.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "server/hub/hub.h"
#include "server/storage/database.h"
#include "server/storage/tables.h"

enum { WORLD_CONNECTIONS = 64 };

struct world_batch {
    struct buffer bytes;
    uint64_t position;
};

struct world_load {
    uint64_t request;
    struct buffer bytes;
};

struct world_connection {
    struct buffer transcript; /* a JSON packet on each line */
    struct buffer bytes;      /* as sent */
    uint16_t closed;          /* close code; 0: open */
    bool paused;
    bool blocked;
};

struct world {
    struct hub *hub;
    struct hub_config config;
    struct schema_set schemas;
    uint64_t now_ms;
    uint64_t now_us;  /* of a steady clock; 0: latencies are not measured */
    uint64_t step_us; /* that a step and its effects take */
    struct world_connection connections[WORLD_CONNECTIONS];
    struct world_batch *journal;
    size_t journal_length;
    uint64_t last_position;
    uint64_t trimmed;
    size_t damaged;          /* documents whose rows made no sense */
    struct buffer appending; /* a batch that is not committed yet */
    struct buffer storing;
    bool has_append;
    bool has_store;
    bool holds_loads; /* they wait for `world_load` */
    struct world_load *loads;
    size_t load_count;
    uint64_t verify_connection; /* of the last VERIFY */
    uint64_t verify_request;    /* 0: there was none */
    struct buffer verifying;    /* its token */
    struct buffer told;         /* lines: CHANGED, VALUES and ASK */
    uint64_t asked;             /* the request of the last ASK */
    uint64_t scrub;             /* the last one asked for */
    bool manual;                /* the test ends appends and stores itself; else they end at once */
    uint64_t wake_ms;
    uint64_t sent_bytes; /* to all connections, ever */
    sqlite3 *database;
    struct tables *tables;
};

/* The schema `post` with likes, stock, tags; more by `world_declare` before `world_start`. */
void world_init(struct world *world);
/* A field more; options as JSON. */
void world_declare(struct world *world, const char *schema, const char *field, const char *type,
                   const char *options);
void world_start(struct world *world);
void world_finish(struct world *world);

/* The process dies and starts again: memory is gone, journal and rows are there. */
void world_crash(struct world *world);

void world_event(struct world *world, struct hub_event event);
void world_connect(struct world *world, uint64_t connection); /* and HELLO */
void world_disconnect(struct world *world, uint64_t connection);
/* Sends one message of packets in JSON. */
void world_send(struct world *world, uint64_t connection, const char *json);
void world_send_bytes(struct world *world, uint64_t connection, struct bytes bytes);
void world_tick(struct world *world, uint64_t milliseconds);

/* Ends the append, or the store, under way; false: none is. */
bool world_commit(struct world *world);
bool world_fail_append(struct world *world);
bool world_store(struct world *world);

/* Answers the loads that wait, or lets them fail. */
void world_load(struct world *world, bool good);

/* Answers the last VERIFY; `expires_ms` counts from now. */
void world_verify(struct world *world, enum hub_verdict verdict, const char *principal,
                  uint64_t expires_ms);
/* The same with rights to what fits the pattern: a name, or its beginning and a star. */
void world_verify_for(struct world *world, const char *principal, const char *pattern,
                      unsigned rights);

/* What the connection was sent since the last call; NUL-terminated, borrowed until the next. */
const char *world_read(struct world *world, uint64_t connection);

/* What others than clients were told since the last call, as lines; borrowed until the next. */
const char *world_told(struct world *world);

/* `{"$bytes":"..."}` of a replica made from a small number; borrowed, eight at a time. */
const char *world_replica(unsigned number);

#endif
