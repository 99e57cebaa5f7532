#include "clients/c/outbox.h"

#include <stdlib.h>
#include <string.h>

static void delta_finish(struct delta *delta, size_t fields)
{
    for (size_t i = 0; delta->changes != NULL && i < fields; i++) {
        if (delta->changes[i] != NULL) {
            delta->changes[i]->type->change_destroy(delta->changes[i]);
        }
    }
    free(delta->changes);
    free(delta->seen);
}

bool outbox_init(struct outbox *outbox, const struct replica_id *replica, size_t fields)
{
    *outbox = (struct outbox){.replica = *replica, .next = 1};
    outbox->claimed = calloc(fields + 1, sizeof *outbox->claimed);
    outbox->settled = calloc(fields + 1, sizeof *outbox->settled);
    if (outbox->claimed == NULL || outbox->settled == NULL) {
        outbox_finish(outbox, fields);
        return false;
    }
    return true;
}

void outbox_finish(struct outbox *outbox, size_t fields)
{
    for (size_t i = 0; i < outbox->length; i++) {
        delta_finish(&outbox->deltas[i], fields);
    }
    free(outbox->deltas);
    free(outbox->claimed);
    free(outbox->settled);
    *outbox = (struct outbox){0};
}

struct delta *outbox_push(struct outbox *outbox, size_t fields)
{
    struct crdt_change **changes = calloc(fields + 1, sizeof(*changes));
    struct delta *grown = realloc(outbox->deltas, (outbox->length + 1) * sizeof *grown);
    if (grown != NULL) {
        outbox->deltas = grown;
    }
    if (changes == NULL || grown == NULL) {
        free(changes);
        return NULL;
    }
    struct delta *delta = &grown[outbox->length++];
    *delta = (struct delta){.first = outbox->seq + 1, .last = outbox->seq, .changes = changes};
    return delta;
}

void outbox_cut(struct outbox *outbox, size_t length, size_t fields)
{
    while (outbox->length > length) {
        delta_finish(&outbox->deltas[--outbox->length], fields);
    }
}

void delta_spend(const struct delta *delta, struct crdt_entry *entries, size_t fields)
{
    for (size_t i = 0; i < fields; i++) {
        if (delta->changes[i] != NULL) {
            crdt_entry_spend(&entries[i], delta->changes[i]);
        }
    }
}

bool delta_has_seen(const struct delta *delta, const struct replica_id *replica)
{
    for (size_t i = 0; i < delta->seen_length; i++) {
        if (replica_id_equal(&delta->seen[i].replica, replica)) {
            return true;
        }
    }
    return false;
}

void outbox_settle_first(struct outbox *outbox, size_t fields)
{
    delta_spend(&outbox->deltas[0], outbox->settled, fields);
    delta_finish(&outbox->deltas[0], fields);
    outbox->length--;
    memmove(outbox->deltas, outbox->deltas + 1, outbox->length * sizeof *outbox->deltas);
}

void outbox_rewind(struct outbox *outbox)
{
    /* If nothing waits, from the next edit on, also if the hub has lost what it had acknowledged.
     */
    outbox->next = (outbox->seq > outbox->acked ? outbox->seq : outbox->acked) + 1;
    for (size_t i = 0; i < outbox->length; i++) {
        const struct delta *delta = &outbox->deltas[i];
        if (delta->last > outbox->acked && !delta->rejected) {
            outbox->next = delta->first;
            return;
        }
    }
}

uint64_t outbox_pending(const struct outbox *outbox)
{
    uint64_t pending = 0;
    for (size_t i = 0; i < outbox->length; i++) {
        const struct delta *delta = &outbox->deltas[i];
        pending += delta->rejected ? 0 : delta->last - delta->first + 1;
    }
    return pending;
}
