/* What the hub counts since its start: plain numbers, for whoever shows them. A start that merges
 * the journal's tail again does not count what it merges. */
#ifndef HUB_COUNTERS_H
#define HUB_COUNTERS_H

#include <stdint.h>

#include "server/hub/codes.h"
#include "server/hub/histogram.h"

/* The bounds of the configuration and of protocol/limits.h that a client can come up against, as
 * the metrics call them; docs/config.md says what happens then. */
#define HUB_LIMIT_LIST(X)                                                                          \
    X(CONNECTIONS, "connections")                                                                  \
    X(STREAMS, "streams")                                                                          \
    X(MEMORY, "memory")                                                                            \
    X(BUFFERS, "buffers")                                                                          \
    X(BATCH_BYTES, "batch_bytes")                                                                  \
    X(MESSAGE_BYTES, "message_bytes")                                                              \
    X(UPDATES, "updates")                                                                          \
    X(BYTES, "bytes")                                                                              \
    X(PRINCIPAL_UPDATES, "principal_updates")                                                      \
    X(PRINCIPAL_BYTES, "principal_bytes")                                                          \
    X(PRINCIPAL_CONNECTIONS, "principal_connections")                                              \
    X(PRINCIPAL_STREAMS, "principal_streams")                                                      \
    X(HUB_UPDATES, "hub_updates")                                                                  \
    X(HUB_BYTES, "hub_bytes")                                                                      \
    X(REMOVALS, "removals")                                                                        \
    X(PACKET, "packet")                                                                            \
    X(HELD, "held")                                                                                \
    X(TOKENS, "tokens")                                                                            \
    X(PRESENCE_BYTES, "presence_bytes")                                                            \
    X(PRESENCES, "presences")                                                                      \
    X(OPERATOR_CALLS, "operator_calls")                                                            \
    X(DOCUMENT_CALLS, "document_calls")                                                            \
    X(DOWNLOADS, "downloads")                                                                      \
    X(VALUE_CALLS, "value_calls")

enum hub_limit {
#define X(name, text) HUB_LIMIT_##name,
    HUB_LIMIT_LIST(X)
#undef X
        HUB_LIMIT_COUNT
};

/* `connections` ... */
const char *hub_limit_name(enum hub_limit limit);

enum { UPDATE_DELTA, UPDATE_STATE, UPDATE_KINDS };

struct hub_counters {
    uint64_t updates; /* DELTA and STATE that took effect */
    uint64_t edits;   /* that they held */
    uint64_t rejected;
    uint64_t repeats; /* DELTAs that the ledger had */
    uint64_t gaps;    /* GAPs that became due */
    uint64_t batches; /* in the journal */
    uint64_t batch_bytes;
    uint64_t messages_in;
    uint64_t bytes_in;
    uint64_t messages_out;
    uint64_t bytes_out;
    uint64_t connections; /* taken in */
    uint64_t opened;      /* streams that were answered with OPENED */
    uint64_t resumed;     /* of these with a cursor that was good for an UPDATE */
    uint64_t snapshots;   /* sent */
    uint64_t updates_sent;
    uint64_t transfers; /* of these two what travelled in pieces */
    uint64_t loads;
    uint64_t loads_failed;
    uint64_t stores;
    uint64_t stores_failed;
    uint64_t appends_failed;
    uint64_t damaged;                               /* documents with a row that makes no sense */
    uint64_t results[UPDATE_KINDS][HUB_CODE_COUNT]; /* CODE_NONE: took effect */
    uint64_t errors[HUB_CODE_COUNT];                /* sent: ERROR, and CLOSE with a code */
    uint64_t limits[HUB_LIMIT_COUNT];
    struct histogram batch_updates; /* in a batch */
    struct histogram publish_us;    /* durable to sent, for each UPDATE */
    struct histogram end_to_end_us; /* received to sent */
};

#endif
