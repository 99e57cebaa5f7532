/* Notes: what the log tells of connections and of the hub's steps. A bound that is met again and
 * again is told of every ten seconds, with how often it was. */
#ifndef SERVER_NOTES_H
#define SERVER_NOTES_H

#include "server/hub/hub.h"

struct notes {
    struct notes_gate {
        uint64_t told_ms; /* 0: never */
        uint64_t missed;  /* since then */
    } limits[HUB_LIMIT_COUNT];
};

/* Of a step. */
void notes_tell(struct notes *notes, const struct hub *hub, const struct hub_effects *effects,
                uint64_t now_ms);

/* The hub closes a connection; its peer has left, if the hub has not closed it. */
void notes_closed(const struct hub *hub, const struct hub_effect *effect);
void notes_gone(const struct hub *hub, uint64_t connection);
void notes_token_refused(const struct hub *hub, uint64_t connection, const char *reason);

#endif
