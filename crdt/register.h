/*
 * Registers: one value that is set as a whole.
 *
 * State    an OR-set (crdt/orset.h) of values. A set takes out the values it had seen and leaves
 * its own, so there are several only after concurrent sets. Value    mv-register (multi-value): all
 * of them, until one set has seen and replaced them. lww-register (last writer wins): the one with
 * the greatest clock; equal clocks are settled by replica, then by seq. Clock    hybrid logical:
 * the wall clock in milliseconds, but never behind what was seen, and a count for what happens
 * within one. A set that had seen a greater clock than its own comes too late and leaves nothing.
 * Merge    the OR-set's. An lww-register then forgets all but the greatest; inside a map, where a
 *          remove may take out the greatest, it keeps some more.
 * Cost     one value, or as many as there were concurrent sets.
 * Source   Shapiro, Preguiça, Baquero, Zawirski, INRIA RR-7506 (2011), Spec. 8 and 10; clocks:
 *          Kulkarni, Demirbas, Madappa, Avva, Leone, OPODIS 2014.
 */
#ifndef CRDT_REGISTER_H
#define CRDT_REGISTER_H

#include "crdt/orset.h"

extern const struct crdt_type crdt_lww_register;
extern const struct crdt_type crdt_mv_register;

/* An entry of an lww-register is its clock in this many bytes, big-endian, then the value. */
enum { CRDT_CLOCK_BYTES = 12, CRDT_REGISTER_VALUES_MAX = 256 };

struct crdt_clock {
    uint64_t ms;
    uint32_t count;
};

/* Edits that gather into a change; an lww-register's is to be stamped then, or has its clock
 * already. CRDT_NO_MEMORY: the change is unfit for use. */
CRDT_CHECKED enum crdt_status crdt_mv_register_set(struct crdt_orset_change *change,
                                                   struct bytes value);
CRDT_CHECKED enum crdt_status crdt_lww_register_set(struct crdt_orset_change *change,
                                                    struct crdt_clock clock, struct bytes value);

/* An entry's two parts. */
struct crdt_clock crdt_lww_register_clock(struct bytes entry);
struct bytes crdt_lww_register_entry_value(struct bytes entry);

/* An entry from its two parts, to be freed; `data` NULL: no memory. */
struct bytes crdt_lww_register_entry(struct crdt_clock clock, struct bytes value);

/* The value that shows, borrowed; `data` NULL: none was ever set. */
struct bytes crdt_lww_register_value(const struct crdt_field *field);

#endif
