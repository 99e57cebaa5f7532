#include "tests/simulation/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool history_same(const struct replica_id *a, const struct replica_id *b)
{
    return memcmp(a->bytes, b->bytes, REPLICA_BYTES) == 0;
}

void *history_grow(void *items, size_t length, size_t *capacity, size_t bytes)
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
    free(history->seen);
    free(history->replicas);
    free(history->log.taken);
    free(history->backup.taken);
    free(history->ancestors);
    free(history->sent);
    *history = (struct history){0};
}

void history_add(struct history *history, const struct history_edit *edit,
                 const struct history_seen *seen, size_t length)
{
    size_t first = history->seen_length;
    for (size_t i = 0; i < length; i++) {
        history->seen = history_grow(history->seen, history->seen_length, &history->seen_capacity,
                                     sizeof *history->seen);
        history->seen[history->seen_length++] = seen[i];
    }
    history->edits =
        history_grow(history->edits, history->length, &history->capacity, sizeof *history->edits);
    struct history_edit *added = &history->edits[history->length++];
    *added = *edit;
    added->seen_first = first;
    added->seen_length = length;
}

struct history_replica *history_replica_of(struct history *history, const struct replica_id *id)
{
    for (size_t i = 0; i < history->replica_length; i++) {
        if (history_same(&history->replicas[i].replica, id)) {
            return &history->replicas[i];
        }
    }
    history->replicas = history_grow(history->replicas, history->replica_length,
                                     &history->replica_capacity, sizeof *history->replicas);
    struct history_replica *added = &history->replicas[history->replica_length++];
    *added = (struct history_replica){.replica = *id};
    return added;
}

struct history_edit *history_edit_of(const struct history *history, const struct replica_id *id,
                                     uint64_t seq)
{
    for (size_t i = history->length; i-- > 0;) {
        if (history->edits[i].seq == seq && history_same(&history->edits[i].replica, id)) {
            return &history->edits[i];
        }
    }
    return NULL;
}

/* What a hub says whose end was restored away meanwhile binds nobody. */
static bool is_current(const struct history *history, const struct journal_id *journal)
{
    return memcmp(journal->bytes, history->journal.bytes, JOURNAL_ID_BYTES) == 0;
}

void history_acked(struct history *history, const struct journal_id *journal,
                   const struct replica_id *replica, uint64_t seq)
{
    struct history_replica *known = history_replica_of(history, replica);
    known->acked_ever = seq > known->acked_ever ? seq : known->acked_ever;
    if (!is_current(history, journal)) {
        history->lost = history->lost || seq > known->journaled;
    } else if (seq > known->acked) {
        known->acked = seq;
    }
}

void history_told(struct history *history, const struct journal_id *journal,
                  const struct replica_id *replica, uint64_t seq)
{
    struct history_edit *edit = history_edit_of(history, replica, seq);
    if (edit != NULL && is_current(history, journal)) {
        edit->told = true;
    }
}
