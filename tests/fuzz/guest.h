/*
 * Guest: a client that behaves, in a world (tests/support/world.h) where others do not: a real
 * session (clients/c), and apart from it what its user has done, so that what it shows can be held
 * against that.
 */
#ifndef TESTS_FUZZ_GUEST_H
#define TESTS_FUZZ_GUEST_H

#include "clients/c/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/world.h"

/* In each replica of a guest: nobody else may know one. */
#define GUEST_MARK "guestid"

enum { GUEST_TAGS = 4 };

struct guest {
    struct world *world;
    unsigned connection;
    struct session session;
    struct journal_id journal;
    bool connected;
    bool welcomed;
    bool alone; /* nobody else writes its document, so that nothing of it may be refused */
    int64_t last_id;
    uint64_t resend_ms; /* 0: no need */
    uint8_t minted;
    /* What its user did. */
    int64_t likes;
    int64_t points;
    int64_t seen;
    bool tags[GUEST_TAGS];
};

void guest_init(struct guest *guest, struct world *world, unsigned connection, const char *name,
                bool alone);
void guest_finish(struct guest *guest); /* and its connection */

/* Its connection is gone, and with it what was on its way; the world knows. */
void guest_cut(struct guest *guest);
/* The same, and the app starts again from what was saved. */
void guest_restart(struct guest *guest);

/* An edit, or one of the things that a client does. */
void guest_turn(struct guest *guest, struct fuzz_input *input);
/* Connects, sends what can be sent, takes what has come. */
void guest_go(struct guest *guest);

bool guest_is_settled(const struct guest *guest);
/* The document as JSON. */
void guest_show(const struct guest *guest, struct buffer *text);
/* Of one that is alone: each edit is there once. */
void guest_check(const struct guest *guest);

#endif
