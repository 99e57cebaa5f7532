/* Device: a client's session of one document, its connection to the machine, and what it has saved.
 * A device that has no memory left ends, and begins again from what was saved. */
#ifndef TESTS_MEMORY_DEVICE_H
#define TESTS_MEMORY_DEVICE_H

#include "clients/c/session.h"
#include "tests/memory/machine.h"

enum { DEVICE_ACKED_MAX = 64 };

/* What the hub has said is durable. */
struct device_acked {
    struct replica_id replica;
    uint64_t seq;
};

struct device {
    struct machine *machine;
    const char *name; /* of the document */
    const char *principal;
    unsigned number;
    unsigned lives; /* each has a replica of its own */
    struct session session;
    size_t line; /* MACHINE_LINES: not connected */
    bool welcomed;
    struct journal_id journal;
    int64_t last_id;
    uint64_t resend_ms; /* 0: at once */
    struct buffer saved;
    struct device_acked acked[DEVICE_ACKED_MAX];
    size_t acked_length;
    size_t rejected;
};

void device_init(struct device *device, struct machine *machine, unsigned number, const char *name,
                 const char *principal);
void device_finish(struct device *device);

/* `text` is a field, a verb and values, as on a command line. It is made again until it is done. */
void device_edit(struct device *device, uint64_t now_ms, const char *text);
/* The session ends, with what was saved. */
void device_restart(struct device *device);
void device_leave(struct device *device);

/* Does what can be done now. False: there was nothing to do. */
bool device_turn(struct device *device);
/* Connected, and nothing waits. */
bool device_is_settled(const struct device *device);
/* The document as JSON, appended with a line feed. */
void device_show(const struct device *device, struct buffer *text);

#endif
