#include "server/hub/import.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/counter.h"
#include "protocol/codec.h"
#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/export.h"
#include "server/hub/job.h"
#include "server/hub/pipeline.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

/* --- the export --- */

bool import_read(struct bytes bytes, struct import *import)
{
    struct reader reader = reader_of(bytes);
    size_t more = read_tuple(&reader, 9);
    uint64_t format = read_uint(&reader);
    import->name = read_bin(&reader, LIMIT_DOCUMENT_NAME_BYTES);
    struct bytes journal = read_bin(&reader, JOURNAL_ID_BYTES);
    import->position = read_uint(&reader);
    import->retired_ms = read_uint(&reader);
    import->ledger = read_bin(&reader, LIMIT_BODY_BYTES);
    import->corrections = read_raw(&reader);
    import->fields = read_raw(&reader);
    (void)read_bin(&reader, LIMIT_BODY_BYTES);
    reader_skip(&reader, more);
    if (!reader_ok(&reader) || format != EXPORT_FORMAT || journal.length != JOURNAL_ID_BYTES) {
        return false;
    }
    memcpy(import->journal.bytes, journal.data, JOURNAL_ID_BYTES);
    return true;
}

struct import_row import_read_row(struct reader *reader)
{
    (void)read_tuple(reader, 3);
    struct import_row row = {.replica = packet_read_replica(reader)};
    row.seq = read_uint(reader);
    row.entries = read_array(reader, LIMIT_FIELDS);
    return row;
}

/* --- the merge --- */

/* A replica of the export's ledger, and its row here. */
struct known {
    struct ledger_row *row;
    uint64_t seq;
    struct reader entries;
    size_t entry_count;
};

struct merge {
    struct hub *hub;
    struct document *document;
    const struct record *record;
    uint64_t position;
    uint64_t at_ms;
    struct ledger_row *journal; /* the exporting one's */
    uint64_t journal_seq;
    uint64_t retired_ms;
    struct bytes corrections;
    struct known *known; /* ascending by index */
    struct crdt_seen *source;
    struct crdt_seen *target;
    size_t length;
    struct crdt_field *states[LIMIT_FIELDS]; /* NULL: not part of it, or it counts */
    int64_t growth[LIMIT_FIELDS];
    bool overflows;                  /* so many have counted so much that no number holds it */
    int64_t corrected[LIMIT_FIELDS]; /* by how much the journal's own counts are to be now */
    bool has_correction[LIMIT_FIELDS];
    size_t dots_left;
    uint32_t first_index; /* that the document gives next, before */
};

static size_t index_of(const struct merge *merge, uint64_t number)
{
    const struct schema *schema = merge->document->schema;
    const struct schema_field *field = schema_field_by_number(schema, number);
    return field == NULL ? LIMIT_FIELDS : (size_t)(field - schema->fields);
}

static int by_index(const void *a, const void *b)
{
    uint32_t left = ((const struct known *)a)->row->index;
    uint32_t right = ((const struct known *)b)->row->index;
    return (left > right) - (left < right);
}

static bool add_known(struct merge *merge, struct known known)
{
    struct known *grown = realloc(merge->known, (merge->length + 1) * sizeof *grown);
    if (grown == NULL || known.row == NULL) {
        hub_fail(merge->hub, HUB_NO_MEMORY);
        merge->known = grown == NULL ? merge->known : grown;
        return false;
    }
    merge->known = grown;
    merge->known[merge->length++] = known;
    return true;
}

static struct ledger_row *take_row(struct merge *merge, const struct replica_id *replica)
{
    struct ledger_row *row = ledger_take(merge->hub, merge->document, replica);
    if (row != NULL) {
        row->retired = false; /* it is known again */
        ledger_intern(merge->document, row);
    }
    return row;
}

static void read_ledger(struct merge *merge, struct bytes ledger)
{
    struct reader reader = reader_of(ledger);
    while (merge->hub->status == HUB_OK && reader_ok(&reader) && reader.left.length > 0) {
        struct import_row item = import_read_row(&reader);
        struct known known = {.seq = item.seq, .entries = reader, .entry_count = item.entries};
        for (size_t i = 0; i < item.entries && reader_ok(&reader); i++) {
            reader_skip(&reader, 1);
        }
        if (reader_ok(&reader)) {
            known.row = take_row(merge, &item.replica);
            (void)add_known(merge, known);
        }
    }
    if (!reader_ok(&reader)) {
        hub_fail(merge->hub, HUB_CORRUPT);
    }
}

