/* The journal, as it must be read: what it takes, and where it goes back to. */
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "protocol/packet.h"
#include "tests/simulation/history.h"

static bool same_journal(const struct journal_id *a, const struct journal_id *b)
{
    return memcmp(a->bytes, b->bytes, JOURNAL_ID_BYTES) == 0;
}

static void log_add(struct history_log *log, const struct history_taken *taken)
{
    log->taken = history_grow(log->taken, log->length, &log->capacity, sizeof *log->taken);
    log->taken[log->length++] = *taken;
}

static void log_copy(struct history_log *to, const struct history_log *from)
{
    to->length = 0;
    for (size_t i = 0; i < from->length; i++) {
        log_add(to, &from->taken[i]);
    }
}

/* --- what it takes --- */

static bool is_taken(struct history *history, struct bytes raw)
{
    struct reader reader = reader_of(raw);
    struct packet_context context;
    packet_read_context(&reader, &context);
    for (size_t i = 0; i < context.length; i++) {
        struct packet_seen seen = packet_read_seen(&context.seen);
        if (seen.seq > history_replica_of(history, &seen.replica)->journaled) {
            return false;
        }
    }
    return true;
}

static void apply(struct history *history, const struct history_taken *taken)
{
    struct history_replica *replica = history_replica_of(history, &taken->replica);
    uint64_t seq = taken->first == 0 ? replica->journaled + 1 : taken->first;
    for (; seq <= taken->last; seq++) {
        struct history_edit *edit = history_edit_of(history, &taken->replica, seq);
        if (edit != NULL) {
            edit->position = taken->position;
        }
    }
    replica->journaled = taken->last > replica->journaled ? taken->last : replica->journaled;
    replica->owner = taken->owner;
}

static void take_update(struct history *history, const struct history_taken *taken, bool refused,
                        struct bytes context)
{
    bool follows = taken->first == 0 ||
                   (taken->first == history_replica_of(history, &taken->replica)->journaled + 1 &&
                    (refused || is_taken(history, context)));
    struct history_taken added = *taken;
    if (!follows) {
        added.first = 1;
        added.last = 0;
    }
    apply(history, &added);
    log_add(&history->log, &added);
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
        size_t more = read_tuple(&reader, 7);
        reader_skip(&reader, 2);
        struct history_taken taken = {.replica = packet_read_replica(&reader),
                                      .position = position};
        (void)read_uint(&reader);
        bool refused = read_string(&reader, LIMIT_CODE_BYTES).length > 0;
        (void)read_uint(&reader);
        struct reader raw = reader_of(read_bin(&reader, LIMIT_BODY_BYTES));
        struct bytes principal = {0};
        if (more > 0) {
            principal = read_bin(&reader, LIMIT_PRINCIPAL_BYTES);
        }
        struct packet packet;
        if (packet_read(&raw, &packet) &&
            (packet.kind == PACKET_DELTA || packet.kind == PACKET_STATE)) {
            taken.first = packet.kind == PACKET_DELTA ? packet.update.first : 0;
            taken.last = packet.update.last;
            taken.owner = history_bind(history, &taken, principal);
            take_update(history, &taken, refused, packet.update.context);
        }
    }
}

/* --- where it goes back to --- */

/* Batches behind the last one of the log may still come: they were durable before anybody heard. */
static void rewind_to(struct history *history, uint64_t position)
{
    struct history_log *log = &history->log;
    while (log->length > 0 && log->taken[log->length - 1].position > position) {
        log->length--;
    }
    history->position = log->length == 0 ? 0 : log->taken[log->length - 1].position;
    for (size_t i = 0; i < history->length; i++) {
        history->edits[i].position = 0;
    }
    for (size_t i = 0; i < history->replica_length; i++) {
        history->replicas[i].journaled = 0;
        history->replicas[i].owner = 0;
    }
    for (size_t i = 0; i < log->length; i++) {
        apply(history, &log->taken[i]);
    }
    for (size_t i = 0; i < history->length; i++) {
        history->edits[i].told = history->edits[i].told && history->edits[i].position > 0;
    }
    for (size_t i = 0; i < history->replica_length; i++) {
        struct history_replica *replica = &history->replicas[i];
        history->lost = history->lost || replica->acked_ever > replica->journaled;
        replica->acked = replica->acked < replica->journaled ? replica->acked : replica->journaled;
    }
}

static void copy_ancestors(struct history *history, const struct storage_info *info)
{
    free(history->ancestors);
    history->ancestors = calloc(info->ancestor_count + 1, sizeof *history->ancestors);
    if (history->ancestors == NULL) {
        abort();
    }
    history->ancestor_count = info->ancestor_count;
    for (size_t i = 0; i < info->ancestor_count; i++) {
        history->ancestors[i] = info->ancestors[i];
    }
}

static const struct storage_ancestor *ancestor(const struct history *history,
                                               const struct journal_id *journal)
{
    for (size_t i = 0; i < history->ancestor_count; i++) {
        if (same_journal(&history->ancestors[i].journal, journal)) {
            return &history->ancestors[i];
        }
    }
    return NULL;
}

const char *history_opened(struct history *history, const struct storage_info *info)
{
    copy_ancestors(history, info);
    bool is_new = history->begun && !same_journal(&info->journal, &history->journal);
    if (is_new) {
        const struct storage_ancestor *last =
            ancestor(history, history->restored ? &history->backup_journal : &history->journal);
        if (last == NULL) {
            return "the journal has a new id, and does not know the one before";
        }
        if (history->restored) {
            log_copy(&history->log, &history->backup);
        }
        rewind_to(history, last->position);
    } else if (history->restored) {
        return "a backup was restored, and the journal kept its id";
    }
    history->restored = false;
    history->begun = true;
    history->journal = info->journal;
    history->journals += is_new;
    return NULL;
}

void history_backed_up(struct history *history)
{
    if (history->restored) {
        return; /* a copy of the copy: the hub has not run since */
    }
    log_copy(&history->backup, &history->log);
    history->backup_journal = history->journal;
}

void history_restored(struct history *history) { history->restored = true; }

uint64_t history_resolve(const struct history *history, const struct journal_id *journal,
                         uint64_t position)
{
    if (same_journal(journal, &history->journal)) {
        return position;
    }
    const struct storage_ancestor *known = ancestor(history, journal);
    return known == NULL ? 0 : position < known->position ? position : known->position;
}
