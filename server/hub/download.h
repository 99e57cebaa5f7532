/*
 * Download: a large answer to an operator's call. RESULT names a transfer of the connection's own,
 * whose CHUNKs follow as the client grants CREDIT, and END. What is sent lies in memory, or comes
 * piece by piece from a copy of the data file that the storage holds.
 */
#ifndef HUB_DOWNLOAD_H
#define HUB_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/buffer.h"
#include "protocol/writer.h"

struct connection;
struct hub;
struct operator_call;

struct download {
    struct download *next;
    uint64_t connection; /* 0: it is gone, or all is sent */
    int64_t call;
    int64_t transfer; /* 0: not begun */
    uint64_t request; /* the LOAD under way; 0: none */
    uint64_t bytes;
    uint64_t sent;
    uint64_t credit;
    bool copy;          /* else `body` holds all of it */
    struct buffer body; /* what is to be sent */
};

/* NULL: refused, another copy is under way, or too many downloads, or there is no memory. */
struct download *download_begin(const struct operator_call *call, bool copy);

/* Has the copy made; RESULT follows. */
void download_begin_copy(struct hub *hub, struct download *download);

/* Names the transfer: its number and its length are pairs of the RESULT's map, written here. */
void download_write(struct writer *writer, struct connection *connection,
                    struct download *download);

/* Sends what the client has granted. */
void download_pump(struct hub *hub, struct download *download);

/* For the rest of the hub. */

/* False: the request is another's. */
bool download_loaded(struct hub *hub, uint64_t request, struct bytes rows);
bool download_load_failed(struct hub *hub, uint64_t request);
/* False: the transfer is a stream's. */
bool download_credit(struct hub *hub, uint64_t connection, int64_t transfer, uint64_t bytes);
void downloads_drop(struct hub *hub, uint64_t connection);
/* Frees those that have ended. */
void downloads_sweep(struct hub *hub);
void downloads_finish(struct hub *hub);

#endif
