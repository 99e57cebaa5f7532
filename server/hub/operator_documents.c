/*
 * An operator's call `documents`: all documents by name, a page at a time.
 *
 * The database lists those that it has; those that it does not have yet are in memory, in the same
 * order. They are kept when the database is asked, because one that is stored meanwhile would be
 * missed in both. Each side tells how far it has looked, and the page ends where the first of them
 * does.
 */
#include <string.h>

#include "protocol/rows.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"
#include "server/hub/unstored.h"

/* --- what memory knows --- */

/* Names as the database tells its own: DOCUMENT rows, and a WALKED row. */
static void keep_names(struct hub *hub, struct operator_request *request, struct bytes after,
                       struct bytes search)
{
    struct writer writer = writer_to(&request->kept);
    const struct document *document = unstored_after(&hub->unstored_documents, after);
    struct bytes last = {0};
    size_t found = 0;
    for (size_t looked = 0; document != NULL && found < request->limit && looked < LIMIT_LOOKED_AT;
         looked++) {
        last = document_name(document);
        if (bytes_contain(last, search)) {
            row_write(
                &writer,
                &(struct row){.kind = ROW_DOCUMENT, .name = last, .position = document->position});
            found++;
        }
        document = unstored_after(&hub->unstored_documents, last);
    }
    struct bytes end = document != NULL ? last : (struct bytes){0};
    row_write(&writer, &(struct row){.kind = ROW_WALKED, .key = end});
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
}

/* --- both sides, as one list --- */

struct side {
    struct reader reader;
    struct row row; /* the next one */
    bool has_row;
    struct bytes end; /* once it has no row: how far it has looked; empty: to the end */
};

static void advance(struct side *side)
{
    side->has_row = row_read(&side->reader, &side->row);
    if (side->has_row && side->row.kind != ROW_DOCUMENT) {
        side->has_row = false;
        side->end = side->row.key;
    }
}

static struct side side_of(struct bytes rows)
{
    struct side side = {.reader = reader_of(rows)};
    advance(&side);
    return side;
}

struct listed {
    struct bytes name;
    uint64_t position;
};

struct page {
    struct listed documents[LIMIT_LISTED];
    size_t length;
    struct bytes next; /* empty: there is no more */
};

static bool is_beyond(const struct side *side, struct bytes name)
{
    return !side->has_row && side->end.length > 0 && document_name_compare(name, side->end) > 0;
}

/* Which side has the next name; NULL: neither, or the other has not looked that far. */
static struct side *choose(struct side *a, struct side *b)
{
    if (!a->has_row && !b->has_row) {
        return NULL;
    }
    bool first =
        !b->has_row || (a->has_row && document_name_compare(a->row.name, b->row.name) <= 0);
    struct side *chosen = first ? a : b;
    return is_beyond(first ? b : a, chosen->row.name) ? NULL : chosen;
}

/* The nearer of two ends. */
static struct bytes nearer(struct bytes a, struct bytes b)
{
    if (a.length == 0 || b.length == 0) {
        return a.length == 0 ? b : a;
    }
    return document_name_compare(a, b) < 0 ? a : b;
}

static void merge(struct page *page, struct side *kept, struct side *stored, size_t limit)
{
    struct side *chosen = choose(kept, stored);
    while (chosen != NULL && page->length < limit) {
        struct side *other = chosen == kept ? stored : kept;
        if (other->has_row && bytes_equal(other->row.name, chosen->row.name)) {
            advance(other);
        }
        page->documents[page->length++] = (struct listed){chosen->row.name, chosen->row.position};
        advance(chosen);
        chosen = choose(kept, stored);
    }
    page->next =
        chosen != NULL ? page->documents[page->length - 1].name : nearer(kept->end, stored->end);
}

/* --- the answer --- */

static void write_listed(struct writer *writer, const struct hub *hub, const struct listed *listed)
{
    const struct document *document = document_find(hub, listed->name);
    bool here = document != NULL && document->ready;
    write_map(writer, 4);
    write_pair_text(writer, "name", listed->name);
    write_pair_position(writer, "position", here ? document->position : listed->position);
    write_pair_uint(writer, "streams", document == NULL ? 0 : document->stream_count);
    write_pair_bool(writer, "in_memory", here);
}

static bool answer(struct hub *hub, const struct operator_request *request, struct bytes rows,
                   struct writer *writer)
{
    struct page page = {.length = 0};
    struct side kept = side_of(buffer_bytes(&request->kept));
    struct side stored = side_of(rows);
    merge(&page, &kept, &stored, request->limit);
    if (!reader_ok(&kept.reader) || !reader_ok(&stored.reader)) {
        return false;
    }
    write_map(writer, 2);
    write_text(writer, "documents");
    write_array(writer, page.length);
    for (size_t i = 0; i < page.length; i++) {
        write_listed(writer, hub, &page.documents[i]);
    }
    write_pair_text(writer, "next", page.next);
    return true;
}

void operator_documents(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    struct bytes search = call->values[0].text;
    struct bytes after = call->values[1].text;
    struct operator_request *request = operator_request_begin(call);
    if (request == NULL) {
        return;
    }
    request->answer = answer;
    request->limit = (size_t)operator_number(&call->values[2], OPERATOR_LISTED);
    keep_names(hub, request, after, search);
    operator_request_ask(
        hub, request,
        &(struct row_request){
            .kind = ROWS_NAMES, .limit = request->limit, .search = search, .after = after});
}
