/*
 * Merge: a record takes effect. Deterministic: it depends on the record, its position and the
 * document alone, so the same journal gives the same documents, positions and rejections on every
 * run.
 *
 * The ledger decides first (docs/protocol.md, DELTA): a repeat, a gap, or the next update. Then all
 * fields are checked before any is changed, so that an update takes effect as a whole or not at
 * all.
 */
#include <assert.h>
#include <stdlib.h>

#include "protocol/codec.h"
#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/import.h"
#include "server/hub/operator.h"
#include "server/hub/pipeline.h"
#include "server/hub/retire.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

struct merge {
    struct hub *hub;
    struct document *document;
    struct ledger_row *row; /* the sender's */
    const struct record *record;
    uint64_t position;
    uint64_t at_ms;
    struct packet_update update;
    struct crdt_seen seen[LIMIT_NAMED_REPLICAS + 1]; /* the context's vector, by index */
    struct ledger_row *rows[LIMIT_NAMED_REPLICAS + 1];
    size_t seen_length;
};

/* Of a replica that is named twice the higher seq first, which a search finds. */
static int by_replica(const void *a, const void *b)
{
    const struct crdt_seen *left = a;
    const struct crdt_seen *right = b;
    if (left->replica != right->replica) {
        return left->replica < right->replica ? -1 : 1;
    }
    return (left->seq < right->seq) - (left->seq > right->seq);
}

static struct crdt_context context_of(const struct merge *merge)
{
    return (struct crdt_context){
        .position = merge->record->position, .seen = merge->seen, .length = merge->seen_length};
}

/* The row changed at this position: answers are due, and it is to be stored. */
static void settle_row(const struct merge *merge, struct ledger_row *row, uint64_t seq)
{
    ledger_intern(merge->document, row);
    row->seq = seq > row->seq ? seq : row->seq;
    row->position = merge->position;
    row->at_ms = merge->at_ms;
    row->acks++;
    if (row->owner != NULL) {
        stream_touch(merge->hub, row->owner); /* before all who only see it */
    }
}

static void write_rejected_row(const struct merge *merge, enum hub_code code)
{
    const char *name = hub_code_name(code);
    const char *text = hub_code_text(code);
    struct row row = {.kind = ROW_REJECTED,
                      .replica = merge->row->replica,
                      .seq = merge->update.last,
                      .at_ms = merge->at_ms,
                      .code = bytes_of_text(name),
                      .text = bytes_of_text(text),
                      .detail = merge->record->packet};
    struct writer writer = writer_to(&merge->document->rejected);
    row_write(&writer, &row);
    if (writer.status != PROTOCOL_OK) {
        hub_fail(merge->hub, HUB_NO_MEMORY);
    }
}

static size_t kind_of(const struct merge *merge)
{
    return merge->record->kind == PACKET_DELTA ? UPDATE_DELTA : UPDATE_STATE;
}

static void reject(const struct merge *merge, enum hub_code code, uint32_t field)
{
    settle_row(merge, merge->row, merge->update.last);
    ledger_reject(merge->hub, merge->document, merge->row, merge->update.last, code, field);
    if (merge->row->rejections == NULL) {
        return; /* the step has failed */
    }
    write_rejected_row(merge, code);
    operator_refused(merge->hub, merge->document, merge->row, merge->at_ms);
    merge->hub->counters.rejected++;
    merge->hub->counters.results[kind_of(merge)][code]++;
    const struct stream *owner = merge->row->owner;
    note_rejected(merge->hub, owner == NULL ? 0 : owner->connection->id,
                  document_name(merge->document), code);
}

static enum hub_code code_of(enum crdt_status status)
{
    static const enum hub_code codes[] = {[CRDT_OVERFLOW] = CODE_OVERFLOW,
                                          [CRDT_OUT_OF_BOUNDS] = CODE_OUT_OF_BOUNDS,
                                          [CRDT_TOO_MANY] = CODE_TOO_MANY};
    return codes[status];
}

/* One of the update's fields, read; `index` is its place in the schema. */
struct part {
    size_t index;
    struct crdt_change *change;
    struct crdt_field *state;
};

