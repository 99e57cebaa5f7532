/* What must be shown, by the definitions of the types alone: an edit takes away what its user had
 * seen, and nothing else. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/simulation/disk_file.h"
#include "tests/simulation/history.h"

void history_taken(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    history_replica_of(history, replica)->seq = seq;
}

/* --- what is there --- */

/* The edits of one kind of one document. */
struct choice {
    const struct history *history;
    unsigned document;
    enum history_kind kind;
};

bool history_took_effect(const struct history_edit *edit)
{
    return !edit->refused && edit->position > 0;
}

static bool is_chosen(const struct choice *choice, const struct history_edit *edit)
{
    return edit->kind == choice->kind && edit->document == choice->document &&
           history_took_effect(edit);
}

bool history_has_seen(const struct history *history, const struct history_edit *later,
                      const struct history_edit *edit)
{
    if (edit->position <= history_resolve(history, &later->journal, later->cursor) ||
        (history_same(&edit->replica, &later->replica) && edit->seq < later->seq)) {
        return true;
    }
    for (size_t i = 0; i < later->seen_length; i++) {
        const struct history_seen *seen = &history->seen[later->seen_first + i];
        if (history_same(&seen->replica, &edit->replica) && edit->seq <= seen->seq) {
            return true;
        }
    }
    return false;
}

/* Whether somebody who had seen the edit made one of that kind, of the same element. */
static bool is_followed(const struct choice *choice, enum history_kind by,
                        const struct history_edit *edit)
{
    struct choice later = {choice->history, choice->document, by};
    for (size_t i = 0; i < choice->history->length; i++) {
        const struct history_edit *other = &choice->history->edits[i];
        if (other != edit && is_chosen(&later, other) && other->element == edit->element &&
            history_has_seen(choice->history, other, edit)) {
            return true;
        }
    }
    return false;
}

/* An edit that has seen an add of the same element takes its place, as it does in a register. */
static bool is_removed(const struct choice *choice, const struct history_edit *edit)
{
    switch (choice->kind) {
    case HISTORY_TAG:
        return is_followed(choice, HISTORY_TAG, edit) || is_followed(choice, HISTORY_UNTAG, edit);
    case HISTORY_CART: /* but amounts add up */
        return is_followed(choice, HISTORY_UNCART, edit);
    case HISTORY_NOTE:
    case HISTORY_OPEN:
        return is_followed(choice, choice->kind, edit);
    default:
        return false;
    }
}

static int64_t total(const struct history *history, unsigned document, enum history_kind kind)
{
    struct choice choice = {history, document, kind};
    int64_t total = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        total += is_chosen(&choice, edit) ? edit->amount : 0;
    }
    return total;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Ascending; to be freed. A note's element is 0, so that each follows all: its value is `amount`.
 */
static uint64_t *elements(const struct choice *choice, size_t *length)
{
    const struct history *history = choice->history;
    uint64_t *found = disk_allocate((history->length + 1) * sizeof *found);
    *length = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        if (is_chosen(choice, edit) && !is_removed(choice, edit)) {
            found[(*length)++] =
                choice->kind == HISTORY_NOTE ? (uint64_t)edit->amount : edit->element;
        }
    }
    qsort(found, *length, sizeof *found, compare);
    size_t distinct = 0;
    for (size_t i = 0; i < *length; i++) {
        if (i == 0 || found[i] != found[distinct - 1]) {
            found[distinct++] = found[i];
        }
    }
    *length = distinct;
    return found;
}

/* On if somebody has switched it on, and nobody, having not seen that or the same, off. */
static bool is_open(const struct history *history, unsigned document)
{
    struct choice choice = {history, document, HISTORY_OPEN};
    bool on = false;
    bool off = false;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        if (is_chosen(&choice, edit) && !is_removed(&choice, edit)) {
            on = on || edit->amount != 0;
            off = off || edit->amount == 0;
        }
    }
    return on && !off;
}

/* --- as one line --- */

__attribute__((format(printf, 2, 3))) static void print(struct buffer *text, const char *format,
                                                        ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (buffer_append(text, line, (size_t)length) != PROTOCOL_OK) {
        abort();
    }
}

static void print_elements(const struct choice *choice, struct buffer *text)
{
    size_t length;
    uint64_t *found = elements(choice, &length);
    print(text, "[");
    for (size_t i = 0; i < length; i++) {
        const char *comma = i == 0 ? "" : ",";
        if (choice->kind == HISTORY_TAG) {
            print(text, "%s\"t%" PRIu64 "\"", comma, found[i]);
        } else {
            print(text, "%s%" PRIu64, comma, found[i]);
        }
    }
    print(text, "]");
    free(found);
}

