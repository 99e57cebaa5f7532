/*
 * Device: a client with a store that outlives it. The session is the product's; what is sent was
 * saved before, and a device that starts again goes on from what was saved. Its user edits, looks,
 * is told of refusals, and has stores copied and rolled back.
 */
#ifndef SIMULATION_DEVICE_H
#define SIMULATION_DEVICE_H

#include "clients/c/session.h"
#include "tests/simulation/history.h"
#include "tests/simulation/line.h"

enum { DEVICE_DOCUMENTS = 2 };

/* An edit that a store has held, and whether its user was told that it is refused. It is kept with
 * the store, and copied and rolled back with it. */
struct device_note {
    struct replica_id replica;
    uint64_t seq;
    bool told;
};

struct device {
    unsigned number;
    unsigned document;
    struct host *host;
    struct history *history;
    struct session session;
    struct line *line;
    uint64_t resend_ms;    /* the hub wants nothing before; 0: it takes all */
    struct random random;  /* of sessions that begin by themselves */
    int64_t skew_ms;       /* of its clock */
    bool unsaved;          /* some edits */
    struct buffer notes;   /* of struct device_note */
    struct buffer saved;   /* the store: the document, the notes, the session */
    struct buffer older;   /* what was saved some time ago */
    struct buffer message; /* the last one sent */
    int64_t likes;         /* as shown last */
    size_t snapshot_bytes; /* of the last SNAPSHOT */
};

/* The fields of the documents that all have open. */
void device_declare(struct schema_set *schemas, bool longer);

void device_init(struct device *device, unsigned number, unsigned document, struct line *line,
                 struct history *history, struct random *random);
void device_finish(struct device *device);

/* --- the user: device_edit.c --- */

void device_edit(struct device *device, struct random *random);
/* Sets a name of so many bytes. */
void device_rename(struct device *device, size_t bytes);
/* Looks at what is shown. */
void device_look(struct device *device);
/* A lease of whoever it is stands, as far as the device knows. */
bool device_shows_lease(const struct device *device);
/* Behind so much time no lease stands that anybody has made. */
enum { DEVICE_LEASE_MS = 20000 * 1000 };

/* --- the stream: device_stream.c --- */

/* Connects its line; or opens the document on it, if it was closed. */
void device_connect(struct device *device, struct random *random);
void device_open(struct device *device);
/* Does not want the document any more, for now. */
void device_close(struct device *device);
void device_disconnected(struct device *device);
void device_send(struct device *device);
/* Sends its last message once more. */
void device_repeat(struct device *device);
bool device_has_stream(const struct device *device, int64_t id);
/* A packet of its stream has come. */
void device_take(struct device *device, const struct packet *packet);
/* All edits are acknowledged or refused, and it has what the hub has. */
bool device_is_settled(const struct device *device);

/* --- the store: device.c --- */

struct replica_id device_mint(const struct device *device, struct random *random);

void device_save(struct device *device);
/* The process ends, and starts from what it has saved. */
void device_restart(struct device *device, struct random *random);
/* The same, from what was saved some time ago: `device_remember`. */
void device_roll_back(struct device *device, struct random *random);
void device_remember(struct device *device);
/* It becomes a copy of another's store, edits that wait included, while that one goes on. */
void device_copy(struct device *device, const struct device *other, struct random *random);
/* What the hub can never take under the replicas that made it goes on under a fresh one. */
void device_move(struct device *device);
/* The hub has the session's replica elsewhere: another session goes on from what is saved. */
void device_begin_again(struct device *device);

/* The document as it is shown, as one line of JSON, NUL-terminated; empty: not declared yet. */
void device_show(const struct device *device, struct buffer *text);

#endif