static void part_finish(const struct merge *merge, struct part *part)
{
    const struct crdt_type *type = merge->document->fields[part->index]->type;
    type->change_destroy(part->change);
    type->destroy(part->state);
}

static size_t read_parts(const struct merge *merge, struct part parts[LIMIT_FIELDS],
                         const struct codec_names *names)
{
    const struct schema *schema = merge->document->schema;
    struct reader reader = reader_of(merge->update.fields);
    size_t length = read_map(&reader, LIMIT_FIELDS);
    size_t count = 0;
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        const struct schema_field *field = schema_field_by_number(schema, read_uint(&reader));
        struct reader value = reader_of(read_raw(&reader));
        if (field == NULL) {
            continue; /* part of a rejected update */
        }
        struct part *part = &parts[count];
        *part = (struct part){.index = (size_t)(field - schema->fields)};
        if (names == NULL) {
            part->change = field->declared.codec->read_change(&value, &field->declared);
        } else {
            part->state = field->declared.codec->read_state(&value, &field->declared, names);
        }
        if (value.status == PROTOCOL_NO_MEMORY) {
            hub_fail(merge->hub, HUB_NO_MEMORY);
        }
        count += part->change != NULL || part->state != NULL;
    }
    return count;
}

static void spend_parts(const struct merge *merge, const struct part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        crdt_entry_spend(&merge->row->entries[parts[i].index], parts[i].change);
    }
}

/* False: rejected, or the step has failed. */
static bool check_parts(const struct merge *merge, const struct part *parts, size_t count,
                        const struct crdt_update *update)
{
    for (size_t i = 0; i < count; i++) {
        const struct crdt_field *field = merge->document->fields[parts[i].index];
        enum crdt_status status =
            crdt_field_check(field, &merge->row->entries[parts[i].index], parts[i].change, update);
        if (status == CRDT_NO_MEMORY) {
            hub_fail(merge->hub, HUB_NO_MEMORY);
            return false;
        }
        if (status != CRDT_OK) {
            spend_parts(merge, parts, count);
            reject(merge, code_of(status), merge->document->schema->fields[parts[i].index].number);
            return false;
        }
    }
    return true;
}

static void apply_parts(const struct merge *merge, const struct part *parts, size_t count,
                        const struct crdt_update *update)
{
    for (size_t i = 0; i < count; i++) {
        struct crdt_field *field = merge->document->fields[parts[i].index];
        struct crdt_entry *entry = &merge->row->entries[parts[i].index];
        if (field->type->apply(field, entry, parts[i].change, update) != CRDT_OK) {
            hub_fail(merge->hub, HUB_NO_MEMORY);
        }
    }
    merge->hub->counters.updates++;
    merge->hub->counters.results[UPDATE_DELTA][CODE_NONE]++;
    merge->hub->counters.edits += merge->update.last - merge->update.first + 1;
    settle_row(merge, merge->row, merge->update.last);
}

static void merge_next(const struct merge *merge)
{
    struct part parts[LIMIT_FIELDS];
    size_t count = read_parts(merge, parts, NULL);
    ledger_intern(merge->document, merge->row);
    struct crdt_update update = {.first = merge->update.first,
                                 .last = merge->update.last,
                                 .position = merge->position,
                                 .at_ms = merge->at_ms,
                                 .ordered = true,
                                 .context = context_of(merge),
                                 .replica = merge->row->index};
    if (merge->record->verdict != CODE_NONE) {
        spend_parts(merge, parts, count);
        reject(merge, merge->record->verdict, merge->record->field);
    } else if (check_parts(merge, parts, count, &update)) {
        apply_parts(merge, parts, count, &update);
    }
    for (size_t i = 0; i < count; i++) {
        part_finish(merge, &parts[i]);
    }
}

/* The context's vector with the replicas' rows. False: it names a retired replica, or, for a DELTA,
 * a dot that the ledger lacks. */
