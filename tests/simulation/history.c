#include "tests/simulation/history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "protocol/packet.h"
#include "tests/simulation/disk_file.h"

enum { CART_KEYS = 4 };

static bool same(const struct replica_id *a, const struct replica_id *b)
{
    return memcmp(a->bytes, b->bytes, REPLICA_BYTES) == 0;
}

static void *grow(void *items, size_t length, size_t *capacity, size_t bytes)
{
    if (length < *capacity) {
        return items;
    }
    *capacity = *capacity * 2 + 64;
    void *grown = realloc(items, *capacity * bytes);
    if (grown == NULL) {
        (void)fprintf(stderr, "the simulation has no memory left\n");
        abort();
    }
    return grown;
}

void history_finish(struct history *history)
{
    free(history->edits);
    free(history->replicas);
    *history = (struct history){0};
}

void history_add(struct history *history, const struct history_edit *edit)
{
    history->edits =
        grow(history->edits, history->length, &history->capacity, sizeof *history->edits);
    history->edits[history->length++] = *edit;
}

static struct history_replica *replica_of(struct history *history, const struct replica_id *id)
{
    for (size_t i = 0; i < history->replica_length; i++) {
        if (same(&history->replicas[i].replica, id)) {
            return &history->replicas[i];
        }
    }
    history->replicas = grow(history->replicas, history->replica_length, &history->replica_capacity,
                             sizeof *history->replicas);
    struct history_replica *added = &history->replicas[history->replica_length++];
    *added = (struct history_replica){.replica = *id};
    return added;
}

static struct history_edit *edit_of(struct history *history, const struct replica_id *id,
                                    uint64_t seq)
{
    for (size_t i = history->length; i-- > 0;) {
        if (history->edits[i].seq == seq && same(&history->edits[i].replica, id)) {
            return &history->edits[i];
        }
    }
    return NULL;
}

void history_acked(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    struct history_replica *known = replica_of(history, replica);
    known->acked = seq > known->acked ? seq : known->acked;
}

void history_told(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    struct history_edit *edit = edit_of(history, replica, seq);
    if (edit != NULL) {
        edit->told = true;
    }
}

/* --- the journal --- */

static bool is_taken(struct history *history, struct bytes raw)
{
    struct reader reader = reader_of(raw);
    struct packet_context context;
    packet_read_context(&reader, &context);
    for (size_t i = 0; i < context.length; i++) {
        struct packet_seen seen = packet_read_seen(&context.seen);
        if (seen.seq > replica_of(history, &seen.replica)->journaled) {
            return false;
        }
    }
    return true;
}

static void take_update(struct history *history, const struct replica_id *id,
                        const struct packet_update *update, bool refused, uint64_t position)
{
    if (update->first != replica_of(history, id)->journaled + 1 ||
        (!refused && !is_taken(history, update->context))) {
        return;
    }
    replica_of(history, id)->journaled = update->last;
    for (uint64_t seq = update->first; seq <= update->last; seq++) {
        struct history_edit *edit = edit_of(history, id, seq);
        if (edit != NULL) {
            edit->position = position;
        }
    }
}

void history_journaled(struct history *history, uint64_t position, struct bytes batch)
{
    struct reader reader = reader_of(batch);
    if (position <= history->position) {
        return;
    }
    history->position = position;
    reader_skip(&reader, 1);
    while (reader_ok(&reader) && reader.left.length > 0) {
        (void)read_tuple(&reader, 7);
        reader_skip(&reader, 2);
        struct replica_id replica = packet_read_replica(&reader);
        (void)read_uint(&reader);
        bool refused = read_string(&reader, LIMIT_CODE_BYTES).length > 0;
        (void)read_uint(&reader);
        struct reader raw = reader_of(read_bin(&reader, LIMIT_BODY_BYTES));
        struct packet packet;
        if (packet_read(&raw, &packet) && packet.kind == PACKET_DELTA) {
            take_update(history, &replica, &packet.update, refused, position);
        }
    }
}

