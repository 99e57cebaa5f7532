/*
 * Retirement: the walk through all replicas that finds the silent ones, by itself or because an
 * operator asks, and the record by which a document's ledger forgets them. retire.c says how.
 */
#ifndef HUB_RETIRE_H
#define HUB_RETIRE_H

#include "protocol/limits.h"
#include "protocol/reader.h"
#include "server/hub/batch.h"

struct document;
struct hub;
struct ledger_row;

/* A walk that an operator has asked for, and who waits for its end. */
struct retire_call {
    uint64_t connection; /* 0: there is none */
    int64_t call;
    uint64_t idle_ms;
    bool dry; /* only counts */
    bool walking;
    bool ended;     /* its last step was looked at */
    bool failed;    /* it could not be */
    uint64_t batch; /* the last one that has a record of its */
    uint64_t found;
    uint64_t retired;
};

/* A walk through all replicas, to find the silent ones. */
struct retirement {
    struct retire_call asked;
    uint64_t next_ms;
    uint64_t before_ms; /* silent since */
    uint64_t request;   /* the step under way; 0: none */
    uint8_t after[LIMIT_ROW_WALK_BYTES];
    size_t after_length;   /* 0: the walk begins */
    struct buffer records; /* found, for the journal; each pins its document */
    size_t loads;          /* that the records wait for */
};

void retire_pump(struct hub *hub);
/* Begins a walk at once, for who calls. False: another's is under way. */
bool retire_begin(struct hub *hub, const struct retire_call *asked);
uint64_t retire_wake_ms(const struct hub *hub); /* UINT64_MAX: nothing is due by time alone */
/* False: the request is another's. */
bool retire_loaded(struct hub *hub, uint64_t request, struct bytes rows);
bool retire_load_failed(struct hub *hub, uint64_t request);
/* The record's time, and the number of replicas that the reader is then at. */
size_t retire_read(const struct record *record, struct reader *reader, uint64_t *before_ms);
void retire_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position);
/* Whether the ledger has forgotten the replica, or may have. */
bool replica_is_retired(const struct document *document, const struct ledger_row *row);

#endif