static bool read_vector(struct merge *merge, bool raise)
{
    struct reader reader = reader_of(merge->update.context);
    struct packet_context context;
    packet_read_context(&reader, &context);
    for (size_t i = 0; i < context.length; i++) {
        struct packet_seen seen = packet_read_seen(&context.seen);
        struct ledger_row *row = ledger_take(merge->hub, merge->document, &seen.replica);
        if (row == NULL) {
            return false;
        }
        if (seen.seq == 0) {
            continue;
        }
        if (replica_is_retired(merge->document, row) || (!raise && seen.seq > row->seq)) {
            return false;
        }
        ledger_intern(merge->document, row);
        merge->rows[merge->seen_length] = row;
        merge->seen[merge->seen_length++] =
            (struct crdt_seen){.seq = seen.seq, .replica = row->index};
    }
    return true;
}

/* True: the document changed, if only in its ledger. */
static bool merge_delta(struct merge *merge)
{
    struct ledger_row *row = merge->row;
    if (merge->update.last <= row->seq) {
        row->acks++;
        merge->hub->counters.repeats++;
        return false;
    }
    bool refused = merge->record->verdict != CODE_NONE;
    if (replica_is_retired(merge->document, row) || merge->update.first != row->seq + 1 ||
        (!refused && !read_vector(merge, false))) {
        row->gaps++;
        merge->hub->counters.gaps++;
        row->submitted = row->seq;
        return false;
    }
    qsort(merge->seen, merge->seen_length, sizeof *merge->seen, by_replica);
    merge_next(merge);
    return true;
}

static struct ledger_row *row_of(const struct merge *merge, crdt_replica_id id)
{
    for (size_t i = 0; i < merge->seen_length; i++) {
        if (merge->rows[i]->index == id) {
            return merge->rows[i];
        }
    }
    return NULL;
}

static bool find_name(void *context, const struct replica_id *replica, crdt_replica_id *id)
{
    const struct merge *merge = context;
    struct ledger_row *row = ledger_find(merge->document, replica);
    if (row == NULL || !row->interned || row_of(merge, row->index) == NULL) {
        return false;
    }
    *id = row->index;
    return true;
}

static bool find_index(void *context, uint64_t index, crdt_replica_id *id)
{
    const struct merge *merge = context;
    *id = (crdt_replica_id)index;
    return index < merge->document->next_index || index == CRDT_REPLICA_NONE;
}

struct entries {
    const struct merge *merge;
    size_t field;
    struct crdt_entry known; /* of a replica that has an index and no row here: merged long ago */
};

static struct crdt_entry *entry_of(void *context, crdt_replica_id id)
{
    struct entries *entries = context;
    struct ledger_row *row = row_of(entries->merge, id);
    entries->known = (struct crdt_entry){UINT64_MAX, UINT64_MAX};
    return row == NULL ? &entries->known : &row->entries[entries->field];
}

/* What the hub had seen of the replicas in question, before the state. */
static size_t target_vector(const struct merge *merge, struct crdt_seen *target)
{
    assert(merge->seen_length > 0); /* the replica whose state it is, at least */
    for (size_t i = 0; i < merge->seen_length; i++) {
        target[i] =
            (struct crdt_seen){.seq = merge->rows[i]->seq, .replica = merge->rows[i]->index};
    }
    qsort(target, merge->seen_length, sizeof *target, by_replica);
    return merge->seen_length;
}

