/*
 * Served: a hub on a data file, as the program runs it (server/serve.c, server/loop.c), but without
 * sockets and threads: what it asks of the storage is done at once. There is one client, whose
 * packets are JSON, and what an operator would read in the log is kept.
 */
#ifndef TESTS_FUZZ_SERVED_H
#define TESTS_FUZZ_SERVED_H

#include "server/hub/hub.h"
#include "server/storage/storage.h"

struct served {
    struct hub *hub;
    struct storage *storage;
    struct schema_set schemas;
    uint64_t now_ms;
    struct buffer sent; /* to the client, since it was last read */
    bool connected;
    bool failed;                      /* the hub cannot go on: the program ends */
    char report[STORAGE_ERROR_BYTES]; /* the first thing an operator was told; empty: none */
};

/* Opens, replays, greets. The schema is `all`, of grammar.h. False: it does not start, and `report`
 * says why. To be closed in both cases. */
bool served_open(struct served *served, const char *path);
/* `clean`: drains first, so that everything is stored; else as if the process was killed. */
void served_close(struct served *served, bool clean);

/* Sends packets; what was sent back, until the next call. Empty if it has failed. */
struct bytes served_say(struct served *served, const char *json);
void served_tick(struct served *served, uint64_t milliseconds);

#endif
