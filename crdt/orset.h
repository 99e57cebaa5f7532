/*
 * OR-set (observed-remove set): an element is in the set while an add of it is known that no remove
 * has seen.
 *
 * State    element -> live dots, each with the position at which the hub merged it.
 * Value    the elements with a live dot.
 * Change   `clear`, elements added, elements removed, all made knowing the same: the dots that the
 *          update covers go, of every element touched; an added element then gains the update's own
 *          dot. An add takes the place of the adds it had seen, so an element has as many dots as
 *          it has concurrent adds, not as many as it ever had.
 * Merge    a dot of ours that the other side had seen and lacks was removed there; a dot of theirs
 *          that we had seen and lack was removed here; every other dot stays or arrives.
 * Log      elements without dots stay, in order of position, as the removal log that tells a client
 *          what to un-show. It is bounded: `trim` forgets the oldest and raises the horizon.
 * Cost     a change O(elements touched x their dots), `clear` O(set); changes since a position
 *          O(changes). Up to 16 bytes of an element and one dot cost 56 bytes, its place in the
 *          index 9 to 11, and slots are reserved for an eighth more.
 * Source   Bieniusa, Zawirski, Preguiça, Shapiro, Baquero, Balegas, Duarte, INRIA RR-8083 (2012),
 *          "optimized OR-set"; contexts: Almeida, Shoker, Baquero, JPDC 111 (2018).
 */
#ifndef CRDT_ORSET_H
#define CRDT_ORSET_H

#include "crdt/bytes.h"
#include "crdt/field.h"
#include "crdt/hash_index.h"

enum { CRDT_ORSET_INLINED = 16 };

/* An element's dots when they are more than one. */
struct crdt_orset_dots {
    uint32_t count; /* there is room for the power of two at or above it */
    struct crdt_dot dots[];
};

/*
 * Small, because a set may hold millions: short bytes and a single dot stand in the element itself.
 * Read it through the functions below.
 */
struct crdt_orset_element {
    uint64_t position; /* that last changed it */
    union {
        uint8_t inlined[CRDT_ORSET_INLINED];
        uint8_t *outside; /* where they are longer */
    } data;               /* the element's canonical bytes */
    union {
        struct {
            uint64_t seq;
            uint64_t position;
        } one;
        struct crdt_orset_dots *many;
    } dots;
    crdt_replica_id replica; /* of the one dot */
    uint32_t older;          /* neighbours in its list, by position; HASH_INDEX_NONE at the ends */
    uint32_t newer;
    uint32_t length : 28; /* of the data */
    uint32_t dotted : 2;
    uint32_t listed : 2;
};

enum { ORSET_NO_DOT, ORSET_ONE_DOT, ORSET_MANY_DOTS };          /* dotted */
enum { ORSET_FREE, ORSET_UNLISTED, ORSET_LIVE, ORSET_REMOVED }; /* listed */

/* The slots of elements, oldest change first. */
struct crdt_orset_list {
    uint32_t oldest;
    uint32_t newest;
    size_t length;
};

struct crdt_orset {
    struct crdt_field field;
    struct hash_index index; /* empty while the set is small: see orset_table.c */
    struct crdt_orset_element *elements;
    uint32_t capacity;
    uint32_t used; /* slots ever used */
    uint32_t free; /* first of the free slots, linked by `newer` */
    struct crdt_orset_list live;
    struct crdt_orset_list removed;
    uint64_t seed;
    size_t bytes; /* held outside the slots, for data and dots */
    bool nested;  /* as declared */
    bool disable_wins;
};

struct crdt_orset_change {
    struct crdt_change change;
    bool clear;
    struct crdt_orset added;   /* used as a plain set: its elements have no dots */
    struct crdt_orset removed; /* disjoint from `added` */
};

extern const struct crdt_type crdt_orset;

/*
 * The OR-set's operations, for the types that are OR-sets of other entries. What is `whole` keeps
 * no removal log: its content always travels as it stands.
 */
struct crdt_field *crdt_orset_create(const struct crdt_declaration *declared, uint64_t seed);
void crdt_orset_destroy(struct crdt_field *field);
struct crdt_field *crdt_orset_copy(const struct crdt_field *field);
size_t crdt_orset_memory(const struct crdt_field *field);
struct crdt_change *crdt_orset_change_create(const struct crdt_type *type);
void crdt_orset_change_destroy(struct crdt_change *base);
enum crdt_status crdt_orset_gather(struct crdt_change *base, const struct crdt_change *later);
enum crdt_status crdt_orset_apply(struct crdt_field *field, struct crdt_entry *entry,
                                  const struct crdt_change *base, const struct crdt_update *update);
enum crdt_status crdt_orset_apply_whole(struct crdt_field *field, struct crdt_entry *entry,
                                        const struct crdt_change *change,
                                        const struct crdt_update *update);
