#include "server/hub/export.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/json.h"
#include "server/hub/documents.h"
#include "server/hub/state.h"

/* No replica has it, so nothing is named by nil. */
#define NOBODY (CRDT_REPLICA_NONE - 1)

#define SEQ_MAX ((uint64_t)CRDT_INTEGER_MAX)

struct replica_id export_name(const struct journal_id *journal, uint32_t index)
{
    uint8_t bytes[REPLICA_BYTES];
    _Static_assert((int)JOURNAL_ID_BYTES == (int)REPLICA_BYTES, "one stands for the other");
    memcpy(bytes, journal->bytes, sizeof bytes);
    for (size_t i = 0; i < 4; i++) {
        bytes[REPLICA_BYTES - 1 - i] = (uint8_t)(index >> (8 * i));
    }
    return replica_id_make(EXPORT_TIME_MS, bytes);
}

/* --- who is who --- */

struct namer {
    const struct hub *hub;
    const struct ledger_row **rows; /* by index; NULL: it has none */
    bool *nameless;                 /* by index: used, and without a row */
    size_t length;
};

static bool namer_init(struct namer *namer, const struct hub *hub, const struct document *document)
{
    *namer = (struct namer){.hub = hub, .length = document->next_index};
    namer->rows = calloc(namer->length + 1, sizeof *namer->rows);
    namer->nameless = calloc(namer->length + 1, sizeof *namer->nameless);
    for (uint32_t i = 0; i < document->ledger.length && namer->rows != NULL; i++) {
        const struct ledger_row *row = document->ledger.places[i].item;
        if (row->interned) {
            namer->rows[row->index] = row;
        }
    }
    return namer->rows != NULL && namer->nameless != NULL;
}

static void namer_finish(struct namer *namer)
{
    free(namer->rows);
    free(namer->nameless);
}

static bool name_of(void *context, crdt_replica_id id, struct replica_id *replica)
{
    const struct namer *namer = context;
    if (id < namer->length && namer->rows[id] != NULL) {
        *replica = namer->rows[id]->replica;
        return true;
    }
    if (id < namer->length) {
        namer->nameless[id] = true;
    }
    *replica = export_name(&namer->hub->config.journal, id);
    return true;
}

/* --- its parts --- */

int64_t export_correction(const struct document *document, size_t field)
{
    const struct crdt_type *type = document->fields[field]->type;
    if (type->total == NULL) {
        return 0;
    }
    /* Of very many large entries a part may be beyond what fits, though the whole is not. */
    uint64_t correction = (uint64_t)type->total(document->fields[field]);
    for (uint32_t i = 0; i < document->ledger.length; i++) {
        const struct ledger_row *row = document->ledger.places[i].item;
        correction -= row->entries[field].up - row->entries[field].down;
    }
    return (int64_t)correction;
}

static void write_row(struct writer *writer, const struct document *document,
                      const struct ledger_row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < document->schema->length; i++) {
        count += row->entries[i].up != 0 || row->entries[i].down != 0;
    }
    write_array(writer, 3);
    write_bin(writer, replica_id_bytes(&row->replica));
    write_uint(writer, row->seq);
    write_array(writer, count);
    for (size_t i = 0; i < document->schema->length; i++) {
        if (row->entries[i].up != 0 || row->entries[i].down != 0) {
            write_array(writer, 3);
            write_uint(writer, document->schema->fields[i].number);
            write_uint(writer, row->entries[i].up);
            write_uint(writer, row->entries[i].down);
        }
    }
}

static void write_nameless(struct writer *writer, const struct hub *hub, uint32_t index,
                           uint64_t seq)
{
    struct replica_id name = export_name(&hub->config.journal, index);
    write_array(writer, 3);
    write_bin(writer, replica_id_bytes(&name));
    write_uint(writer, seq);
    write_array(writer, 0);
}

