/*
 * An operator's call `import`: parts are gathered until the last one; then the document is loaded,
 * and what depends on this hub is decided: whether its journal has all of it already, whether the
 * two can be told apart, and which field is which. What is left is a record (import.h).
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/export.h"
#include "server/hub/import.h"
#include "server/hub/job.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

enum { UPLOAD_BYTES = 256 << 20, BUSY_RETRY_MS = 1000 };

/* What an import becomes here. */
struct plan {
    struct hub *hub;
    struct document *document;
    struct import import;
    const struct schema_field *fields[LIMIT_FIELDS]; /* by the place in the export */
    uint64_t numbers[LIMIT_FIELDS];                  /* there */
    struct bytes states[LIMIT_FIELDS];
    size_t length;
    uint64_t position; /* up to which both have the same history */
    struct buffer ledger;
    struct replica_id *names; /* of the ledger, in order */
    size_t name_count;
    const char *refusal; /* a sentence; NULL: none */
};

static void refuse(struct plan *plan, const char *text)
{
    plan->refusal = plan->refusal == NULL ? text : plan->refusal;
}

/* --- fields --- */

static bool is_declared_so(const struct schema_field *field, struct bytes type,
                           struct bytes options)
{
    uint8_t bytes[LIMIT_TEXT_BYTES]; /* so that it is not for want of memory that they differ */
    struct buffer buffer = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&buffer);
    declaration_write(&writer, &field->declared);
    struct reader reader = reader_of(buffer_bytes(&buffer));
    return bytes_equal(read_raw(&reader), type) && bytes_equal(read_raw(&reader), options);
}

static void read_field(struct plan *plan, struct reader *reader)
{
    size_t more = read_tuple(reader, 5);
    uint64_t number = read_uint(reader);
    struct bytes name = read_string(reader, LIMIT_SCHEMA_NAME_BYTES);
    struct bytes type = read_raw(reader);
    struct bytes options = read_raw(reader);
    struct bytes state = read_bin(reader, LIMIT_BODY_BYTES);
    reader_skip(reader, more);
    const struct schema_field *field = schema_field_by_name(plan->document->schema, name);
    if (!reader_ok(reader)) {
        return;
    }
    if (field == NULL || !is_declared_so(field, type, options)) {
        refuse(plan, "A field of the document is not declared here as it was there: declare it so "
                     "first.");
        return;
    }
    plan->numbers[plan->length] = number;
    plan->states[plan->length] = state;
    plan->fields[plan->length++] = field;
}

static const struct schema_field *field_of(const struct plan *plan, uint64_t number)
{
    for (size_t i = 0; i < plan->length; i++) {
        if (plan->numbers[i] == number) {
            return plan->fields[i];
        }
    }
    return NULL;
}

static void read_fields(struct plan *plan)
{
    struct reader reader = reader_of(plan->import.fields);
    size_t length = read_array(&reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(&reader) && plan->refusal == NULL; i++) {
        read_field(plan, &reader);
    }
    if (!reader_ok(&reader)) {
        refuse(plan, "This is no export, or it is damaged.");
    }
}

/* --- ledger --- */

/* Whether the name stands for what a journal of this hub's line has forgotten. */
static bool is_own(const struct hub *hub, const struct replica_id *replica, uint32_t *index)
{
    *index = 0;
    for (size_t i = 0; i < 4; i++) {
        *index = *index << 8 | replica->bytes[REPLICA_BYTES - 4 + i];
    }
    struct replica_id name = export_name(&hub->config.journal, *index);
    bool own = replica_id_equal(&name, replica);
    for (size_t i = 0; i < hub->config.ancestor_count; i++) {
        name = export_name(&hub->ancestors[i].journal, *index);
        own = own || replica_id_equal(&name, replica);
    }
    return own;
}

/* The entries by this hub's numbers. */
static void copy_entries(struct plan *plan, struct reader *reader, size_t count,
                         struct writer *writer)
{
    write_array(writer, count);
    for (size_t i = 0; i < count && reader_ok(reader); i++) {
        (void)read_tuple(reader, 3);
        const struct schema_field *field = field_of(plan, read_uint(reader));
        uint64_t up = read_uint(reader);
        uint64_t down = read_uint(reader);
        if (field == NULL || up > (uint64_t)CRDT_INTEGER_MAX || down > (uint64_t)CRDT_INTEGER_MAX) {
            reader_fail(reader, PROTOCOL_MALFORMED);
            return;
        }
        write_array(writer, 3);
        write_uint(writer, field->number);
        write_uint(writer, up);
        write_uint(writer, down);
    }
}

static void copy_row(struct plan *plan, struct reader *reader, struct writer *writer)
{
    struct import_row row = import_read_row(reader);
    uint32_t index;
    if (!reader_ok(reader)) {
        return;
    }
    if (is_own(plan->hub, &row.replica, &index)) {
        if (index != CRDT_REPLICA_NONE || row.entries > 0) {
            refuse(plan, "The export holds what this hub has forgotten who made: it cannot tell "
                         "what of it it has.");
        }
        reader_skip(reader, row.entries);
        return;
    }
    write_array(writer, 3);
    write_bin(writer, replica_id_bytes(&row.replica));
    write_uint(writer, row.seq);
    copy_entries(plan, reader, row.entries, writer);
    if (row.seq == 0 || row.seq > (uint64_t)CRDT_INTEGER_MAX) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    plan->names[plan->name_count++] = row.replica;
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, REPLICA_BYTES); }

