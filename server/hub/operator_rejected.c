/*
 * An operator's call `rejected`: the last updates that were refused, and why.
 *
 * They are in the database's table once their document is stored; the hub remembers the last ones,
 * so that those that are not stored yet are told too, and of which field they were, which the table
 * does not have.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/rows.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

enum { REMEMBERED = LIMIT_LISTED_REJECTED, LISTED = 50 };

/* --- what the hub remembers --- */

struct refusal {
    struct replica_id replica;
    uint64_t seq;
    uint64_t position;
    uint64_t at_ms;
    enum hub_code code;
    uint32_t field; /* UINT32_MAX: none */
    size_t name_length;
    uint8_t name[LIMIT_DOCUMENT_NAME_BYTES];
};

/* A ring. */
struct refusals {
    uint64_t count; /* ever */
    struct refusal last[REMEMBERED];
};

void operator_refused(struct hub *hub, const struct document *document,
                      const struct ledger_row *row, uint64_t at_ms)
{
    struct refusals *refusals = hub->refusals;
    if (refusals == NULL) {
        refusals = calloc(1, sizeof *refusals);
        if (refusals == NULL) {
            hub_fail(hub, HUB_NO_MEMORY);
            return;
        }
        hub->refusals = refusals;
    }
    const struct rejection *rejection = &row->rejections[(row->rejects - 1) % LIMIT_REJECTIONS];
    struct refusal *refusal = &refusals->last[refusals->count++ % REMEMBERED];
    *refusal = (struct refusal){.replica = row->replica,
                                .seq = rejection->seq,
                                .position = row->position,
                                .at_ms = at_ms,
                                .code = rejection->code,
                                .field = rejection->field,
                                .name_length = document->name_length};
    memcpy(refusal->name, document->name, document->name_length);
}

static size_t remembered(const struct refusals *refusals)
{
    if (refusals == NULL) {
        return 0;
    }
    return refusals->count < REMEMBERED ? (size_t)refusals->count : REMEMBERED;
}

/* The n-th before the next one. */
static const struct refusal *remembered_at(const struct refusals *refusals, size_t n)
{
    return &refusals->last[(refusals->count - 1 - n) % REMEMBERED];
}

static struct bytes refusal_name(const struct refusal *refusal)
{
    return (struct bytes){refusal->name, refusal->name_length};
}

static const struct refusal *recall(const struct hub *hub, struct bytes name, const struct row *row)
{
    for (size_t i = 0; i < remembered(hub->refusals); i++) {
        const struct refusal *refusal = remembered_at(hub->refusals, i);
        if (refusal->seq == row->seq && replica_id_equal(&refusal->replica, &row->replica) &&
            bytes_equal(refusal_name(refusal), name)) {
            return refusal;
        }
    }
    return NULL;
}

/* A document that is not in memory, or whose rows are only coming, was stored before it left. */
static bool is_stored(const struct hub *hub, const struct refusal *refusal)
{
    const struct document *document = document_find(hub, refusal_name(refusal));
    return document == NULL || !document->ready || refusal->position <= document->stored;
}

