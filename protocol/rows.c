#include "protocol/rows.h"

#include "protocol/limits.h"

static void write_document(struct writer *writer, const struct row *row)
{
    write_array(writer, 5);
    write_uint(writer, row->kind);
    write_bin(writer, row->name);
    write_uint(writer, row->position);
    write_uint(writer, row->next_index);
    write_uint(writer, row->retired_ms);
}

static void write_field(struct writer *writer, const struct row *row)
{
    write_array(writer, 4);
    write_uint(writer, row->kind);
    write_uint(writer, row->field);
    write_uint(writer, row->position);
    write_uint(writer, row->horizon);
}

static void write_entry(struct writer *writer, const struct row *row)
{
    write_array(writer, 6);
    write_uint(writer, row->kind);
    write_uint(writer, row->field);
    write_bin(writer, row->key);
    write_uint(writer, row->position);
    write_bin(writer, row->shown);
    write_bin(writer, row->detail);
}

static void write_removal(struct writer *writer, const struct row *row)
{
    write_array(writer, 4);
    write_uint(writer, row->kind);
    write_uint(writer, row->field);
    write_bin(writer, row->key);
    write_uint(writer, row->position);
}

static void write_replica(struct writer *writer, const struct row *row)
{
    write_array(writer, 8);
    write_uint(writer, row->kind);
    write_bin(writer, replica_id_bytes(&row->replica));
    write_uint(writer, row->index);
    write_uint(writer, row->seq);
    write_uint(writer, row->position);
    write_uint(writer, row->at_ms);
    write_bin(writer, row->detail);
    write_bin(writer, row->principal);
}

static void write_rejected(struct writer *writer, const struct row *row)
{
    write_array(writer, 8);
    write_uint(writer, row->kind);
    write_bin(writer, replica_id_bytes(&row->replica));
    write_uint(writer, row->seq);
    write_uint(writer, row->at_ms);
    write_bin(writer, row->code);
    write_bin(writer, row->text);
    write_bin(writer, row->detail);
    write_uint(writer, row->index);
}

static void write_target(struct writer *writer, const struct row *row)
{
    write_array(writer, 8);
    write_uint(writer, row->kind);
    write_bin(writer, row->name);
    write_bin(writer, row->key);
    write_uint(writer, row->position);
    write_uint(writer, row->index);
    write_uint(writer, row->horizon);
    write_bool(writer, row->paused);
    write_uint(writer, row->next_index);
}

static void write_waiting(struct writer *writer, const struct row *row)
{
    write_array(writer, 5);
    write_uint(writer, row->kind);
    write_bin(writer, row->name);
    write_uint(writer, row->position);
    write_uint(writer, row->at_ms);
    write_uint(writer, row->seq);
}

static void write_letter(struct writer *writer, const struct row *row)
{
    write_array(writer, 9);
    write_uint(writer, row->kind);
    write_uint(writer, row->index);
    write_bin(writer, row->name);
    write_uint(writer, row->horizon);
    write_uint(writer, row->position);
    write_uint(writer, row->at_ms);
    write_uint(writer, row->seq);
    write_uint(writer, row->field);
    write_bin(writer, row->text);
}

static void write_resent(struct writer *writer, const struct row *row)
{
    write_array(writer, 2);
    write_uint(writer, row->kind);
    write_uint(writer, row->index);
}

/* RETIRED, SILENT, WALKED and DELIVERED. */
static void write_one(struct writer *writer, const struct row *row, struct bytes value)
{
    write_array(writer, 2);
    write_uint(writer, row->kind);
    write_bin(writer, value);
}

static void write_copy(struct writer *writer, const struct row *row)
{
    write_array(writer, 4);
    write_uint(writer, row->kind);
    write_uint(writer, row->position);
    write_uint(writer, row->index);
    write_bin(writer, row->detail);
}

void row_write(struct writer *writer, const struct row *row)
{
    switch (row->kind) {
    case ROW_DOCUMENT:
        write_document(writer, row);
        return;
    case ROW_FIELD:
        write_field(writer, row);
        return;
    case ROW_ENTRY:
        write_entry(writer, row);
        return;
    case ROW_REMOVAL:
        write_removal(writer, row);
        return;
    case ROW_REPLICA:
        write_replica(writer, row);
        return;
    case ROW_REJECTED:
        write_rejected(writer, row);
        return;
    case ROW_RETIRED:
    case ROW_SILENT:
        write_one(writer, row, replica_id_bytes(&row->replica));
        return;
    case ROW_WALKED:
        write_one(writer, row, row->key);
        return;
    case ROW_ERASED:
        write_one(writer, row, (struct bytes){0});
        return;
    case ROW_COPY:
        write_copy(writer, row);
        return;
    case ROW_TARGET:
        write_target(writer, row);
        return;
    case ROW_WAITING:
        write_waiting(writer, row);
        return;
    case ROW_DELIVERED:
        write_one(writer, row, row->name);
        return;
    case ROW_LETTER:
        write_letter(writer, row);
        return;
    case ROW_RESENT:
        write_resent(writer, row);
        return;
    }
}

static struct bytes read_blob(struct reader *reader) { return read_bin(reader, LIMIT_BODY_BYTES); }