/* A row has at least 19 bytes. */
static void read_ledger(struct plan *plan)
{
    struct reader reader = reader_of(plan->import.ledger);
    struct writer writer = writer_to(&plan->ledger);
    plan->names = calloc(plan->import.ledger.length / 19 + 2, sizeof *plan->names);
    if (plan->names == NULL) {
        hub_fail(plan->hub, HUB_NO_MEMORY);
        return;
    }
    plan->names[plan->name_count++] = export_name(&plan->import.journal, CRDT_REPLICA_NONE);
    while (reader_ok(&reader) && reader.left.length > 0 && plan->refusal == NULL) {
        copy_row(plan, &reader, &writer);
    }
    if (!reader_ok(&reader)) {
        refuse(plan, "This is no export, or it is damaged.");
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(plan->hub, HUB_NO_MEMORY);
    }
    qsort(plan->names, plan->name_count, sizeof *plan->names, by_bytes);
    for (size_t i = 1; i < plan->name_count; i++) {
        if (replica_id_equal(&plan->names[i - 1], &plan->names[i])) { /* it would count twice */
            refuse(plan, "This is no export, or it is damaged.");
        }
    }
}

/* --- states --- */

static bool accept_known(void *context, const struct replica_id *replica, crdt_replica_id *id)
{
    const struct plan *plan = context;
    *id = 0;
    return bsearch(replica, plan->names, plan->name_count, sizeof *plan->names, by_bytes) != NULL;
}

static bool accept_none(void *context, uint64_t index, crdt_replica_id *id)
{
    (void)context;
    (void)index;
    *id = CRDT_REPLICA_NONE;
    return false;
}

static void try_state(struct plan *plan, const struct schema_field *field, struct bytes state)
{
    const struct declaration *declared = &field->declared;
    size_t dots_left = SIZE_MAX / 2;
    struct codec_names names = {
        .find = accept_known, .index = accept_none, .dots_left = &dots_left, .context = plan};
    struct reader reader = reader_of(state);
    struct crdt_field *read = declared->codec->read_state(&reader, declared, &names);
    if (reader.status == PROTOCOL_NO_MEMORY) {
        hub_fail(plan->hub, HUB_NO_MEMORY);
    } else if (read == NULL || reader.left.length > 0) {
        refuse(plan,
               "A field of the export cannot be read: it is damaged, holds more than an import "
               "may, or what this hub has forgotten who made.");
    } else if (crdt_field_is_ahead(read, plan->hub->now_ms)) {
        refuse(plan, hub_code_text(CODE_CLOCK_AHEAD));
    }
    declared->crdt.type->destroy(read);
}

static void try_states(struct plan *plan)
{
    for (size_t i = 0; i < plan->length && plan->refusal == NULL; i++) {
        if (plan->fields[i]->declared.crdt.type->total == NULL) {
            try_state(plan, plan->fields[i], plan->states[i]);
        }
    }
}

/* --- what the two share --- */

static bool counts_more_than_it_knows(const struct plan *plan)
{
    struct reader reader = reader_of(plan->import.corrections);
    size_t length = read_array(&reader, LIMIT_FIELDS);
    bool any = false;
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        (void)read_tuple(&reader, 2);
        (void)read_uint(&reader);
        any = read_int(&reader) != 0 || any;
    }
    for (size_t i = 0; i < plan->document->schema->length; i++) {
        any = any || export_correction(plan->document, i) != 0;
    }
    return any;
}

/* Whether this hub's journal has all of it. */
static bool is_covered(struct plan *plan)
{
    const struct import *import = &plan->import;
    bool related = hub_resolve(plan->hub, &import->journal, import->position, &plan->position);
    plan->position = plan->position < plan->hub->position ? plan->position : plan->hub->position;
    if (related && plan->position == import->position) {
        return true;
    }
    bool fresh = plan->document->position == 0 && plan->document->next_index == 0;
    if (!fresh && import->retired_ms != plan->document->retired_ms) {
        refuse(plan,
               "One of the two hubs has forgotten replicas of this document that the other may "
               "still count: it cannot be joined, only imported where there is none.");
    }
    if (!fresh && related && counts_more_than_it_knows(plan)) {
        refuse(plan,
               "A counter of the document has forgotten who counted, or was refused counts, on "
               "one of the two hubs since they parted: it cannot be joined.");
    }
    return false;
}

/* --- the record --- */

