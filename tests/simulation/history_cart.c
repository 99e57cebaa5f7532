/*
 * A map's key, by its definition in the order of the journal: it is there while an edit of it
 * stands, that is until an edit or a remove that had seen it comes. When the last one goes, the key
 * goes with all its amounts, also with those that the remove had not seen. Otherwise a remove takes
 * the amounts that it had seen.
 */
#include <stdlib.h>

#include "tests/simulation/disk_file.h"
#include "tests/simulation/history.h"

struct edits {
    const struct history_edit **items;
    size_t length;
};

struct cart {
    const struct history *history;
    struct edits standing;
    struct edits amounts;
};

static void take_seen(const struct cart *cart, struct edits *edits,
                      const struct history_edit *later)
{
    size_t kept = 0;
    for (size_t i = 0; i < edits->length; i++) {
        if (!history_has_seen(cart->history, later, edits->items[i])) {
            edits->items[kept++] = edits->items[i];
        }
    }
    edits->length = kept;
}

static void take(struct cart *cart, const struct history_edit *edit)
{
    take_seen(cart, &cart->standing, edit);
    if (edit->kind == HISTORY_UNCART) {
        take_seen(cart, &cart->amounts, edit);
    } else {
        cart->standing.items[cart->standing.length++] = edit;
        cart->amounts.items[cart->amounts.length++] = edit;
    }
    cart->amounts.length = cart->standing.length == 0 ? 0 : cart->amounts.length;
}

static bool is_of(const struct history_edit *edit, unsigned document, uint64_t key)
{
    return edit != NULL && history_took_effect(edit) && edit->document == document &&
           edit->element == key && (edit->kind == HISTORY_CART || edit->kind == HISTORY_UNCART);
}

bool history_cart(const struct history *history, unsigned document, uint64_t key, int64_t *amount)
{
    size_t bytes = (history->length + 1) * sizeof(struct history_edit *);
    struct cart cart = {.history = history,
                        .standing = {.items = disk_allocate(bytes)},
                        .amounts = {.items = disk_allocate(bytes)}};
    for (size_t i = 0; i < history->log.length; i++) {
        const struct history_taken *taken = &history->log.taken[i];
        for (uint64_t seq = taken->first; seq > 0 && seq <= taken->last; seq++) {
            const struct history_edit *edit = history_edit_of(history, &taken->replica, seq);
            if (is_of(edit, document, key)) {
                take(&cart, edit);
            }
        }
    }
    *amount = 0;
    for (size_t i = 0; i < cart.amounts.length; i++) {
        *amount += cart.amounts.items[i]->amount;
    }
    free((void *)cart.standing.items);
    free((void *)cart.amounts.items);
    return cart.standing.length > 0;
}