static struct replica_id read_replica(struct reader *reader)
{
    struct replica_id id = {{0}};
    if (!replica_id_from_bytes(read_bin(reader, REPLICA_BYTES), &id)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return id;
}

static void read_target(struct reader *reader, struct row *row)
{
    row->name = read_bin(reader, LIMIT_SCHEMA_NAME_BYTES);
    row->key = read_bin(reader, LIMIT_SCHEMA_NAME_BYTES);
    row->position = read_uint(reader);
    row->index = read_uint(reader);
    row->horizon = read_uint(reader);
    row->paused = read_bool(reader);
    row->next_index = read_uint(reader);
}

static void read_waiting(struct reader *reader, struct row *row)
{
    row->name = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
    row->position = read_uint(reader);
    row->at_ms = read_uint(reader);
    row->seq = read_uint(reader);
}

static void read_letter(struct reader *reader, struct row *row)
{
    row->index = read_uint(reader);
    row->name = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
    row->horizon = read_uint(reader);
    row->position = read_uint(reader);
    row->at_ms = read_uint(reader);
    row->seq = read_uint(reader);
    row->field = (uint32_t)read_uint(reader);
    row->text = read_bin(reader, LIMIT_TEXT_BYTES);
}

static void read_fields(struct reader *reader, struct row *row)
{
    switch (row->kind) {
    case ROW_DOCUMENT:
        row->name = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
        row->position = read_uint(reader);
        row->next_index = read_uint(reader);
        row->retired_ms = read_uint(reader);
        return;
    case ROW_FIELD:
        row->field = (uint32_t)read_uint(reader);
        row->position = read_uint(reader);
        row->horizon = read_uint(reader);
        return;
    case ROW_ENTRY:
        row->field = (uint32_t)read_uint(reader);
        row->key = read_blob(reader);
        row->position = read_uint(reader);
        row->shown = read_blob(reader);
        row->detail = read_blob(reader);
        return;
    case ROW_REMOVAL:
        row->field = (uint32_t)read_uint(reader);
        row->key = read_blob(reader);
        row->position = read_uint(reader);
        return;
    case ROW_REPLICA:
        row->replica = read_replica(reader);
        row->index = read_uint(reader);
        row->seq = read_uint(reader);
        row->position = read_uint(reader);
        row->at_ms = read_uint(reader);
        row->detail = read_blob(reader);
        row->principal = read_blob(reader);
        return;
    case ROW_REJECTED:
        row->replica = read_replica(reader);
        row->seq = read_uint(reader);
        row->at_ms = read_uint(reader);
        row->code = read_blob(reader);
        row->text = read_blob(reader);
        row->detail = read_blob(reader);
        row->index = read_uint(reader);
        return;
    case ROW_RETIRED:
    case ROW_SILENT:
        row->replica = read_replica(reader);
        return;
    case ROW_WALKED:
        row->key = read_bin(reader, LIMIT_ROW_WALK_BYTES);
        return;
    case ROW_ERASED:
        (void)read_bin(reader, 0);
        return;
    case ROW_COPY:
        row->position = read_uint(reader);
        row->index = read_uint(reader);
        row->detail = read_blob(reader);
        return;
    case ROW_TARGET:
        read_target(reader, row);
        return;
    case ROW_WAITING:
        read_waiting(reader, row);
        return;
    case ROW_DELIVERED:
        row->name = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
        return;
    case ROW_LETTER:
        read_letter(reader, row);
        return;
    case ROW_RESENT:
        row->index = read_uint(reader);
        return;
    }
    reader_fail(reader, PROTOCOL_MALFORMED);
}

bool row_read(struct reader *reader, struct row *row)
{
    if (!reader_ok(reader) || reader->left.length == 0) {
        return false;
    }
    size_t more = read_tuple(reader, 1);
    *row = (struct row){.kind = (enum row_kind)read_uint(reader)};
    if (more == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    read_fields(reader, row);
    return reader_ok(reader);
}

void row_request_write(struct writer *writer, const struct row_request *request)
{
    write_array(writer, 9);
    write_uint(writer, request->kind);
    write_bin(writer, request->name);
    write_bool(writer, request->document);
    write_uint(writer, request->silent_before_ms);
    write_uint(writer, request->before);
    write_uint(writer, request->limit);
    write_bin(writer, request->search);
    write_bin(writer, request->after);
    write_array(writer, request->length);
    for (size_t i = 0; i < request->length; i++) {
        write_bin(writer, replica_id_bytes(&request->replicas[i]));
    }
}

bool row_request_read(struct reader *reader, struct row_request *request)
{
    (void)read_tuple(reader, 9);
    *request = (struct row_request){.kind = (enum row_request_kind)read_uint(reader)};
    request->name = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
    request->document = read_bool(reader);
    request->silent_before_ms = read_uint(reader);
    request->before = read_uint(reader);
    request->limit = read_uint(reader);
    request->search = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
    request->after = read_bin(reader, LIMIT_ROW_WALK_BYTES);
    request->length = read_array(reader, LIMIT_OBJECTS);
    request->left = *reader;
    return reader_ok(reader);
}

bool row_request_next(struct row_request *request, struct replica_id *replica)
{
    if (request->length == 0) {
        return false;
    }
    request->length--;
    *replica = read_replica(&request->left);
    return reader_ok(&request->left);
}