static void write_corrections(struct plan *plan, struct writer *writer)
{
    struct reader reader = reader_of(plan->import.corrections);
    size_t length = read_array(&reader, LIMIT_FIELDS);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        (void)read_tuple(&reader, 2);
        const struct schema_field *field = field_of(plan, read_uint(&reader));
        int64_t amount = read_int(&reader);
        bool fits = amount >= -CRDT_INTEGER_MAX && amount <= CRDT_INTEGER_MAX;
        if (!reader_ok(&reader) || field == NULL || !fits) {
            refuse(plan, "This is no export, or it is damaged.");
            return;
        }
        write_array(writer, 2);
        write_uint(writer, field->number);
        write_int(writer, amount);
    }
}

static void write_packet(struct plan *plan, struct writer *writer)
{
    write_array(writer, 5);
    write_uint(writer, plan->import.retired_ms);
    write_uint(writer, plan->import.position);
    write_bin(writer, buffer_bytes(&plan->ledger));
    write_corrections(plan, writer);
    write_array(writer, plan->length);
    for (size_t i = 0; i < plan->length; i++) {
        write_array(writer, 2);
        write_uint(writer, plan->fields[i]->number);
        write_bin(writer, plan->states[i]);
    }
}

static void submit(struct plan *plan, struct job *job)
{
    struct buffer packet;
    buffer_init(&packet, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&packet);
    write_packet(plan, &writer);
    struct record record = {.kind = RECORD_IMPORT,
                            .name = document_name(plan->document),
                            .replica = export_name(&plan->import.journal, CRDT_REPLICA_NONE),
                            .position = plan->position,
                            .field = UINT32_MAX,
                            .packet = buffer_bytes(&packet)};
    if (writer.status != PROTOCOL_OK) {
        hub_fail(plan->hub, HUB_NO_MEMORY);
    } else if (plan->refusal == NULL) {
        job_submit(plan->hub, job, &record);
    }
    buffer_finish(&packet);
}

static void answer_unchanged(struct plan *plan, struct job *job)
{
    struct writer writer = operator_begin(plan->hub);
    write_map(&writer, 3);
    write_pair_bool(&writer, "changed", false);
    write_pair_position(&writer, "position", plan->document->position);
    write_text(&writer, "refused");
    write_nil(&writer);
    if (writer.status == PROTOCOL_OK) {
        job_answer(plan->hub, job, buffer_bytes(&plan->hub->scratch));
    } else {
        hub_fail(plan->hub, HUB_NO_MEMORY);
    }
}

static void carry_out(struct plan *plan, struct job *job)
{
    if (is_covered(plan)) {
        answer_unchanged(plan, job);
        return;
    }
    read_fields(plan);
    if (plan->refusal == NULL) {
        read_ledger(plan);
    }
    if (plan->hub->status == HUB_OK && plan->refusal == NULL) {
        try_states(plan);
    }
    if (plan->hub->status == HUB_OK && plan->refusal == NULL) {
        submit(plan, job);
    }
    if (plan->refusal != NULL) {
        job_refuse(plan->hub, job, CODE_BAD_PARAMETERS, plan->refusal);
    }
}

static void ready(struct hub *hub, struct job *job)
{
    struct plan plan = {.hub = hub, .document = job->document};
    buffer_init(&plan.ledger, LIMIT_BODY_BYTES);
    if (import_read(buffer_bytes(&job->body), &plan.import)) {
        carry_out(&plan, job);
    } else {
        job_refuse(hub, job, CODE_BAD_PARAMETERS, "This is no export, or it is damaged.");
    }
    buffer_finish(&plan.ledger);
    free(plan.names);
}

/* --- the call --- */

static void begin(const struct operator_call *call)
{
    struct buffer *upload = &call->connection->upload;
    struct import import;
    if (!import_read(buffer_bytes(upload), &import)) {
        operator_refuse(call->hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        "This is no export, or one of a newer version.");
        return;
    }
    struct job *job = job_begin(call, import.name, ready);
    if (job != NULL) {
        job->body = *upload;
        buffer_init(upload, UPLOAD_BYTES);
    }
}

void operator_import(const struct operator_call *call)
{
    static const uint8_t nil = 0xc0;
    struct buffer *upload = &call->connection->upload;
    size_t before = upload->length;
    if (upload->length == 0) {
        buffer_finish(upload);
        buffer_init(upload, UPLOAD_BYTES);
    }
    enum protocol_status status =
        buffer_append(upload, call->values[0].text.data, call->values[0].text.length);
    if (status == PROTOCOL_NO_MEMORY) {
        buffer_finish(upload);
        connection_error(call->hub, call->connection, call->id, CODE_BUSY, BUSY_RETRY_MS);
    } else if (status != PROTOCOL_OK) {
        buffer_finish(upload);
        operator_refuse(call->hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        "A document's export may have 256 MiB.");
    } else if (operator_number(&call->values[1], 0) == 1) {
        struct packet packet = {.kind = PACKET_RESULT, .id = call->id};
        packet.call.value = (struct bytes){&nil, 1};
        connection_answer(call->hub, call->connection, &packet);
    } else if (job_has_room(call)) {
        begin(call);
        buffer_finish(upload);
    } else {
        upload->length = before; /* the last part is to be sent again */
    }
}
