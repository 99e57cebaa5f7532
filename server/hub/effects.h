/*
 * The way out: what a step asks of the world around the hub (effects.c), and what it has to tell
 * those who keep the log (note.c).
 */
#ifndef HUB_EFFECTS_H
#define HUB_EFFECTS_H

#include "crdt/bytes.h"
#include "protocol/writer.h"
#include "server/hub/hub.h"

struct connection;
struct row_request;

/* effects.c */
void hub_fail(struct hub *hub, enum hub_status status);
struct hub_effect *effect_add(struct hub *hub, enum hub_effect_kind kind);
void effect_bytes(struct hub *hub, struct hub_effect *effect, struct bytes bytes);
/* The effect's bytes are what is written to the arena between these two. */
struct writer effect_begin(struct hub *hub, size_t *start);
void effect_end(struct hub *hub, struct writer *writer, size_t start, struct hub_effect *effect);
/* LOAD of these rows; the request's number is still to be set. */
struct hub_effect *effect_load(struct hub *hub, const struct row_request *rows);
void effects_clear(struct hub *hub);
void effects_finish(struct hub *hub, struct hub_effects *effects);

/* note.c */
/* A bound was met, by that connection (NULL: none). */
void limit_hit(struct hub *hub, const struct connection *connection, enum hub_limit limit);
void note_greeted(struct hub *hub, const struct connection *connection);
/* Only for debugging. */
void note_error(struct hub *hub, const struct connection *connection, enum hub_code code);
void note_rejected(struct hub *hub, uint64_t connection, struct bytes document, enum hub_code code);
/* What log and errors call the connection, written to `text`. Empty: nothing. */
struct bytes connection_correlation(const struct hub *hub, const struct connection *connection,
                                    char text[HUB_CORRELATION_BYTES]);
/* The same for an ERROR or a REJECT: nothing, if it is the hub's own and WELCOME has told it. */
struct bytes correlation_told(const struct hub *hub, const struct connection *connection,
                              char text[HUB_CORRELATION_BYTES]);

#endif
