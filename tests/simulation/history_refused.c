/*
 * What the hub has refused, and whether it had to. Only the stock's bounds and the rights of
 * whoever the replica belongs to refuse an edit here: no device's clock is so wrong that the hub
 * minds. The journal's order says what the stock was. Of what is reserved it gives the most: all
 * that was ever reserved before, as if nobody had drawn from it, given it back, or let it end.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/simulation/history.h"

static uint64_t first_of_update(const struct history *history, const struct replica_id *replica,
                                uint64_t last)
{
    uint64_t first = last;
    for (size_t i = 0; i < history->log.length; i++) {
        const struct history_taken *taken = &history->log.taken[i];
        if (taken->last == last && taken->first > 0 && history_same(&taken->replica, replica)) {
            first = taken->first;
        }
    }
    return first;
}

static void refuse(struct history *history, const struct replica_id *replica, uint64_t seq,
                   bool forbidden)
{
    uint64_t at = first_of_update(history, replica, seq); /* an update is refused as a whole */
    for (; at <= seq; at++) {
        struct history_edit *edit = history_edit_of(history, replica, at);
        if (edit != NULL) {
            edit->refused = true;
            edit->forbidden = forbidden;
        }
    }
}

void history_refused(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    refuse(history, replica, seq, false);
}

void history_forbidden(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    refuse(history, replica, seq, true);
}

void history_refused_otherwise(struct history *history, const struct replica_id *replica,
                               uint64_t seq)
{
    history_refused(history, replica, seq);
    history->misjudged = history->misjudged || history_edit_of(history, replica, seq) != NULL;
}

struct stock {
    int64_t total;
    int64_t reserved; /* at the most */
};

static bool may_be_refused(const struct stock *stock, const struct history_edit *edit)
{
    switch (edit->kind) {
    case HISTORY_STOCK:
        return edit->amount > 0 ? stock->total + edit->amount > HISTORY_STOCK_MAX
                                : stock->total + edit->amount < stock->reserved;
    case HISTORY_RESERVE:
        return edit->amount > 0 && stock->total < stock->reserved + edit->amount;
    default:
        return false;
    }
}

static void take(struct stock *stock, const struct history_edit *edit)
{
    stock->total += edit->kind == HISTORY_STOCK ? edit->amount : 0;
    stock->reserved += edit->kind == HISTORY_RESERVE ? edit->amount : 0;
}

/* Whether all edits of the update are its replica's owner's to make. */
static bool is_allowed(const struct history *history, const struct history_taken *taken)
{
    bool allowed = true;
    for (uint64_t seq = taken->first; seq > 0 && seq <= taken->last; seq++) {
        const struct history_edit *edit = history_edit_of(history, &taken->replica, seq);
        allowed = allowed && (edit == NULL || history_may_edit(history, taken->owner, edit));
    }
    return allowed;
}

/* The first of a document that was refused, and need not have been, or the other way round; NULL:
 * none. */
static const struct history_edit *misjudged(const struct history *history, unsigned document)
{
    struct stock stock = {0};
    for (size_t i = 0; i < history->log.length; i++) {
        const struct history_taken *taken = &history->log.taken[i];
        bool allowed = is_allowed(history, taken);
        for (uint64_t seq = taken->first; seq > 0 && seq <= taken->last; seq++) {
            const struct history_edit *edit = history_edit_of(history, &taken->replica, seq);
            if (edit == NULL || edit->document != document) {
                continue;
            }
            if (edit->forbidden == allowed ||
                (edit->refused && !edit->forbidden && !may_be_refused(&stock, edit))) {
                return edit;
            }
            if (!edit->refused) {
                take(&stock, edit);
            }
        }
    }
    return NULL;
}

void history_misjudged(const struct history *history, unsigned document, char *sentence,
                       size_t size)
{
    const struct history_edit *edit = misjudged(history, document);
    (void)snprintf(sentence, size, "%s",
                   history->stolen != NULL ? history->stolen
                   : history->misjudged    ? "an edit is refused, and for no reason that there is"
                                           : "");
    if (edit != NULL) {
        (void)snprintf(sentence, size, "edit %" PRIu64 " of replica ..%02x%02x is %s", edit->seq,
                       edit->replica.bytes[14], edit->replica.bytes[15],
                       edit->refused ? "refused, and nothing speaks against it"
                                     : "taken, and its replica's owner may not make it");
    }
}
