/*
 * Map: keys, each with a field of one declared type, which may be a map again.
 *
 * State    an OR-set of keys (crdt/orset.h): each edit under a key adds the key with its dot; and
 * for each key its field. Value    the keys with a live dot, and their fields' values. Change   for
 * each key: whether it was removed, and the change of its field made after that. Remove   takes out
 * the key's dots that it had seen, and from the field whatever it had seen. What it had not seen
 * keeps the key, and is all that is left in the field. Merge    the OR-set's for the keys, the
 * field's own for the fields. Log      as the OR-set's. A field that begins anew under its key
 * knows the position from which on it did, so that a client with an older cursor forgets what it
 * had. Cost     a key costs as an element of an OR-set, and its field; a remove O(field). Source
 * Riak's maps: Brown, Cribbs, Meiklejohn, Elliott, PaPEC 2014; "observed-remove" resets: Baquero,
 * Almeida, Lerche, PaPoC 2016.
 */
#ifndef CRDT_MAP_H
#define CRDT_MAP_H

#include "crdt/orset.h"

extern const struct crdt_type crdt_map;

/* What a key holds; by the slot of the key. */
struct crdt_map_value {
    struct crdt_field *field; /* NULL: the key was removed */
    uint64_t begun;           /* the position at which the field was empty last */
};

struct crdt_map {
    struct crdt_field field;
    struct crdt_orset *keys;
    struct crdt_map_value *values;
    uint32_t capacity; /* of values */
    size_t bytes;      /* held by the fields */
    uint64_t trimmed;  /* fields changed up to here are trimmed */
    uint64_t seed;
    struct crdt_declaration *of; /* a chain of copies, in one piece */
};

/* What a change does under a key; by the slot of the key. */
struct crdt_map_edit {
    struct crdt_change *change; /* NULL: none */
    bool removed;               /* before the change */
};

struct crdt_map_change {
    struct crdt_change change;
    struct crdt_orset *keys; /* used as a plain set, in the order of first edits */
    struct crdt_map_edit *edits;
    uint32_t capacity;
};

/* Gathers an edit under the key: the change, which is taken over, or NULL: nothing but the key. On
 * CRDT_NO_MEMORY the change is freed, and the map's change is unfit for use. */
CRDT_CHECKED enum crdt_status crdt_map_edit(struct crdt_map_change *change, struct bytes key,
                                            struct crdt_change *edit);

/* Gathers the removal of the key. CRDT_NO_MEMORY: the change is unfit for use. */
CRDT_CHECKED enum crdt_status crdt_map_remove(struct crdt_map_change *change, struct bytes key);

/* The edit of a key in the change's set. */
const struct crdt_map_edit *crdt_map_edit_of(const struct crdt_map_change *change,
                                             const struct crdt_orset_element *key);

/*
 * Gives the key exactly these dots as of `position`, and answers its field, made if there is none,
 * or made anew if `fresh`. No dots: the key is removed, and NULL is answered. Positions never
 * decrease from call to call. On CRDT_NO_MEMORY the map is unfit for use.
 */
CRDT_CHECKED enum crdt_status crdt_map_put(struct crdt_map *map, struct bytes key,
                                           const struct crdt_dot *dots, size_t count, bool fresh,
                                           uint64_t position, struct crdt_field **field);

/* The same for a key that has dots, with the field to be under it, which is taken over; on
 * CRDT_NO_MEMORY it is freed. */
CRDT_CHECKED enum crdt_status crdt_map_put_field(struct crdt_map *map, struct bytes key,
                                                 const struct crdt_dot *dots, size_t count,
                                                 uint64_t position, struct crdt_field *field);

/* The field under a live key was empty last at `begun`. */
void crdt_map_begin(struct crdt_map *map, struct bytes key, uint64_t begun);

/* The field under a live key, or NULL. */
struct crdt_field *crdt_map_find(const struct crdt_map *map, struct bytes key);

/* What a live or removed key of the map's set holds. */
const struct crdt_map_value *crdt_map_value_of(const struct crdt_map *map,
                                               const struct crdt_orset_element *key);

/* An empty field as the map would make it under a key; NULL: no memory. */
struct crdt_field *crdt_map_create_field(const struct crdt_map *map);

#endif