static void keep_unstored(struct hub *hub, struct operator_request *request)
{
    struct writer writer = writer_to(&request->kept);
    size_t kept = 0;
    for (size_t i = 0; i < remembered(hub->refusals) && kept < request->limit; i++) {
        const struct refusal *refusal = remembered_at(hub->refusals, i);
        if (is_stored(hub, refusal)) {
            continue;
        }
        const char *code = hub_code_name(refusal->code);
        const char *text = hub_code_text(refusal->code);
        row_write(&writer, &(struct row){.kind = ROW_DOCUMENT, .name = refusal_name(refusal)});
        row_write(&writer, &(struct row){.kind = ROW_REJECTED,
                                         .replica = refusal->replica,
                                         .seq = refusal->seq,
                                         .at_ms = refusal->at_ms,
                                         .code = bytes_of_text(code),
                                         .text = bytes_of_text(text)});
        kept++;
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
}

/* --- the answer --- */

struct rejected {
    struct bytes name;
    struct row row;
};

struct page {
    struct rejected *items; /* what is kept, then what is stored; room for all that was asked */
    size_t length;
    size_t stored; /* where that begins */
};

/* What was kept and has been stored meanwhile is told once, with its id. */
static void forget_kept(struct page *page, const struct rejected *stored)
{
    for (size_t i = 0; i < page->stored; i++) {
        const struct rejected *kept = &page->items[i];
        if (kept->row.seq == stored->row.seq &&
            replica_id_equal(&kept->row.replica, &stored->row.replica) &&
            bytes_equal(kept->name, stored->name)) {
            page->length--;
            page->stored--;
            memmove(&page->items[i], &page->items[i + 1], (page->length - i) * sizeof *page->items);
            return;
        }
    }
}

static bool read_rows(struct bytes rows, size_t capacity, bool stored, struct page *page)
{
    struct reader reader = reader_of(rows);
    struct rejected item = {.name = {0}};
    while (page->length < capacity && row_read(&reader, &item.row)) {
        if (item.row.kind == ROW_DOCUMENT) {
            item.name = item.row.name;
            continue;
        }
        if (stored) {
            forget_kept(page, &item);
        }
        page->items[page->length++] = item;
        page->stored += !stored;
    }
    return reader_ok(&reader);
}

static void write_rejected(struct writer *writer, const struct hub *hub,
                           const struct rejected *rejected)
{
    const struct row *row = &rejected->row;
    const struct refusal *refusal = recall(hub, rejected->name, row);
    write_map(writer, 8);
    write_pair_id(writer, "id", row->index);
    write_pair_text(writer, "document", rejected->name);
    write_text(writer, "replica");
    write_bin(writer, replica_id_bytes(&row->replica));
    write_pair_uint(writer, "seq", row->seq);
    write_pair_uint(writer, "at_ms", row->at_ms);
    write_pair_text(writer, "code", row->code);
    write_pair_text(writer, "text", row->text);
    write_text(writer, "field");
    if (refusal == NULL || refusal->field == UINT32_MAX) {
        write_nil(writer);
    } else {
        write_uint(writer, refusal->field);
    }
}

/* The number that the page behind comes below; 0: there is none. What is kept is no more than what
 * is told. */
static uint64_t next_of(const struct page *page, size_t limit)
{
    return page->length > limit ? page->items[limit].row.index + 1 : 0;
}

static void write_page(struct writer *writer, const struct hub *hub, const struct page *page,
                       size_t limit)
{
    size_t length = page->length < limit ? page->length : limit;
    write_map(writer, 2);
    write_text(writer, "rejected");
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_rejected(writer, hub, &page->items[i]);
    }
    write_pair_id(writer, "next", next_of(page, limit));
}

static bool answer(struct hub *hub, const struct operator_request *request, struct bytes rows,
                   struct writer *writer)
{
    size_t capacity = 2 * request->limit + 1;
    struct page page = {.items = calloc(capacity, sizeof *page.items)};
    if (page.items == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return false;
    }
    bool good = read_rows(buffer_bytes(&request->kept), capacity, false, &page) &&
                read_rows(rows, capacity, true, &page);
    if (good) {
        write_page(writer, hub, &page, request->limit);
    }
    free(page.items);
    return good;
}

/* One more than is told, to know whether there are others. */
void operator_rejected(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    struct operator_request *request = operator_request_begin(call);
    if (request == NULL) {
        return;
    }
    uint64_t before = operator_number(&call->values[0], 0);
    request->limit = (size_t)operator_number(&call->values[1], LISTED);
    request->answer = answer;
    if (before == 0) {
        keep_unstored(hub, request);
    }
    operator_request_ask(hub, request,
                         &(struct row_request){
                             .kind = ROWS_REJECTED, .before = before, .limit = request->limit + 1});
}
