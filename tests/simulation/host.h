/*
 * Host: the machine that the hub runs on, and its network. The hub's core and the storage are the
 * product's, on the simulated disk; the clock is a number. Nothing happens by itself: a message
 * arrives, a commit ends, a document is read, time passes when the simulation says so, as
 * server/loop.c and the kernel would do it at their own time.
 */
#ifndef SIMULATION_HOST_H
#define SIMULATION_HOST_H

#include "server/hub/hub.h"
#include "server/storage/storage.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/happened.h"
#include "tests/simulation/wire.h"

enum { HOST_WIRES = 32, HOST_REASON_BYTES = 256 };

struct host_event;

struct host {
    struct hub_config config;
    struct schema_set schemas[2]; /* the hub's, and those to come */
    void (*declare)(struct schema_set *schemas, bool longer);
    bool longer; /* the operator's file declares a field more */
    enum { RELOAD_NONE, RELOAD_SETTLING, RELOAD_DECLARING, RELOAD_DECLARED } reload;
    /* Told of what the hub's file says of its journal, at each start, ... */
    void (*opened)(void *context, const struct storage_info *info);
    /* ... and of each batch that is in the journal, once or again. */
    void (*journaled)(void *context, uint64_t position, struct bytes batch);
    void *context;
    char path[64];
    uint64_t now_ms;
    struct storage *storage;
    struct hub *hub; /* NULL: it does not run */
    struct wire wires[HOST_WIRES];
    uint64_t connections; /* ever */
    bool more;
    uint64_t wake_ms;
    struct host_event *first; /* events of the step under way, and behind it */
    struct host_event *last;
    bool stepping;
    bool appending;
    struct buffer batch; /* that is under way to the journal */
    bool storing;
    uint64_t hash; /* of all that the hub ever said */
    bool failed;   /* the hub has stopped itself, as the disk had failed, or memory */
    size_t happened[HAPPENED_KINDS];
    FILE *out;                         /* of the transcript; NULL: none */
    char violation[HOST_REASON_BYTES]; /* empty: none so far */
};

/* `path` is a name on the disk; a lock file is made there on the real one. `declare` adds the
 * schemas, at each start. */
void host_init(struct host *host, const char *path,
               void (*declare)(struct schema_set *schemas, bool longer));
void host_finish(struct host *host);

/* False: the hub refuses to start, for `reason`, as it may where the disk or memory fails. */
bool host_start(struct host *host, uint64_t seed, char reason[STORAGE_ERROR_BYTES]);

/* The process ends at once, with all its connections; the disk is for the caller to start again. */
void host_kill(struct host *host);

/* The number of a wire; HOST_WIRES: the hub does not run, or there is none left. */
size_t host_connect(struct host *host);
/* A message of the client's sets out. */
void host_say(struct host *host, size_t index, struct bytes message);
/* The next message that has arrived at the client, which takes it with `host_heard`. */
bool host_hear(struct host *host, size_t index, struct bytes *message);
void host_heard(struct host *host, size_t index);
/* The client is gone. What is under way to the hub may still arrive, until it notices, or is lost.
 */
void host_leave(struct host *host, size_t index, bool loses);

/* Each does one thing that was waiting; false: nothing was. */
bool host_deliver(struct host *host, size_t index); /* to the hub: a message, or the end */
bool host_write(struct host *host);                 /* the storage, a turn of its writer */
bool host_read(struct host *host);                  /* and of its reader */
bool host_complete(struct host *host);              /* the hub is told of a write or a read */
bool host_verify(struct host *host);                /* and of a token */
bool host_tick(struct host *host, uint64_t milliseconds);

/* Tells the hub, or behind the step under way. */
void host_step(struct host *host, struct hub_event event);

/* A line of the transcript. */
__attribute__((format(printf, 2, 3))) void host_tell(const struct host *host, const char *format,
                                                     ...);

/* A sentence; the first one stays. */
__attribute__((format(printf, 2, 3))) void host_violation(struct host *host, const char *format,
                                                          ...);

#endif
