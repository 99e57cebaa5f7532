/*
 * Asking: a call on its way to the hub, and what comes back: a RESULT, which may name a transfer,
 * whose CHUNKs and END follow. It reads packets and writes packets; the link carries them.
 */
#ifndef CLIENT_ASKING_H
#define CLIENT_ASKING_H

#include "clients/c/link.h"

/* `{0}` asks nothing. */
struct asking {
    struct link_call call; /* `method` NULL: nothing is asked */
    int64_t id;            /* of the CALL on this connection */
    int64_t transfer;      /* of its answer; 0: none */
    uint64_t left;         /* of its bytes, that are to come */
    uint64_t ungranted;    /* taken since the last CREDIT */
};

/* Writes the CALL, with that id on this connection. */
void asking_write(struct asking *asking, int64_t id, struct writer *writer);

/* Whether that is the id of the call. */
bool asking_is(const struct asking *asking, int64_t id);

/* A RESULT; nothing, if it is another's. */
void asking_answered(struct asking *asking, const struct packet *packet);

/* An ERROR of the call. True: it is over, and who asked goes on. */
bool asking_refused(struct asking *asking, const struct packet_error *error);

/* Whether that is the transfer that the answer has named. */
bool asking_transfers(const struct asking *asking, int64_t transfer);

/* A packet of the transfer: hands on its bytes, and writes CREDIT when it is time, or tells its
 * end. False: it cannot go on, and `*why` is a sentence. */
CRDT_CHECKED bool asking_take(struct asking *asking, const struct packet *packet,
                              struct writer *writer, const char **why);

#endif
