/* What the session's files share. */
#ifndef CLIENT_SESSION_STATE_H
#define CLIENT_SESSION_STATE_H

#include "clients/c/session.h"

/* Our own outbox, made when it is first needed; NULL: no memory. */
struct outbox *session_own(struct session *session);

/* What was saved, into a session whose fields are declared. */
CRDT_CHECKED enum session_status session_restore(struct session *session, struct bytes saved);

/* Takes the stream over from a session that is about to go. */
void session_adopt_stream(struct session *session, struct session *from);

#endif
