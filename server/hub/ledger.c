/* The ledger of a document: its replicas' rows that are in memory. Rows come with `document_load`,
 * or new. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/state.h"
#include "server/hub/table.h"

enum { REJECTION_BYTES = LIMIT_REJECTIONS * sizeof(struct rejection) };

bool ledger_row_matches(const void *item, const void *key)
{
    return replica_id_equal(&((const struct ledger_row *)item)->replica, key);
}

/* An outsider can choose UUIDs, and open many streams that name some: it must not know their
 * hashes.
 */
static uint64_t hash_of(const struct document *document, const struct replica_id *replica)
{
    return bytes_hash(replica_id_bytes(replica), document->seed);
}

struct ledger_row *ledger_find(const struct document *document, const struct replica_id *replica)
{
    return table_find(&document->ledger, hash_of(document, replica), replica);
}

struct ledger_row *ledger_take(struct hub *hub, struct document *document,
                               const struct replica_id *replica)
{
    struct ledger_row *row = ledger_find(document, replica);
    if (row != NULL) {
        return row;
    }
    row = calloc(1, sizeof *row + document->schema->length * sizeof row->entries[0]);
    if (row == NULL || !table_add(&document->ledger, hash_of(document, replica), row)) {
        free(row);
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    row->replica = *replica;
    return row;
}

static bool is_needed(const struct document *document, const struct ledger_row *row)
{
    return row->references > 0 || row->position > document->stored || row->submitted > row->seq;
}

/*
 * A row that was asked for while it leaves would come back as it was stored before, and a replay
 * counts on what it has loaded: none leaves meanwhile.
 */
static bool may_evict(const struct hub *hub, const struct document *document)
{
    return document->loads == 0 && hub->replay_first == NULL;
}

/* What an update's context names is asked for when the update is merged. */
static bool can_leave(const struct hub *hub, struct document *document,
                      const struct ledger_row *row)
{
    if (is_needed(document, row)) {
        return false;
    }
    bool named = batch_waits(hub, row->named_in);
    document->rows_wait = document->rows_wait || named;
    return !named && may_evict(hub, document);
}

static void free_row(struct document *document, struct ledger_row *row)
{
    document->rejection_bytes -= row->rejections == NULL ? 0 : REJECTION_BYTES;
    free(row->rejections);
    free(row->principal);
    free(row);
}

void ledger_forget(struct document *document, struct ledger_row *row)
{
    table_remove(&document->ledger, hash_of(document, &row->replica), row);
    free_row(document, row);
}

void ledger_release(struct hub *hub, struct document *document, struct ledger_row *row)
{
    assert(row->references > 0);
    row->references--;
    if (can_leave(hub, document, row)) {
        ledger_forget(document, row);
    }
}

void ledger_evict(struct hub *hub, struct document *document)
{
    if (!may_evict(hub, document)) {
        return;
    }
    document->rows_wait = false;
    /* A removal moves the last row into the gap, so walk from the end. */
    for (uint32_t i = document->ledger.length; i > 0; i--) {
        struct ledger_row *row = document->ledger.places[i - 1].item;
        if (can_leave(hub, document, row)) {
            ledger_forget(document, row);
        }
    }
}

void ledger_evict_named(struct hub *hub, struct document *document, uint64_t batch)
{
    if (document->rows_wait && document->evicted != batch) {
        document->evicted = batch;
        ledger_evict(hub, document);
    }
}

void ledger_finish(struct document *document)
{
    for (uint32_t i = 0; i < document->ledger.length; i++) {
        free_row(document, document->ledger.places[i].item);
    }
    table_finish(&document->ledger);
}

void ledger_reject(struct hub *hub, struct document *document, struct ledger_row *row, uint64_t seq,
                   enum hub_code code, uint32_t field)
{
    if (row->rejections == NULL) {
        row->rejections = calloc(LIMIT_REJECTIONS, sizeof *row->rejections);
        if (row->rejections == NULL) {
            hub_fail(hub, HUB_NO_MEMORY);
            return;
        }
        document->rejection_bytes += REJECTION_BYTES;
    }
    row->rejections[row->rejects % LIMIT_REJECTIONS] =
        (struct rejection){.seq = seq, .code = code, .field = field};
    row->rejects++;
}

void ledger_bind(struct hub *hub, struct ledger_row *row, struct bytes principal, bool journaled)
{
    row->bound = row->bound || (journaled && principal.length > 0);
    if (principal.length == 0 || row->principal != NULL) {
        return;
    }
    char *copy = malloc(principal.length + 1);
    if (copy == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    memcpy(copy, principal.data, principal.length);
    copy[principal.length] = '\0';
    row->principal = copy;
}

void ledger_intern(struct document *document, struct ledger_row *row)
{
    if (!row->interned) {
        row->interned = true;
        row->index = document->next_index++;
    }
}
