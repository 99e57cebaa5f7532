/*
 * 2P-set (two-phase set): an element can be added and removed, once and for ever.
 *
 * State    an OR-set (crdt/orset.h) of entries: the element added, and the element removed. A
 * remove takes out the adds it had seen and leaves its own entry, the tombstone. Value    the
 * elements that are added and not removed. Merge    the OR-set's, but no full state takes out a
 * tombstone; only a map takes out both. Cost     an entry for every element ever removed. Source
 * Shapiro, Preguiça, Baquero, Zawirski, INRIA RR-7506 (2011), Spec. 12.
 */
#ifndef CRDT_TWOPHASE_H
#define CRDT_TWOPHASE_H

#include "crdt/orset.h"

extern const struct crdt_type crdt_twophase;

/* The first byte of an entry; the element follows. */
enum { CRDT_TWOPHASE_ADDED, CRDT_TWOPHASE_REMOVED };

/* Edits that gather into a change. CRDT_NO_MEMORY: the change is unfit for use. */
CRDT_CHECKED enum crdt_status crdt_twophase_add(struct crdt_orset_change *change,
                                                struct bytes element);
CRDT_CHECKED enum crdt_status crdt_twophase_remove(struct crdt_orset_change *change,
                                                   struct bytes element);

/* Whether the set shows an element. */
CRDT_CHECKED enum crdt_status crdt_twophase_contains(const struct crdt_orset *set,
                                                     struct bytes element, bool *contains);

/* Whether a live entry, one of the set's own, shows its element: it is added, and there is no
 * tombstone. */
CRDT_CHECKED enum crdt_status crdt_twophase_shows(const struct crdt_orset *set, struct bytes entry,
                                                  bool *shows);

/* The entry of the same element with the other first byte, live or removed, or NULL. */
CRDT_CHECKED enum crdt_status crdt_twophase_other(const struct crdt_orset *set, struct bytes entry,
                                                  const struct crdt_orset_element **other);

#endif