/* They do nothing any more, so all they ever did was seen. */
static void write_ledger(struct writer *writer, const struct document *document,
                         const struct namer *namer)
{
    for (uint32_t i = 0; i < document->ledger.length; i++) {
        const struct ledger_row *row = document->ledger.places[i].item;
        if (row->interned) {
            write_row(writer, document, row);
        }
    }
    for (uint32_t i = 0; i < namer->length; i++) {
        if (namer->nameless[i]) {
            write_nameless(writer, namer->hub, i, SEQ_MAX);
        }
    }
}

static void write_corrections(struct writer *writer, const struct document *document)
{
    write_array(writer, document->schema->length);
    for (size_t i = 0; i < document->schema->length; i++) {
        write_array(writer, 2);
        write_uint(writer, document->schema->fields[i].number);
        write_int(writer, export_correction(document, i));
    }
}

static void write_field(struct writer *writer, const struct schema_field *place,
                        const struct crdt_field *field, struct namer *namer)
{
    struct buffer state;
    size_t unused = 0;
    struct codec_names names = {
        .sender = NOBODY, .dots_left = &unused, .name = name_of, .context = namer};
    buffer_init(&state, LIMIT_BODY_BYTES);
    struct writer inner = writer_to(&state);
    if (field->type->total == NULL) {
        place->declared.codec->write_state(&inner, field, &names);
    }
    write_array(writer, 5);
    write_uint(writer, place->number);
    write_text(writer, place->name);
    declaration_write(writer, &place->declared);
    write_bin(writer, buffer_bytes(&state));
    writer->status = inner.status != PROTOCOL_OK ? inner.status : writer->status;
    buffer_finish(&state);
}

static void write_values(struct writer *writer, const struct document *document)
{
    struct buffer text;
    buffer_init(&text, LIMIT_BODY_BYTES);
    struct writer json = writer_to(&text);
    for (size_t i = 0; i < document->schema->length; i++) {
        const struct schema_field *place = &document->schema->fields[i];
        struct bytes name = bytes_of_text(place->name);
        json_raw(&json, i == 0 ? "{" : ",");
        json_quoted(&json, name);
        json_raw(&json, ":");
        place->declared.codec->write_json(&json, document->fields[i]);
    }
    json_raw(&json, document->schema->length == 0 ? "{}" : "}");
    write_bin(writer, buffer_bytes(&text));
    writer->status = json.status != PROTOCOL_OK ? json.status : writer->status;
    buffer_finish(&text);
}

static void write_all(struct writer *writer, const struct hub *hub, const struct document *document,
                      struct namer *namer)
{
    struct buffer fields; /* first: they tell who is used */
    struct buffer ledger;
    buffer_init(&fields, LIMIT_BODY_BYTES);
    buffer_init(&ledger, LIMIT_BODY_BYTES);
    struct writer field_writer = writer_to(&fields);
    write_array(&field_writer, document->schema->length);
    for (size_t i = 0; i < document->schema->length; i++) {
        write_field(&field_writer, &document->schema->fields[i], document->fields[i], namer);
    }
    struct writer ledger_writer = writer_to(&ledger);
    write_ledger(&ledger_writer, document, namer);
    write_array(writer, 9);
    write_uint(writer, EXPORT_FORMAT);
    write_bin(writer, document_name(document));
    write_bin(writer, (struct bytes){hub->config.journal.bytes, JOURNAL_ID_BYTES});
    write_uint(writer, document->position);
    write_uint(writer, document->retired_ms);
    write_bin(writer, buffer_bytes(&ledger));
    write_corrections(writer, document);
    write_raw(writer, buffer_bytes(&fields));
    write_values(writer, document);
    bool good = field_writer.status == PROTOCOL_OK && ledger_writer.status == PROTOCOL_OK;
    writer->status = good ? writer->status : PROTOCOL_NO_MEMORY;
    buffer_finish(&fields);
    buffer_finish(&ledger);
}

bool export_write(struct hub *hub, const struct document *document, struct writer *writer)
{
    struct namer namer;
    bool good = namer_init(&namer, hub, document);
    if (good) {
        write_all(writer, hub, document, &namer);
    }
    namer_finish(&namer);
    return good && writer->status == PROTOCOL_OK;
}
