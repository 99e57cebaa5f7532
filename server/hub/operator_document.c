/*
 * An operator's call `document`: one document, and who wrote to it last.
 *
 * A writer's row in memory is newer than the database's, but may leave memory while the database is
 * read. So those in memory are kept when the rows are asked for, and what the database has besides
 * joins them.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/rows.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

/* Latest first. */
struct writers {
    struct row rows[LIMIT_LISTED_WRITERS];
    size_t length;
};

static bool is_later(const struct row *a, const struct row *b)
{
    if (a->position != b->position) {
        return a->position > b->position;
    }
    return memcmp(a->replica.bytes, b->replica.bytes, REPLICA_BYTES) > 0;
}

/* Into its place, if it is among the latest. */
static void add_writer(struct writers *writers, const struct row *row)
{
    size_t at = writers->length;
    if (at == LIMIT_LISTED_WRITERS && !is_later(row, &writers->rows[at - 1])) {
        return;
    }
    at = at < LIMIT_LISTED_WRITERS ? writers->length++ : at - 1;
    while (at > 0 && is_later(row, &writers->rows[at - 1])) {
        writers->rows[at] = writers->rows[at - 1];
        at--;
    }
    writers->rows[at] = *row;
}

/* --- what memory knows --- */

/* The youngest rows are at the end: begun there, few have to make room for a later one. */
static void gather(const struct document *document, struct writers *writers)
{
    uint32_t length = document->ledger.length;
    uint32_t end = length < LIMIT_LOOKED_AT ? 0 : length - LIMIT_LOOKED_AT;
    for (uint32_t i = length; i > end; i--) {
        const struct ledger_row *row = document->ledger.places[i - 1].item;
        if (row->interned) {
            add_writer(writers, &(struct row){.kind = ROW_REPLICA,
                                              .replica = row->replica,
                                              .index = row->index,
                                              .seq = row->seq,
                                              .position = row->position,
                                              .at_ms = row->at_ms});
        }
    }
}

static void keep_writers(struct hub *hub, struct operator_request *request)
{
    struct writers writers = {.length = 0};
    struct writer writer = writer_to(&request->kept);
    gather(request->document, &writers);
    for (size_t i = 0; i < writers.length; i++) {
        row_write(&writer, &writers.rows[i]);
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
}

/* --- what the database knows --- */

struct found {
    struct row document; /* its kind 0: it is not in the database */
    struct writers writers;
};

static bool has_writer(const struct writers *writers, const struct replica_id *replica)
{
    for (size_t i = 0; i < writers->length; i++) {
        if (replica_id_equal(&writers->rows[i].replica, replica)) {
            return true;
        }
    }
    return false;
}

/* False: the rows cannot be read. */
static bool read_found(const struct operator_request *request, struct bytes rows,
                       struct found *found)
{
    struct reader kept = reader_of(buffer_bytes(&request->kept));
    struct reader reader = reader_of(rows);
    struct row row;
    while (row_read(&kept, &row)) {
        add_writer(&found->writers, &row);
    }
    /* What memory had of a writer is newer, also where others are later still. */
    while (row_read(&reader, &row)) {
        if (row.kind == ROW_DOCUMENT) {
            found->document = row;
        } else if (!has_writer(&found->writers, &row.replica)) {
            add_writer(&found->writers, &row);
        }
    }
    return reader_ok(&kept) && reader_ok(&reader);
}

/* --- the answer --- */

static void write_writers(struct writer *writer, const struct document *document,
                          const struct writers *writers)
{
    write_text(writer, "writers");
    write_array(writer, writers->length);
    for (size_t i = 0; i < writers->length; i++) {
        const struct row *row = &writers->rows[i];
        const struct ledger_row *here =
            document == NULL ? NULL : ledger_find(document, &row->replica);
        const struct stream *owner = here == NULL ? NULL : here->owner;
        write_map(writer, 6);
        write_text(writer, "replica");
        write_bin(writer, replica_id_bytes(&row->replica));
        write_pair_uint(writer, "index", row->index);
        write_pair_uint(writer, "seq", row->seq);
        write_pair_position(writer, "position", row->position);
        write_pair_uint(writer, "at_ms", row->at_ms);
        write_pair_id(writer, "connection", owner == NULL ? 0 : owner->connection->id);
    }
}

static void write_memory(struct writer *writer, const struct document *document)
{
    write_pair_bool(writer, "in_memory", document != NULL);
    write_pair_uint(writer, "streams", document == NULL ? 0 : document->stream_count);
    write_pair_uint(writer, "replicas", document == NULL ? 0 : document->ledger.length);
    write_pair_uint(writer, "memory_bytes", document == NULL ? 0 : document->memory);
}

static bool answer(struct hub *hub, const struct operator_request *request, struct bytes rows,
                   struct writer *writer)
{
    struct found found = {.writers = {.length = 0}};
    struct bytes name = {request->name, request->name_length};
    struct bytes schema_name;
    struct bytes key;
    if (!read_found(request, rows, &found) || !document_name_valid(name, &schema_name, &key)) {
        return false;
    }
    const struct schema *schema = schema_find(hub->config.schemas, schema_name);
    const struct document *document = document_find(hub, name);
    document = document != NULL && document->ready ? document : NULL;
    if (document == NULL && found.document.kind != ROW_DOCUMENT) {
        write_nil(writer);
        return true;
    }
    const struct row *row = &found.document;
    write_map(writer, 11);
    write_pair_text(writer, "name", name);
    write_pair_text(writer, "schema", schema_name);
    write_pair_position(writer, "position", document == NULL ? row->position : document->position);
    write_pair_position(writer, "stored", document == NULL ? row->position : document->stored);
    write_pair_uint(writer, "next_index",
                    document == NULL ? row->next_index : document->next_index);
    write_memory(writer, document);
    write_text(writer, "fields");
    if (schema == NULL) {
        write_array(writer, 0); /* declared no more */
    } else {
        write_fields(writer, schema);
    }
    write_writers(writer, document, &found.writers);
    return true;
}

void operator_document(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    struct bytes name = call->values[0].text;
    struct bytes schema;
    struct bytes key;
    if (!document_name_valid(name, &schema, &key)) {
        operator_refuse(hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        hub_code_text(CODE_BAD_NAME));
        return;
    }
    struct operator_request *request = operator_request_begin(call);
    if (request == NULL) {
        return;
    }
    memcpy(request->name, name.data, name.length);
    request->name_length = name.length;
    request->answer = answer;
    request->document = document_find(hub, name);
    if (request->document != NULL) {
        keep_writers(hub, request);
    }
    operator_request_ask(hub, request,
                         &(struct row_request){.kind = ROWS_WRITERS,
                                               .name = {request->name, request->name_length},
                                               .limit = LIMIT_LISTED_WRITERS});
}
