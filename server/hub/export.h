/*
 * Export: a document's full state, as another hub can join it (docs/data.md): what every replica
 * had done by then, its ledger, goes with it, since a journal's positions mean nothing to a
 * stranger.
 *
 *     [1, name, journal, position, retired_ms, ledger, corrections, fields, values]
 *
 *     ledger       bin: [replica, seq, [[field, up, down], ...]] one behind the other
 *     corrections  [[field, amount], ...]: by how much a counter's total differs from what the
 *                  ledger's entries come to, for what replicas that are forgotten had counted,
 *                  and for what was counted in vain by updates that were refused
 *     fields       [[number, name, type, options, bin: its state as in STATE], ...]
 *     values       the values as JSON text, for people
 *
 * Who has no row in the ledger any more, and yet a dot, is named after the journal and its index
 * there; dots that nobody's vector covers belong to the journal itself, whose seq is the position.
 * Such a name is of the greatest time that there is, so it is never silent for long.
 */
#ifndef HUB_EXPORT_H
#define HUB_EXPORT_H

#include "protocol/journal_id.h"
#include "protocol/replica.h"
#include "protocol/writer.h"

struct document;
struct hub;

enum { EXPORT_FORMAT = 1 };

/* The time of such a name. */
#define EXPORT_TIME_MS (((uint64_t)1 << 48) - 1)

/* False: no memory. */
bool export_write(struct hub *hub, const struct document *document, struct writer *writer);

/* The journal as a replica, or the one that had that index in it; CRDT_REPLICA_NONE: the former. */
struct replica_id export_name(const struct journal_id *journal, uint32_t index);

/* By how much the field's total differs from what the ledger's entries come to; 0: it counts
 * nothing. All rows are in memory. */
int64_t export_correction(const struct document *document, size_t field);

#endif
