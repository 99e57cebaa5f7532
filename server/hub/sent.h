/*
 * Sent: how long updates took, from their arrival until the streams of their document were told.
 */
#ifndef HUB_SENT_H
#define HUB_SENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct hub;
struct stream;

/* When the first of some updates came in, and when it was durable: in microseconds. */
struct arrival {
    uint64_t received_us; /* 0: there is none */
    uint64_t durable_us;
};

/* Updates of one arrival that this step has sent. */
struct sent {
    struct arrival arrival;
    uint64_t count;
};

enum { SENT_MAX = 64 };

/* A batch is durable. */
void batch_arrived(struct hub *hub, const struct batch *batch);
/* After the batch was merged: what has woken nobody is forgotten. */
void batch_forgotten(const struct batch *batch);
/* The stream is woken for what has come to its document. */
void stream_arrive(struct stream *stream);
/* The stream was sent all that there is; `news`: an UPDATE was part of it. */
void stream_sent(struct hub *hub, struct stream *stream, bool news);

#endif
