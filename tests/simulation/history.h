/*
 * History: every edit that any device ever made, as its user meant it, and what its user had seen
 * then, apart from CRDTs, sessions and the hub. What a document must show in the end follows from
 * it, from the order in which the journal has taken the edits, and from the hub's list of those
 * that it has refused.
 *
 * The journal can go back: a backup is restored, or a relaxed one loses its end. What it had taken
 * behind that point is then not taken, until it comes again.
 */
#ifndef SIMULATION_HISTORY_H
#define SIMULATION_HISTORY_H

#include "protocol/buffer.h"
#include "protocol/replica.h"
#include "server/storage/storage.h"

enum history_kind {
    HISTORY_LIKES,   /* amount */
    HISTORY_POINTS,  /* amount, signed */
    HISTORY_STOCK,   /* amount, signed; may be refused */
    HISTORY_SEEN,    /* element */
    HISTORY_TAG,     /* element */
    HISTORY_UNTAG,   /* element */
    HISTORY_CART,    /* amount, signed, of the key `element` % 4 */
    HISTORY_UNCART,  /* of the key */
    HISTORY_NOTE,    /* amount, its value, never used twice */
    HISTORY_OPEN,    /* amount: 1 enables, 0 disables */
    HISTORY_RESERVE, /* amount, of the stock: a lease; 0: what is left of it is given back */
    HISTORY_NAME     /* amount: its length, from which its text follows */
};

/* The stock has bounds: 0 and this. */
enum { HISTORY_STOCK_MAX = 20 };

enum { HISTORY_TAGS = 6, HISTORY_CART_KEYS = 4 };

/* A name of so many letters is `abcde`, cut off; a longer one has only `a`s. */
enum { HISTORY_NAME_LETTERS = 5 };

/* All edits of a replica up to this one. */
struct history_seen {
    struct replica_id replica;
    uint64_t seq;
};

struct history_edit {
    struct replica_id replica;
    uint64_t seq;
    unsigned document;
    enum history_kind kind;
    int64_t amount;
    uint64_t element;
    bool refused;
    bool forbidden;            /* for want of a right */
    bool told;                 /* the refusal, to a device */
    uint64_t position;         /* in the journal; 0: it is not there */
    struct journal_id journal; /* that the cursor counts in */
    uint64_t cursor;           /* all up to this position was seen */
    size_t seen_first;         /* and what waited on the same device, in history->seen */
    size_t seen_length;
};

/* What the hub says of a replica. */
struct history_replica {
    struct replica_id replica;
    uint64_t journaled;  /* taken up to here, by the journal's order */
    uint64_t seq;        /* and as the hub says */
    uint64_t acked;      /* up to here, as a device was told */
    uint64_t acked_ever; /* the same, in any journal */
    unsigned owner;      /* the person's number and one; 0: nobody's */
};

/* An update, and all who have ever sent it, a bit each. */
struct history_sent {
    struct replica_id replica;
    uint64_t last;
    unsigned people;
};

/* An update that the journal's order takes. */
struct history_taken {
    struct replica_id replica;
    uint64_t first; /* 0: a whole state */
    uint64_t last;  /* 0: none is taken, and only the replica has an owner from here on */
    uint64_t position;
    unsigned owner; /* of the replica, as there */
};

struct history_log {
    struct history_taken *taken;
    size_t length;
    size_t capacity;
};

struct history {
    struct history_edit *edits;
    size_t length;
    size_t capacity;
    struct history_seen *seen;
    size_t seen_length;
    size_t seen_capacity;
    struct history_replica *replicas;
    size_t replica_length;
    size_t replica_capacity;
    uint64_t position; /* of the last batch */
    struct history_log log;
    struct journal_id journal;
    bool begun;
    struct storage_ancestor *ancestors;
    size_t ancestor_count;
    struct history_log backup;
    struct journal_id backup_journal;
    bool restored;   /* the hub is to start from the backup */
    size_t journals; /* that the hub has had before */
    bool crowded;    /* a device held so many updates that stored ones were joined */
    bool lost;       /* something that was acknowledged before one of them */
    bool misjudged;  /* an edit was refused, and neither for the stock's bounds nor for a right */
    bool copied;     /* a device went on from another's store, or from an older one */
    bool tokens;     /* replicas have owners */
    bool foreign;    /* a device held updates of a replica that is another person's */
    struct history_sent *sent;
    size_t sent_length;
    size_t sent_capacity;
    const char *stolen; /* what is wrong with a replica's owner; NULL: nothing */
};

