/*
 * Moving: the hub can never take some of what is held under the replica that made it: it has lost
 * updates before it, or the replica has expired. All that, in its order, goes on under a fresh
 * replica (docs/protocol.md, Updates).
 */
#include <stdlib.h>
#include <string.h>

#include "clients/c/session_state.h"

/* The highest seq of the replica, one of the first `length`, that the ledger can come to with what
 * is held. */
static uint64_t reach_of(const struct session *session, const uint64_t *reaches, size_t length,
                         const struct replica_id *replica)
{
    for (size_t i = 0; i < length; i++) {
        if (replica_id_equal(&session->outboxes[i].replica, replica)) {
            return reaches[i];
        }
    }
    return 0;
}

static bool follows(const struct session *session, const uint64_t *reaches, size_t length,
                    const struct delta *delta)
{
    bool follow = delta->first == reaches[length] + 1 && !delta->rejected;
    for (size_t i = 0; follow && i < delta->seen_length; i++) {
        follow = delta->seen[i].seq <= reach_of(session, reaches, length, &delta->seen[i].replica);
    }
    return follow;
}

/* Of each outbox; one has seen only those before it. NULL: no memory. */
static uint64_t *make_reaches(const struct session *session)
{
    uint64_t *reaches = calloc(session->length + 1, sizeof *reaches);
    for (size_t i = 0; reaches != NULL && i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        reaches[i] = box->acked;
        for (size_t k = 0; k < box->length; k++) {
            const struct delta *delta = &box->deltas[k];
            if (delta->last > reaches[i]) {
                if (!follows(session, reaches, i, delta)) {
                    break;
                }
                reaches[i] = delta->last;
            }
        }
    }
    return reaches;
}

static bool is_stuck(const struct delta *delta, uint64_t reach)
{
    return delta->last > reach && !delta->rejected;
}

bool session_is_stuck(const struct session *session)
{
    uint64_t *reaches = make_reaches(session);
    bool stuck = false;
    for (size_t i = 0; reaches != NULL && i < session->length; i++) {
        for (size_t k = 0; k < session->outboxes[i].length; k++) {
            stuck = stuck || is_stuck(&session->outboxes[i].deltas[k], reaches[i]);
        }
    }
    free(reaches);
    return stuck;
}

/* What the ledger has, or will have, of what the delta had seen, its old replica included. */
static bool see_again(const struct session *session, const uint64_t *reaches, size_t place,
                      const struct delta *delta, struct delta *moved)
{
    moved->seen = calloc(delta->seen_length + 1, sizeof *moved->seen);
    if (moved->seen == NULL) {
        return false;
    }
    for (size_t i = 0; i <= delta->seen_length; i++) {
        struct packet_seen seen =
            i < delta->seen_length
                ? delta->seen[i]
                : (struct packet_seen){.replica = session->outboxes[place].replica,
                                       .seq = delta->first - 1};
        uint64_t reach = reach_of(session, reaches, session->length, &seen.replica);
        seen.seq = seen.seq < reach ? seen.seq : reach;
        if (seen.seq > 0) {
            moved->seen[moved->seen_length++] = seen;
        }
    }
    return true;
}

/* Takes the changes over as those of the fresh replica, which counts from what it has claimed. */
static void take_changes(const struct session *session, struct delta *delta, struct delta *moved,
                         struct crdt_entry *before, struct crdt_entry *claimed)
{
    for (size_t i = 0; i < session->schema.length; i++) {
        struct crdt_change *change = delta->changes[i];
        if (change != NULL) {
            struct crdt_entry after = before[i];
            crdt_entry_spend(&after, change);
            claimed[i].up += after.up - before[i].up;
            claimed[i].down += after.down - before[i].down;
            crdt_change_claim(change, claimed[i]);
            before[i] = after;
            moved->changes[i] = change;
            delta->changes[i] = NULL;
        }
    }
}

static bool move_delta(const struct session *session, const uint64_t *reaches, size_t place,
                       struct delta *delta, struct crdt_entry *before, struct outbox *fresh)
{
    struct delta *moved = outbox_push(fresh, session->schema.length);
    if (moved == NULL || !see_again(session, reaches, place, delta, moved)) {
        return false;
    }
    fresh->seq += delta->last - delta->first + 1;
    moved->last = fresh->seq;
    moved->position = delta->position;
    moved->journal = delta->journal;
    moved->stored = true;
    take_changes(session, delta, moved, before, fresh->claimed);
    return true;
}

static void tell_part(const struct delta *delta, struct session_news *news)
{
    static const char text[] = "The hub has only a part of this update.";
    news->rejected++;
    news->seq = delta->last;
    session_copy_text(news->code, (struct bytes){(const uint8_t *)"GAP", 3});
    session_copy_text(news->text, (struct bytes){(const uint8_t *)text, sizeof text - 1});
}

/* Moves what is stuck in one outbox; it keeps what the ledger can come to. False: no memory. */
static bool move_box(const struct session *session, const uint64_t *reaches, size_t place,
                     struct outbox *fresh, struct session_news *news)
{
    struct outbox *box = &session->outboxes[place];
    size_t fields = session->schema.length;
    size_t kept = 0;
    struct crdt_entry *before = calloc(fields + 1, sizeof *before);
    bool moved = before != NULL;
    for (size_t i = 0; moved && i < fields; i++) {
        before[i] = box->settled[i];
    }
    while (moved && kept < box->length && box->deltas[kept].last <= reaches[place]) {
        delta_spend(&box->deltas[kept++], before, fields);
    }
    for (size_t i = kept; moved && i < box->length; i++) {
        struct delta *delta = &box->deltas[i];
        if (is_stuck(delta, reaches[place]) && delta->first <= box->acked) {
            tell_part(delta, news);
        } else if (is_stuck(delta, reaches[place])) {
            moved = move_delta(session, reaches, place, delta, before, fresh);
        }
        delta_spend(delta, before, fields);
    }
    free(before);
    outbox_cut(box, kept, fields);
    return moved;
}

enum session_status session_move(struct session *session, const struct replica_id *replica,
                                 struct writer *writer, struct session_news *news)
{
    size_t length = session->length;
    uint64_t *reaches = make_reaches(session);
    session->replica = *replica;
    bool moved = reaches != NULL && session_own(session) != NULL;
    for (size_t i = 0; moved && i < length; i++) {
        moved = move_box(session, reaches, i, &session->outboxes[length], news);
    }
    free(reaches);
    if (session->stream != 0) {
        packet_write(writer, &(struct packet){.kind = PACKET_CLOSE, .id = session->stream});
    }
    session_drop_unheld(session);
    session_disconnect(session);
    news->changed = true;
    return moved ? SESSION_OK : SESSION_NO_MEMORY;
}
