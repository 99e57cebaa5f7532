/*
 * G-set (grow-only set): what was added stays.
 *
 * State    an OR-set (crdt/orset.h) that nobody can remove from; only a map takes its own out.
 * Value    the elements with a live dot.
 * Merge    union: a full state that lacks an element has not removed it.
 * Cost     as the OR-set's.
 * Source   Shapiro, Preguiça, Baquero, Zawirski, INRIA RR-7506 (2011), Spec. 11.
 */
#ifndef CRDT_GSET_H
#define CRDT_GSET_H

#include "crdt/orset.h"

/* Changes are made with `crdt_orset_add`. */
extern const struct crdt_type crdt_gset;

#endif
