/* What the session's files share. */
#ifndef CLIENT_SESSION_STATE_H
#define CLIENT_SESSION_STATE_H

#include "clients/c/session.h"
#include "protocol/limits.h"

/* Edits join into a delta of at most so many bytes, but for one that is longer by itself; beyond it
 * a message takes no further delta. */
enum { SESSION_DELTA_BYTES = LIMIT_MESSAGE_BYTES / 4 };

/* Our own outbox, made when it is first needed; NULL: no memory. */
struct outbox *session_own(struct session *session);

/* Whether the outbox holds something, is our own, or is named by what another holds: the hub needs
 * it named then, the view its index. */
bool session_is_held(const struct session *session, const struct outbox *box);
void session_drop_unheld(struct session *session);

/* The outbox that the hub names; NULL: not held. */
struct outbox *session_box(struct session *session, const struct packet_replica *replica);

/* Of the news, cut to their size. */
void session_copy_text(char *to, struct bytes from);

/* REJECT and GAP. */
void session_rejected(struct session *session, const struct packet_reject *reject,
                      struct session_news *news);
void session_turned_away(struct session *session, const struct packet_gap *gap,
                         struct session_news *news);

/* Whether the hub can never take some of what is held. */
bool session_is_stuck(const struct session *session);

/* What became of what a reader has read. */
enum session_status session_status_of(const struct reader *reader);

/* What was saved, into a session whose fields are declared. */
CRDT_CHECKED enum session_status session_restore(struct session *session, struct bytes saved);

void session_set_lease(struct session *session, struct bytes key);

/* The time as the hub has it, so far as is known. */
uint64_t session_hub_time(const struct session *session);

/* The view of a field, to be destroyed; NULL: no memory. `trusted`: without what the hub will
 * refuse for its clock, which no later edit may follow. */
struct crdt_field *session_make_view(const struct session *session, size_t index, bool trusted);

/* Takes NULL. */
void session_destroy_view(struct crdt_field *view);

/*
 * A delta that was refused for its clock, which stands alone with its field: its edit again, in our
 * own outbox, knowing what it knew, with the time as the hub has it. Outboxes and deltas may move.
 */
CRDT_CHECKED enum session_status
session_edit_again(struct session *session, const struct outbox *box, const struct delta *refused);

/* Takes the stream over from a session that is about to go. */
void session_adopt_stream(struct session *session, struct session *from);

#endif
