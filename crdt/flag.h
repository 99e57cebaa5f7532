/*
 * Flag: on or off.
 *
 * State    an OR-set (crdt/orset.h) of two entries, enabled and disabled. Each edit takes out what
 * it had seen of both and leaves its own, so both are there only after concurrent edits. Value on
 * if enabled is there, and, where disabling wins, disabled is not. Merge    the OR-set's. Cost a
 * dot for each concurrent edit. Source   Bieniusa et al., INRIA RR-8083 (2012); Riak's and
 * Antidote's enable-wins and disable-wins flags.
 */
#ifndef CRDT_FLAG_H
#define CRDT_FLAG_H

#include "crdt/orset.h"

extern const struct crdt_type crdt_flag;

/* An entry is one of these bytes. */
enum { CRDT_FLAG_DISABLED, CRDT_FLAG_ENABLED };

/* The edit, gathered into a change. CRDT_NO_MEMORY: the change is unfit for use. */
CRDT_CHECKED enum crdt_status crdt_flag_set(struct crdt_orset_change *change, bool enabled);

bool crdt_flag_value(const struct crdt_field *field);

#endif
