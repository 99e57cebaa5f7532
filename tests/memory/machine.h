/*
 * Machine: the hub's core and the storage in one thread, on a real file, with the network and the
 * clock played by the test, as server/loop.c and the kernel would. It wants to know what stands in
 * every document that has changed, as webhooks do. When the hub, or the storage, has no memory left
 * to go on, the machine stops as the program does, and the next turn starts it again.
 */
#ifndef TESTS_MEMORY_MACHINE_H
#define TESTS_MEMORY_MACHINE_H

#include "server/hub/hub.h"
#include "server/storage/storage.h"

enum { MACHINE_LINES = 16, MACHINE_TEXT_BYTES = 512 };

/* A connection. */
struct machine_line {
    uint64_t connection; /* 0: none */
    bool hub_is_there;
    bool closing; /* the hub has said that it ends */
    bool blocked;
    bool paused;
    struct buffer to_hub; /* messages, each behind its length */
    struct buffer to_client;
};

struct machine_event;

/* What became of other schemas for the file. */
enum machine_declared { DECLARED_NOT_YET, DECLARED_YES, DECLARED_NO };

struct machine {
    struct hub_config config;
    struct schema_set schemas[2]; /* that of the hub, and one that takes its place */
    unsigned current;
    void (*declare)(struct schema_set *schemas);
    char path[64];
    uint64_t now_ms;
    struct storage *storage;
    struct hub *hub; /* NULL: it does not run */
    struct machine_line lines[MACHINE_LINES];
    uint64_t connections;  /* ever */
    uint64_t values_asked; /* of this hub */
    uint64_t values_answered;
    struct buffer values; /* of the last document that was asked for as a whole */
    enum machine_declared declared;
    struct machine_event *first;
    struct machine_event *last;
    bool stepping;
    bool failed; /* it stops at the next turn */
    bool more;
    uint64_t wake_ms;
    unsigned stops;                     /* for want of memory, starts that were refused included */
    char violation[MACHINE_TEXT_BYTES]; /* empty: none so far */
};

/* A sentence; the first one stays. */
__attribute__((format(printf, 2, 3))) void machine_violation(struct machine *machine,
                                                             const char *format, ...);

/* The file is made at the first start. */
void machine_init(struct machine *machine, const char *path,
                  void (*declare)(struct schema_set *schemas));
void machine_finish(struct machine *machine);

/* False: it refuses for want of memory, and says so. */
bool machine_start(struct machine *machine);
/* As at SIGTERM. */
void machine_stop(struct machine *machine);
/* As at SIGKILL: what was written is there. */
void machine_kill(struct machine *machine);

/* As at SIGHUP, until it is done: the hub goes on with those schemas, or starts with them. */
void machine_reload(struct machine *machine, void (*declare)(struct schema_set *schemas));
/* What stands in a document, as JSON, appended with a line feed. */
void machine_values(struct machine *machine, const char *name, struct buffer *text);
/* Whether everybody outside has been told what they asked for. */
bool machine_is_answered(const struct machine *machine);

/* The number of a line; MACHINE_LINES: the hub does not run, or there is none left. */
size_t machine_connect(struct machine *machine);
void machine_say(struct machine *machine, size_t index, struct bytes message);
/* The next message to the client, appended; false: there is none. */
bool machine_hear(struct machine *machine, size_t index, struct buffer *message);
void machine_leave(struct machine *machine, size_t index);

/* Does what can be done now; restarts a hub that has stopped. False: there was nothing to do. */
bool machine_turn(struct machine *machine);
void machine_pass(struct machine *machine, uint64_t milliseconds);

#endif
