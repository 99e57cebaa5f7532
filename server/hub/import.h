/*
 * Import: what `export` wrote, joined into a document, in two steps. What depends on this hub's
 * journal and schema is decided before the journal, and makes the record; the merge depends on the
 * record and the document alone. A record's packet is
 *
 *     [retired_ms, seq, ledger, corrections, fields]
 *
 *     seq          the position of the export in its journal, which is the record's replica
 *     ledger, corrections  as in an export, by this hub's numbers
 *     fields       [[number, bin: its state], ...]
 */
#ifndef HUB_IMPORT_H
#define HUB_IMPORT_H

#include "protocol/journal_id.h"
#include "protocol/reader.h"
#include "protocol/replica.h"

struct document;
struct hub;
struct record;

/* An export, taken apart; everything is borrowed from its bytes. */
struct import {
    struct bytes name;
    struct journal_id journal;
    uint64_t position;
    uint64_t retired_ms;
    struct bytes ledger;
    struct bytes corrections; /* raw list */
    struct bytes fields;      /* raw list */
};

/* False: it is no export of a format that is known. */
bool import_read(struct bytes bytes, struct import *import);

/* One row of a ledger; `entries`: [field, up, down] that many times, to be read next. */
struct import_row {
    struct replica_id replica;
    uint64_t seq;
    size_t entries;
};

struct import_row import_read_row(struct reader *reader);

void import_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position, uint64_t at_ms);

#endif