static void join_parts(struct merge *merge, const struct part *parts, size_t count)
{
    struct crdt_seen target[LIMIT_NAMED_REPLICAS + 1];
    struct entries entries = {.merge = merge};
    struct crdt_join join = {
        .source = context_of(merge),
        .target = {.position = merge->document->position,
                   .seen = target,
                   .length = target_vector(merge, target)},
        .position = merge->position,
        .entry_of = entry_of,
        .context = &entries,
    };
    for (size_t i = 0; i < count; i++) {
        const struct crdt_field *field = merge->document->fields[parts[i].index];
        entries.field = parts[i].index;
        enum crdt_status status = crdt_field_check_join(field, parts[i].state, &join);
        if (status == CRDT_NO_MEMORY) {
            hub_fail(merge->hub, HUB_NO_MEMORY);
            return;
        }
        if (status != CRDT_OK) {
            reject(merge, code_of(status), merge->document->schema->fields[parts[i].index].number);
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct crdt_field *field = merge->document->fields[parts[i].index];
        entries.field = parts[i].index;
        if (field->type->join(field, parts[i].state, &join) != CRDT_OK) {
            hub_fail(merge->hub, HUB_NO_MEMORY);
        }
    }
    /* `seen` and `rows` are in different orders by now: the vector's seqs go to the rows by index.
     */
    merge->hub->counters.updates++;
    merge->hub->counters.results[UPDATE_STATE][CODE_NONE]++;
    for (size_t i = 0; i < merge->seen_length; i++) {
        struct ledger_row *row = merge->rows[i];
        uint64_t seq = crdt_context_seq(&join.source, row->index);
        merge->hub->counters.edits += seq > row->seq ? seq - row->seq : 0;
        settle_row(merge, row, seq);
    }
}

/* True: the document changed. */
static bool merge_state(struct merge *merge)
{
    if (replica_is_retired(merge->document, merge->row) || !read_vector(merge, true)) {
        merge->row->gaps++;
        merge->hub->counters.gaps++;
        return false;
    }
    ledger_intern(merge->document, merge->row);
    struct ledger_row *named = row_of(merge, merge->row->index);
    if (named == NULL) {
        merge->rows[merge->seen_length] = merge->row;
        merge->seen[merge->seen_length++] =
            (struct crdt_seen){.seq = merge->update.last, .replica = merge->row->index};
    }
    qsort(merge->seen, merge->seen_length, sizeof *merge->seen, by_replica);
    if (merge->record->verdict != CODE_NONE) {
        reject(merge, merge->record->verdict, merge->record->field);
        return true;
    }
    size_t dots_left = LIMIT_STATE_DOTS;
    struct codec_names names = {.sender = merge->row->index,
                                .find = find_name,
                                .index = find_index,
                                .dots_left = &dots_left,
                                .context = merge};
    struct part parts[LIMIT_FIELDS];
    size_t count = read_parts(merge, parts, &names);
    join_parts(merge, parts, count);
    for (size_t i = 0; i < count; i++) {
        part_finish(merge, &parts[i]);
    }
    return true;
}

void merge_record(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position, uint64_t at_ms)
{
    struct merge merge = {
        .hub = hub, .document = document, .record = record, .position = position, .at_ms = at_ms};
    struct reader reader = reader_of(record->packet);
    struct packet packet;
    if (!packet_read(&reader, &packet) || packet.kind != record->kind) {
        hub_fail(hub, HUB_CORRUPT);
        return;
    }
    merge.update = packet.update;
    merge.row = ledger_take(hub, document, &record->replica);
    if (merge.row == NULL) {
        return;
    }
    ledger_bind(hub, merge.row, record->principal, true);
    bool changed = record->kind == PACKET_DELTA ? merge_delta(&merge) : merge_state(&merge);
    if (changed) {
        document->position = position;
        store_mark(hub, document, position);
        document_weigh(hub, document);
        expire_watch(hub, document);
    }
    document_touch(hub, document);
}

void merge_batch(struct hub *hub, uint64_t position, struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    uint64_t at_ms = batch_read(&reader);
    struct record record;
    assert(position > hub->position);
    while (hub->status == HUB_OK && record_read(&reader, &record)) {
        struct document *document = document_find(hub, record.name);
        if (document == NULL || !document->ready) {
            hub_fail(hub, HUB_CORRUPT);
        } else if (position > document->stored && record.kind == RECORD_RETIRE) {
            retire_merge(hub, document, &record, position);
        } else if (position > document->stored && record.kind == RECORD_EXPIRE) {
            expire_merge(hub, document, &record, position);
        } else if (position > document->stored && record.kind == RECORD_IMPORT) {
            import_merge(hub, document, &record, position, at_ms);
        } else if (position > document->stored && record.kind == RECORD_ERASE) {
            erase_merge(hub, document, &record, position, at_ms);
        } else if (position > document->stored) {
            merge_record(hub, document, &record, position, at_ms);
        }
    }
    if (!reader_ok(&reader)) {
        hub_fail(hub, HUB_CORRUPT);
    }
    hub->position = position;
}