static void print_cart(const struct choice *choice, struct buffer *text)
{
    const char *comma = "";
    print(text, "{");
    for (uint64_t key = 0; key < HISTORY_CART_KEYS; key++) {
        int64_t amount;
        if (history_cart(choice->history, choice->document, key, &amount)) {
            print(text, "%s\"k%" PRIu64 "\":%" PRId64, comma, key, amount);
            comma = ",";
        }
    }
    print(text, "}");
}

void history_write(const struct history *history, unsigned document, struct buffer *text)
{
    struct choice choice = {history, document, HISTORY_SEEN};
    print(text, "{\"likes\":%" PRId64, total(history, document, HISTORY_LIKES));
    print(text, ",\"points\":%" PRId64, total(history, document, HISTORY_POINTS));
    print(text, ",\"stock\":%" PRId64, total(history, document, HISTORY_STOCK));
    print(text, ",\"seen\":");
    print_elements(&choice, text);
    print(text, ",\"tags\":");
    choice.kind = HISTORY_TAG;
    print_elements(&choice, text);
    print(text, ",\"cart\":");
    choice.kind = HISTORY_CART;
    print_cart(&choice, text);
    print(text, ",\"note\":");
    choice.kind = HISTORY_NOTE;
    print_elements(&choice, text);
    print(text, ",\"open\":%s", is_open(history, document) ? "true" : "false");
}

/* --- what it may weigh --- */

enum { FIELDS_BYTES = 256, ENTRY_BYTES = 48, PART_BYTES = 96 };

size_t history_bytes(const struct history *history, unsigned document)
{
    size_t bytes = FIELDS_BYTES;
    size_t name_bytes = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        struct choice choice = {history, document, edit->kind};
        bool is_there = is_chosen(&choice, edit) && !is_removed(&choice, edit);
        switch (edit->kind) {
        case HISTORY_TAG:
        case HISTORY_SEEN:
        case HISTORY_NOTE:
        case HISTORY_OPEN:
        case HISTORY_RESERVE:
            bytes += is_there ? ENTRY_BYTES : 0;
            break;
        case HISTORY_CART:
            bytes += is_there ? PART_BYTES : 0;
            break;
        case HISTORY_NAME: /* the greatest shows, whichever it is */
            if (is_there && (size_t)edit->amount > name_bytes) {
                name_bytes = (size_t)edit->amount;
            }
            break;
        default: /* a counter is one number */
            break;
        }
    }
    return bytes + name_bytes;
}

/* --- what was promised --- */

static int64_t stock_at(const struct choice *choice, uint64_t position)
{
    int64_t stock = 0;
    for (size_t i = 0; i < choice->history->length; i++) {
        const struct history_edit *edit = &choice->history->edits[i];
        stock += is_chosen(choice, edit) && edit->position <= position ? edit->amount : 0;
    }
    return stock;
}

static bool leaves_bounds(const struct history *history)
{
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        struct choice choice = {history, edit->document, HISTORY_STOCK};
        int64_t stock = is_chosen(&choice, edit) ? stock_at(&choice, edit->position) : 0;
        if (stock < 0 || stock > HISTORY_STOCK_MAX) {
            return true;
        }
    }
    return false;
}

static bool forgets_refusal(const struct history *history)
{
    for (size_t i = 0; i < history->length; i++) {
        if (history->edits[i].told && !history->edits[i].refused) {
            return true;
        }
    }
    return false;
}

void history_lost(const struct history *history, char *sentence, size_t size)
{
    const char *broken = leaves_bounds(history) ? "the stock has left its bounds"
                         : forgets_refusal(history)
                             ? "a device was told of a refusal that the hub knows nothing of"
                             : "";
    (void)snprintf(sentence, size, "%s", broken);
    for (size_t i = 0; i < history->replica_length; i++) {
        const struct history_replica *replica = &history->replicas[i];
        if (replica->journaled != replica->seq) {
            (void)snprintf(sentence, size,
                           "the journal has edits up to %" PRIu64
                           " of replica ..%02x%02x, and the ledger says %" PRIu64,
                           replica->journaled, replica->replica.bytes[14],
                           replica->replica.bytes[15], replica->seq);
            return;
        }
        if (replica->acked > replica->seq) {
            (void)snprintf(sentence, size,
                           "edit %" PRIu64 " of replica ..%02x%02x was acknowledged, and the hub "
                           "has %" PRIu64,
                           replica->acked, replica->replica.bytes[14], replica->replica.bytes[15],
                           replica->seq);
            return;
        }
    }
}