void history_taken(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    replica_of(history, replica)->seq = seq;
}

void history_refused(struct history *history, const struct replica_id *replica, uint64_t seq)
{
    struct history_edit *edit = edit_of(history, replica, seq);
    if (edit != NULL) {
        edit->refused = true;
    }
}

/* --- what must be shown --- */

static bool took_effect(const struct history_edit *edit)
{
    return !edit->refused && edit->position > 0;
}

static int64_t sum(const struct history *history, enum history_kind kind, uint64_t key, bool *any)
{
    int64_t total = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        bool counts = edit->kind == kind && edit->element == key && took_effect(edit);
        total += counts ? edit->amount : 0;
        *any = *any || counts;
    }
    return total;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool has_seen(const struct history_edit *remove, const struct history_edit *add)
{
    if (add->position <= remove->cursor ||
        (same(&add->replica, &remove->replica) && add->seq < remove->seq)) {
        return true;
    }
    for (size_t i = 0; i < remove->seen_length; i++) {
        if (same(&remove->seen[i].replica, &add->replica) && add->seq <= remove->seen[i].seq) {
            return true;
        }
    }
    return false;
}

/* By the definition of an OR-set: by someone who had seen it. */
static bool is_removed(const struct history *history, const struct history_edit *add)
{
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        if (edit->kind == HISTORY_UNTAG && edit->element == add->element && took_effect(edit) &&
            has_seen(edit, add)) {
            return true;
        }
    }
    return false;
}

/* Ascending, without those that were removed; to be freed. */
static uint64_t *elements(const struct history *history, enum history_kind kind, size_t *length)
{
    uint64_t *found = disk_allocate((history->length + 1) * sizeof *found);
    *length = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        if (edit->kind == kind && took_effect(edit) &&
            !(kind == HISTORY_TAG && is_removed(history, edit))) {
            found[(*length)++] = edit->element;
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

static void print_elements(const struct history *history, enum history_kind kind,
                           struct buffer *text)
{
    size_t length;
    uint64_t *found = elements(history, kind, &length);
    print(text, "[");
    for (size_t i = 0; i < length; i++) {
        const char *comma = i == 0 ? "" : ",";
        if (kind == HISTORY_TAG) {
            print(text, "%s\"t%" PRIu64 "\"", comma, found[i]);
        } else {
            print(text, "%s%" PRIu64, comma, found[i]);
        }
    }
    print(text, "]");
    free(found);
}

static void print_cart(const struct history *history, struct buffer *text)
{
    const char *comma = "";
    print(text, "{");
    for (uint64_t key = 0; key < CART_KEYS; key++) {
        bool any = false;
        int64_t amount = sum(history, HISTORY_CART, key, &any);
        if (any) {
            print(text, "%s\"k%" PRIu64 "\":%" PRId64, comma, key, amount);
            comma = ",";
        }
    }
    print(text, "}");
}

void history_write(const struct history *history, struct buffer *text)
{
    bool any = false;
    print(text, "{\"likes\":%" PRId64, sum(history, HISTORY_LIKES, 0, &any));
    print(text, ",\"points\":%" PRId64, sum(history, HISTORY_POINTS, 0, &any));
    print(text, ",\"stock\":%" PRId64, sum(history, HISTORY_STOCK, 0, &any));
    print(text, ",\"seen\":");
    print_elements(history, HISTORY_SEEN, text);
    print(text, ",\"tags\":");
    print_elements(history, HISTORY_TAG, text);
    print(text, ",\"cart\":");
    print_cart(history, text);
}

/* After a batch. */
static int64_t stock_at(const struct history *history, uint64_t position)
{
    int64_t total = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        bool counts =
            edit->kind == HISTORY_STOCK && took_effect(edit) && edit->position <= position;
        total += counts ? edit->amount : 0;
    }
    return total;
}

static bool leaves_bounds(const struct history *history)
{
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        int64_t stock = edit->kind == HISTORY_STOCK ? stock_at(history, edit->position) : 0;
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
