/* What `/metrics` tells, for Prometheus (docs/metrics.md). A part of the server that counts has its
 * line in the table of metrics.c, and a function in a file of its own. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "server/loop.h"
#include "server/metrics_text.h"

/* All of it. False: no memory. */
CRDT_CHECKED bool metrics_write(struct buffer *out, struct loop *loop);

/* For routes.c. */
void metrics_answer(struct loop *loop, const struct net_request *request);

/* Samples of the family begun last, with the label `code`. */
void metrics_codes(struct metrics *metrics, const struct loop_code codes[LOOP_CODES]);

/* The parts. */
void metrics_hub(struct metrics *metrics, struct loop *loop);
void metrics_counted(struct metrics *metrics, struct loop *loop);
void metrics_http(struct metrics *metrics, struct loop *loop);
void metrics_webhooks(struct metrics *metrics, struct loop *loop);
void metrics_storage(struct metrics *metrics, struct loop *loop);
void metrics_process(struct metrics *metrics, struct loop *loop);

#endif
