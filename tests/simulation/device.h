/*
 * Device: a client with a store that outlives it. The session is the product's; what is sent was
 * saved before, and a device that starts again goes on from what was saved. Its user edits, looks,
 * and has stores copied and rolled back.
 */
#ifndef SIMULATION_DEVICE_H
#define SIMULATION_DEVICE_H

#include "clients/c/session.h"
#include "tests/simulation/history.h"
#include "tests/simulation/host.h"

struct device {
    unsigned number;
    struct host *host;
    struct history *history;
    struct session session;
    size_t wire; /* HOST_WIRES: not connected */
    int64_t last_id;
    bool welcomed;
    struct journal_id journal;
    uint64_t resend_ms; /* the hub wants nothing before; 0: it takes all */
    int64_t skew_ms;    /* of its clock */
    bool unsaved;       /* some edits */
    struct buffer saved;
    struct buffer older;   /* what was saved some time ago */
    struct buffer message; /* the last one sent */
    int64_t likes;         /* as shown last */
};

/* The fields of the document that all have open. */
void device_declare(struct schema_set *schemas);

void device_init(struct device *device, unsigned number, struct host *host, struct history *history,
                 struct random *random);
void device_finish(struct device *device);

void device_edit(struct device *device, struct random *random);
void device_connect(struct device *device);
/* `loses`: what it has sent may never arrive. */
void device_leave(struct device *device, bool loses);
void device_send(struct device *device);
/* Takes a message in; false: there is none. */
bool device_receive(struct device *device);

/* The process ends, and starts from what it has saved. */
void device_restart(struct device *device, struct random *random);
/* The same, from what was saved some time ago: `device_remember`. */
void device_roll_back(struct device *device, struct random *random);
void device_remember(struct device *device);
/* It becomes a copy of another's store, edits that wait included, while that one goes on. */
void device_copy(struct device *device, const struct device *other, struct random *random);

/* Sends its last message once more. */
void device_repeat(struct device *device);

/* All edits are acknowledged or refused, and it has what the hub has. */
bool device_is_settled(const struct device *device);

/* The document as it is shown, as one line of JSON, NUL-terminated; empty: not declared yet. */
void device_show(const struct device *device, struct buffer *text);

#endif