/* Twice the same replica is the same row: the greater seq counts, as in a vector. */
static void make_vectors(struct merge *merge)
{
    assert(merge->length > 0); /* the journal itself, at least */
    qsort(merge->known, merge->length, sizeof *merge->known, by_index);
    merge->source = calloc(merge->length, sizeof *merge->source);
    merge->target = calloc(merge->length, sizeof *merge->target);
    if (merge->source == NULL || merge->target == NULL) {
        hub_fail(merge->hub, HUB_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < merge->length; i++) {
        const struct known *known = &merge->known[i];
        merge->source[i] = (struct crdt_seen){.seq = known->seq, .replica = known->row->index};
        merge->target[i] = (struct crdt_seen){.seq = known->row->seq, .replica = known->row->index};
    }
}

static bool find_name(void *context, const struct replica_id *replica, crdt_replica_id *id)
{
    const struct merge *merge = context;
    struct ledger_row *row = ledger_find(merge->document, replica);
    if (row == NULL || !row->interned) {
        return false;
    }
    struct crdt_context source = {.seen = merge->source, .length = merge->length};
    *id = row->index;
    return crdt_context_seq(&source, row->index) > 0;
}

static bool no_index(void *context, uint64_t index, crdt_replica_id *id)
{
    (void)context;
    (void)index;
    *id = CRDT_REPLICA_NONE;
    return false;
}

static void read_states(struct merge *merge, struct reader *reader)
{
    struct codec_names names = {.sender = merge->journal->index,
                                .find = find_name,
                                .index = no_index,
                                .dots_left = &merge->dots_left,
                                .context = merge};
    size_t length = read_array(reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        (void)read_tuple(reader, 2);
        size_t at = index_of(merge, read_uint(reader));
        struct reader value = reader_of(read_bin(reader, LIMIT_BODY_BYTES));
        if (at == LIMIT_FIELDS || merge->states[at] != NULL ||
            merge->document->fields[at]->type->total != NULL) {
            continue;
        }
        const struct declaration *declared = &merge->document->schema->fields[at].declared;
        merge->states[at] = declared->codec->read_state(&value, declared, &names);
        reader_fail(reader, value.status);
    }
}

/* What a journal has forgotten is not counted on, but told anew: the later word stands. */
static bool is_journal(const struct known *known)
{
    return replica_id_time_ms(&known->row->replica) == EXPORT_TIME_MS;
}

/* What the field grows by, if the replica's entry is raised to what the export says. */
static int64_t growth_of(const struct merge *merge, const struct known *known, size_t field,
                         struct crdt_entry *claimed)
{
    struct reader entries = known->entries;
    struct crdt_entry before = known->row->entries[field];
    bool told_anew = is_journal(known) && known->seq > known->row->seq;
    *claimed = before;
    if (told_anew) {
        *claimed = (struct crdt_entry){0};
    }
    for (size_t i = 0; i < known->entry_count; i++) {
        (void)read_tuple(&entries, 3);
        size_t at = index_of(merge, read_uint(&entries));
        struct crdt_entry entry = {.up = read_uint(&entries)};
        entry.down = read_uint(&entries);
        if (at == field && (told_anew || !is_journal(known))) {
            *claimed = entry;
        }
    }
    return told_anew ? (int64_t)(claimed->up - claimed->down - before.up + before.down)
                     : crdt_entry_growth(before, *claimed);
}

/* Of two exports of one journal the later one is right about what it had forgotten. */
static void read_corrections(struct merge *merge)
{
    struct reader reader = reader_of(merge->corrections);
    size_t length = read_array(&reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        (void)read_tuple(&reader, 2);
        size_t at = index_of(merge, read_uint(&reader));
        int64_t amount = read_int(&reader);
        if (at < LIMIT_FIELDS && merge->journal_seq > merge->journal->seq) {
            const struct crdt_entry *before = &merge->journal->entries[at];
            merge->corrected[at] = amount;
            merge->has_correction[at] = true;
            merge->growth[at] = amount - (int64_t)(before->up - before->down);
        }
    }
    if (!reader_ok(&reader)) {
        hub_fail(merge->hub, HUB_CORRUPT);
    }
}

static void count(struct merge *merge)
{
    read_corrections(merge);
    for (size_t field = 0; field < merge->document->schema->length; field++) {
        for (size_t i = 0; i < merge->length; i++) {
            struct crdt_entry claimed;
            const struct known *known = &merge->known[i];
            int64_t *growth = &merge->growth[field];
            if (known->row != merge->journal &&
                __builtin_add_overflow(*growth, growth_of(merge, known, field, &claimed), growth)) {
                merge->overflows = true;
            }
        }
    }
}

/* What counts does not come here: its growth is worked out already. */
static struct crdt_entry *no_entry(void *context, crdt_replica_id replica)
{
    (void)replica;
    return context;
}

static struct crdt_join join_of(const struct merge *merge, struct crdt_entry *none)
{
    return (struct crdt_join){
        .source = {.position = merge->record->position,
                   .seen = merge->source,
                   .length = merge->length},
        .target = {.position = merge->document->position,
                   .seen = merge->target,
                   .length = merge->length},
        .position = merge->position,
        .entry_of = no_entry,
        .context = none,
    };
}

static enum crdt_status check(const struct merge *merge, const struct crdt_join *join)
{
    enum crdt_status status = merge->overflows ? CRDT_OVERFLOW : CRDT_OK;
    for (size_t i = 0; i < merge->document->schema->length && status == CRDT_OK; i++) {
        struct crdt_field *field = merge->document->fields[i];
        if (field->type->grow != NULL) {
            status = field->type->grow(field, merge->growth[i], 0);
        } else if (merge->states[i] != NULL) {
            status = crdt_field_check_join(field, merge->states[i], join);
        }
    }
    return status;
}

static void apply_fields(const struct merge *merge, const struct crdt_join *join)
{
    for (size_t i = 0; i < merge->document->schema->length; i++) {
        struct crdt_field *field = merge->document->fields[i];
        enum crdt_status status = CRDT_OK;
        if (field->type->grow != NULL) {
            status = field->type->grow(field, merge->growth[i], merge->position);
        } else if (merge->states[i] != NULL) {
            status = field->type->join(field, merge->states[i], join);
        }
        if (status != CRDT_OK) {
            hub_fail(merge->hub, HUB_NO_MEMORY);
        }
    }
}

static void settle_row(const struct merge *merge, struct ledger_row *row)
{
    row->position = merge->position;
    row->at_ms = merge->at_ms;
    row->acks++;
    if (row->owner != NULL) {
        stream_touch(merge->hub, row->owner);
    }
}

static void raise_row(const struct merge *merge, const struct known *known)
{
    struct ledger_row *row = known->row;
    bool changed = known->seq > row->seq || row->position == 0;
    for (size_t i = 0; i < merge->document->schema->length; i++) {
        struct crdt_entry claimed;
        struct crdt_entry before = row->entries[i];
        (void)growth_of(merge, known, i, &claimed);
        if (is_journal(known)) {
            row->entries[i] = claimed;
        } else {
            crdt_entry_raise(&row->entries[i], claimed);
        }
        changed = changed || row->entries[i].up != before.up || row->entries[i].down != before.down;
    }
    row->seq = known->seq > row->seq ? known->seq : row->seq;
    if (changed) {
        settle_row(merge, row);
    }
}

static void correct(const struct merge *merge)
{
    struct ledger_row *row = merge->journal;
    if (merge->journal_seq <= row->seq) {
        return;
    }
    row->seq = merge->journal_seq;
    for (size_t i = 0; i < merge->document->schema->length; i++) {
        int64_t amount = merge->corrected[i];
        if (merge->has_correction[i]) {
            row->entries[i] = (struct crdt_entry){.up = amount > 0 ? (uint64_t)amount : 0,
                                                  .down = amount < 0 ? (uint64_t)-amount : 0};
        }
    }
    settle_row(merge, row);
}

static bool has_changed(const struct merge *merge)
{
    bool changed = merge->journal->position == merge->position;
    for (size_t i = 0; i < merge->length; i++) {
        changed = changed || merge->known[i].row->position == merge->position;
    }
    for (size_t i = 0; i < merge->document->schema->length; i++) {
        changed = changed || merge->document->fields[i]->position == merge->position;
    }
    return changed;
}

static void apply(const struct merge *merge, const struct crdt_join *join)
{
    struct document *document = merge->document;
    apply_fields(merge, join);
    for (size_t i = 0; i < merge->length; i++) {
        if (merge->known[i].row != merge->journal) {
            raise_row(merge, &merge->known[i]);
        }
    }
    correct(merge);
    if (merge->retired_ms > document->retired_ms) {
        document->retired_ms = merge->retired_ms;
    }
}

static void tell(const struct merge *merge, enum crdt_status status, bool changed)
{
    static const char *const reasons[] = {[CRDT_OVERFLOW] = "OVERFLOW",
                                          [CRDT_OUT_OF_BOUNDS] = "OUT_OF_BOUNDS",
                                          [CRDT_TOO_MANY] = "TOO_MANY"};
    buffer_clear(&merge->hub->scratch);
    struct writer writer = writer_to(&merge->hub->scratch);
    write_map(&writer, 3);
    write_text(&writer, "changed");
    write_bool(&writer, changed);
    write_text(&writer, "position");
    write_wide(&writer, (int64_t)merge->position);
    write_text(&writer, "refused");
    if (status == CRDT_OK) {
        write_nil(&writer);
    } else {
        write_text(&writer, reasons[status]);
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(merge->hub, HUB_NO_MEMORY);
        return;
    }
    jobs_merged(merge->hub, merge->document, buffer_bytes(&merge->hub->scratch));
}

static void join(struct merge *merge)
{
    struct document *document = merge->document;
    struct crdt_entry none = {0};
    struct crdt_join step = join_of(merge, &none);
    enum crdt_status status = check(merge, &step);
    if (status == CRDT_NO_MEMORY) {
        hub_fail(merge->hub, HUB_NO_MEMORY);
        return;
    }
    if (status == CRDT_OK) {
        apply(merge, &step);
    }
    bool changed = status == CRDT_OK && has_changed(merge);
    if (changed || document->next_index != merge->first_index) {
        document->position = merge->position;
        store_mark(merge->hub, document, merge->position);
        document_weigh(merge->hub, document);
        expire_watch(merge->hub, document);
        document_touch(merge->hub, document);
    }
    tell(merge, status, changed);
}

static void finish(struct merge *merge)
{
    for (size_t i = 0; i < merge->document->schema->length; i++) {
        merge->document->fields[i]->type->destroy(merge->states[i]);
    }
    free(merge->known);
    free(merge->source);
    free(merge->target);
}

void import_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position, uint64_t at_ms)
{
    struct merge merge = {.hub = hub,
                          .document = document,
                          .record = record,
                          .position = position,
                          .at_ms = at_ms,
                          .dots_left = SIZE_MAX / 2,
                          .first_index = document->next_index};
    struct reader reader = reader_of(record->packet);
    (void)read_tuple(&reader, 5);
    merge.retired_ms = read_uint(&reader);
    merge.journal_seq = read_uint(&reader);
    struct bytes ledger = read_bin(&reader, LIMIT_BODY_BYTES);
    merge.corrections = read_raw(&reader);
    merge.journal = take_row(&merge, &record->replica);
    if (merge.journal != NULL &&
        add_known(&merge, (struct known){.row = merge.journal, .seq = merge.journal_seq})) {
        read_ledger(&merge, ledger);
    }
    if (hub->status == HUB_OK) {
        make_vectors(&merge);
    }
    if (hub->status == HUB_OK) {
        read_states(&merge, &reader);
    }
    if (hub->status == HUB_OK && !reader_ok(&reader)) {
        hub_fail(hub, reader.status == PROTOCOL_NO_MEMORY ? HUB_NO_MEMORY : HUB_CORRUPT);
    }
    if (hub->status == HUB_OK) {
        count(&merge);
        join(&merge);
    }
    finish(&merge);
}