void crdt_orset_remove_seen(struct crdt_field *field, const struct crdt_update *update);
void crdt_orset_remove_seen_whole(struct crdt_field *field, const struct crdt_update *update);
enum crdt_status crdt_orset_join(struct crdt_field *field, const struct crdt_field *state,
                                 const struct crdt_join *join);
enum crdt_status crdt_orset_join_whole(struct crdt_field *field, const struct crdt_field *state,
                                       const struct crdt_join *join);
/* A join that takes nothing out of elements that `keeps` holds of. */
enum crdt_status crdt_orset_join_keeping(struct crdt_field *field, const struct crdt_field *source,
                                         const struct crdt_join *join,
                                         bool (*keeps)(struct bytes element));
void crdt_orset_trim(struct crdt_field *field, size_t removals_max);

#define CRDT_ORSET_OPERATIONS                                                                      \
    .create = crdt_orset_create, .destroy = crdt_orset_destroy, .copy = crdt_orset_copy,           \
    .memory = crdt_orset_memory, .change_create = crdt_orset_change_create,                        \
    .change_destroy = crdt_orset_change_destroy, .gather = crdt_orset_gather

/* Drops the dots that the update had seen from one element; says whether any went. */
bool crdt_orset_drop_seen(struct crdt_orset *set, struct bytes element,
                          const struct crdt_update *update);

/* `erase` of an OR-set's element, and its step for types whose entries are more than elements. */
CRDT_CHECKED enum crdt_status crdt_orset_erase(struct crdt_field *field, struct bytes element,
                                               uint64_t position, bool *found);
void crdt_orset_erase_entry(struct crdt_orset *set, struct bytes entry, uint64_t position,
                            bool *found);

/* Empties the removal log without raising the horizon. */
void crdt_orset_forget_removed(struct crdt_orset *set);

/* Edits that gather into a change. CRDT_NO_MEMORY: the change is unfit for use. */
CRDT_CHECKED enum crdt_status crdt_orset_add(struct crdt_orset_change *change,
                                             struct bytes element);
CRDT_CHECKED enum crdt_status crdt_orset_remove(struct crdt_orset_change *change,
                                                struct bytes element);
void crdt_orset_clear(struct crdt_orset_change *change);

/*
 * Gives the element exactly these dots as of `position`; none: it is removed. Copies both.
 * Positions never decrease from call to call. CRDT_NO_MEMORY: unchanged.
 */
CRDT_CHECKED enum crdt_status crdt_orset_put(struct crdt_orset *set, struct bytes element,
                                             const struct crdt_dot *dots, size_t count,
                                             uint64_t position);

/* Forgets the element altogether, removal log included. */
void crdt_orset_forget(struct crdt_orset *set, struct bytes element);

bool crdt_orset_contains(const struct crdt_orset *set, struct bytes element);

/* The element with its dots, live or removed, or NULL. Borrowed until the set changes. */
const struct crdt_orset_element *crdt_orset_find(const struct crdt_orset *set,
                                                 struct bytes element);

size_t crdt_orset_length(const struct crdt_orset *set);

/* Borrowed until the set changes: a set that grows moves what is inlined. */
static inline struct bytes crdt_orset_bytes(const struct crdt_orset_element *element)
{
    bool inlined = element->length <= CRDT_ORSET_INLINED;
    return (struct bytes){.data = inlined ? element->data.inlined : element->data.outside,
                          .length = element->length};
}

static inline uint32_t crdt_orset_dot_count(const struct crdt_orset_element *element)
{
    return element->dotted == ORSET_MANY_DOTS ? element->dots.many->count : element->dotted;
}

static inline struct crdt_dot crdt_orset_dot(const struct crdt_orset_element *element, uint32_t at)
{
    if (element->dotted == ORSET_MANY_DOTS) {
        return element->dots.many->dots[at];
    }
    return (struct crdt_dot){.seq = element->dots.one.seq,
                             .position = element->dots.one.position,
                             .replica = element->replica};
}

/* All of them; a single one is copied to `one`, which is the caller's. */
static inline const struct crdt_dot *crdt_orset_dots(const struct crdt_orset_element *element,
                                                     struct crdt_dot *one)
{
    *one = crdt_orset_dot(element, 0);
    return element->dotted == ORSET_MANY_DOTS ? element->dots.many->dots : one;
}

/* Whether the element, or NULL, has that dot, wherever it was merged. */
bool crdt_orset_has_dot(const struct crdt_orset_element *element, const struct crdt_dot *dot);

/*
 * Walks a list from the first change after position `since` on, oldest first:
 *     for (e = crdt_orset_since(set, &set->live, since); e != NULL; e = crdt_orset_next(set, e))
 * Finding the first costs O(changes since), and O(1) where that is the whole list.
 */
const struct crdt_orset_element *
crdt_orset_since(const struct crdt_orset *set, const struct crdt_orset_list *list, uint64_t since);
const struct crdt_orset_element *crdt_orset_next(const struct crdt_orset *set,
                                                 const struct crdt_orset_element *element);

#endif