void history_finish(struct history *history);

/* With what waited on the same device: `seen_first` and `seen_length` are of no matter. */
void history_add(struct history *history, const struct history_edit *edit,
                 const struct history_seen *seen, size_t length);

/* A device was told that all up to `seq` is durable, or that `seq` was refused, by a hub with that
 * journal. */
void history_acked(struct history *history, const struct journal_id *journal,
                   const struct replica_id *replica, uint64_t seq);
void history_told(struct history *history, const struct journal_id *journal,
                  const struct replica_id *replica, uint64_t seq);

/* --- the journal: history_journal.c --- */

/*
 * A batch is durable at a position; those that come again are known. Its records are held against
 * the rule of the ledger: an update is taken if it goes on where its replica's last one ended, and
 * if all that its context names is taken.
 */
void history_journaled(struct history *history, uint64_t position, struct bytes batch);

/* The hub's file is open. NULL: its journal is the last one, or follows one and says from where. */
const char *history_opened(struct history *history, const struct storage_info *info);

/* A copy of the hub's file is made, or put in the file's place. */
void history_backed_up(struct history *history);
void history_restored(struct history *history);

/* What a position of that journal means in this one. */
uint64_t history_resolve(const struct history *history, const struct journal_id *journal,
                         uint64_t position);

/* --- what must be shown: history_show.c --- */

/* The hub's list of replicas. */
void history_taken(struct history *history, const struct replica_id *replica, uint64_t seq);

/* What a key of the cart shows; false: it is not there. history_cart.c */
bool history_cart(const struct history *history, unsigned document, uint64_t key, int64_t *amount);

/* Appends the document as it must be shown: one line of JSON, up to its name. */
void history_write(const struct history *history, unsigned document, struct buffer *text);

/* Whether a document's line of JSON may end like this, from its name on. history_name.c */
bool history_may_show_name(const struct history *history, unsigned document, const char *end);
/* The text of a name; to be freed. */
char *history_name(int64_t amount);

/* What a new client may have to download for it at the most. */
size_t history_bytes(const struct history *history, unsigned document);

/* A sentence if the hub does not stand by something that a device was told, or has taken what it
 * had to refuse; empty: it does, and has not. */
void history_lost(const struct history *history, char *sentence, size_t size);

/* --- what was refused: history_refused.c --- */

/* The hub's list: for the stock's bounds, for want of a right, or with another code. */
void history_refused(struct history *history, const struct replica_id *replica, uint64_t seq);
void history_forbidden(struct history *history, const struct replica_id *replica, uint64_t seq);
void history_refused_otherwise(struct history *history, const struct replica_id *replica,
                               uint64_t seq);

/* A sentence if the hub has refused an edit of the document that it had to take, or has taken one
 * that its replica's owner may not make; empty: it has not. */
void history_misjudged(const struct history *history, unsigned document, char *sentence,
                       size_t size);

/* --- whose the replicas are: history_owner.c --- */

/* The person sends the update to the hub. */
void history_sends(struct history *history, unsigned person, const struct replica_id *replica,
                   uint64_t last);
/* Whether somebody else has sent something under the replica, too. */
bool history_may_be_foreign(const struct history *history, unsigned person,
                            const struct replica_id *replica);
/* The journal has the update, and says whose the replica is from there on, or nothing. Answers
 * whose it is. */
unsigned history_bind(struct history *history, const struct history_taken *taken,
                      struct bytes principal);
bool history_may_edit(const struct history *history, unsigned owner,
                      const struct history_edit *edit);

/* --- shared by these files --- */

bool history_took_effect(const struct history_edit *edit);
/* Whether the user who made the later one had seen the other. */
bool history_has_seen(const struct history *history, const struct history_edit *later,
                      const struct history_edit *edit);
bool history_same(const struct replica_id *a, const struct replica_id *b);
struct history_replica *history_replica_of(struct history *history, const struct replica_id *id);
/* NULL: nobody made such an edit. */
struct history_edit *history_edit_of(const struct history *history, const struct replica_id *id,
                                     uint64_t seq);
/* Room for one more item. */
void *history_grow(void *items, size_t length, size_t *capacity, size_t bytes);

#endif
