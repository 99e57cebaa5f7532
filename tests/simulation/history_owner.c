/*
 * Whose the replicas are. The hub says in its journal whom it takes a replica for; what is held
 * against that is who has sent what, as the clients know it.
 */
#include <stdio.h>

#include "tests/simulation/history.h"
#include "tests/simulation/rights.h"

static struct history_sent *sent_of(const struct history *history, const struct replica_id *replica,
                                    uint64_t last)
{
    for (size_t i = history->sent_length; i-- > 0;) {
        struct history_sent *sent = &history->sent[i];
        if (sent->last == last && history_same(&sent->replica, replica)) {
            return sent;
        }
    }
    return NULL;
}

void history_sends(struct history *history, unsigned person, const struct replica_id *replica,
                   uint64_t last)
{
    struct history_sent *sent = sent_of(history, replica, last);
    if (sent == NULL) {
        history->sent = history_grow(history->sent, history->sent_length, &history->sent_capacity,
                                     sizeof *history->sent);
        sent = &history->sent[history->sent_length++];
        *sent = (struct history_sent){.replica = *replica, .last = last};
    }
    sent->people |= 1U << person;
}

bool history_may_be_foreign(const struct history *history, unsigned person,
                            const struct replica_id *replica)
{
    for (size_t i = 0; i < history->sent_length; i++) {
        if (history_same(&history->sent[i].replica, replica) &&
            (history->sent[i].people & ~(1U << person)) != 0) {
            return true;
        }
    }
    return false;
}

static void blame(struct history *history, const char *sentence)
{
    history->stolen = history->stolen == NULL ? sentence : history->stolen;
}

/* A replica of which nothing is taken may have been forgotten, and is then whoever's comes next. */
unsigned history_bind(struct history *history, const struct history_taken *taken,
                      struct bytes principal)
{
    struct history_replica *replica = history_replica_of(history, &taken->replica);
    unsigned owner = principal.length == 0 ? 0 : person_of(principal) + 1;
    if (principal.length > 0 && replica->journaled == 0) {
        replica->owner = owner;
    } else if (principal.length > 0 && replica->owner != owner) {
        blame(history, "a replica is another's than it was");
    }
    if (!history->tokens) {
        return 0;
    }
    const struct history_sent *sent = sent_of(history, &taken->replica, taken->last);
    if (replica->owner == 0) {
        blame(history, "an update is journaled, and its replica is nobody's");
    } else if (sent == NULL || (sent->people & 1U << (replica->owner - 1)) == 0) {
        blame(history, "an update is journaled that its replica's owner has not sent");
    }
    return replica->owner;
}

bool history_may_edit(const struct history *history, unsigned owner,
                      const struct history_edit *edit)
{
    return !history->tokens || owner == 0 || rights_may_edit(owner - 1, edit);
}
