/*
 * Outside: what the rest of the process is told of documents: which have changed, and what stands
 * in one, as JSON. What is asked for waits until the document's rows are here. Nothing of it is
 * kept: who asks later is told what stands then.
 */
#include <stdlib.h>

#include "protocol/json.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/state.h"

struct outside {
    struct waiter waiter;
    uint64_t request;
    uint64_t after;
    bool whole;
    size_t limit;
};

/* --- the answer --- */

static bool is_wanted(const struct outside *values, size_t index)
{
    return values->whole || values->waiter.document->fields[index]->position > values->after;
}

typedef void write_item(struct writer *writer, const struct document *document, size_t index);

static void write_name(struct writer *writer, const struct document *document, size_t index)
{
    const char *name = document->schema->fields[index].name;
    json_quoted(writer, bytes_of_text(name));
}

static void write_value(struct writer *writer, const struct document *document, size_t index)
{
    write_name(writer, document, index);
    json_raw(writer, ":");
    document->schema->fields[index].declared.codec->write_json(writer, document->fields[index]);
}

static void write_items(struct writer *writer, const struct outside *values, const char *brackets,
                        write_item *write)
{
    size_t count = 0;
    write_raw(writer, (struct bytes){(const uint8_t *)brackets, 1});
    for (size_t i = 0; i < values->waiter.document->schema->length && writer->status == PROTOCOL_OK;
         i++) {
        if (is_wanted(values, i)) {
            json_raw(writer, count++ == 0 ? "" : ",");
            write(writer, values->waiter.document, i);
        }
    }
    write_raw(writer, (struct bytes){(const uint8_t *)brackets + 1, 1});
}

/* Names are bounded by the schema, values by what was asked. */
static void answer_values(struct hub *hub, const struct outside *values)
{
    struct buffer text;
    buffer_init(&text, values->limit);
    struct writer writer = writer_to(&text);
    write_items(&writer, values, "{}", write_value);
    bool truncated = writer.status == PROTOCOL_TOO_LARGE;
    if (truncated) {
        buffer_finish(&text);
        buffer_init(&text, LIMIT_BODY_BYTES);
        writer = writer_to(&text);
        write_items(&writer, values, "[]", write_name);
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
    struct hub_effect *effect = effect_add(hub, EFFECT_VALUES);
    effect->request = values->request;
    effect->position = values->waiter.document->position;
    effect->truncated = truncated;
    effect_bytes(hub, effect, buffer_bytes(&text));
    buffer_finish(&text);
}

static void refuse(struct hub *hub, uint64_t request, enum hub_code code)
{
    struct hub_effect *effect = effect_add(hub, EFFECT_VALUES);
    effect->request = request;
    effect->code = (uint16_t)code;
}

/* --- the wait --- */

static void settle(struct hub *hub, struct waiter *waiter)
{
    const struct outside *values = CONTAINER(waiter, struct outside, waiter);
    if (waiter->document->ready) {
        answer_values(hub, values);
    } else {
        refuse(hub, values->request, CODE_UNAVAILABLE);
    }
}

static void destroy(struct hub *hub, struct waiter *waiter)
{
    (void)hub;
    free(CONTAINER(waiter, struct outside, waiter));
}

/* CODE_NONE: the document may be had. */
static enum hub_code check(struct hub *hub, struct bytes name)
{
    struct bytes schema;
    struct bytes key;
    if (!document_name_valid(name, &schema, &key)) {
        return CODE_BAD_NAME;
    }
    if (schema_find(hub->config.schemas, schema) == NULL) {
        return CODE_UNKNOWN_SCHEMA;
    }
    if (hub->settling) {
        return CODE_BUSY; /* who asks without an end would keep it from settling */
    }
    if (document_find(hub, name) == NULL && !documents_make_room(hub)) {
        limit_hit(hub, NULL, HUB_LIMIT_MEMORY);
        return CODE_BUSY;
    }
    return CODE_NONE;
}

void outside_asked(struct hub *hub, const struct hub_event *event)
{
    enum hub_code code = check(hub, event->bytes);
    if (code != CODE_NONE) {
        refuse(hub, event->request, code);
        return;
    }
    struct document *document = document_take(hub, event->bytes);
    struct outside *values = document == NULL ? NULL : calloc(1, sizeof *values);
    if (values == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    *values = (struct outside){.waiter = {.ready = settle, .destroy = destroy},
                               .request = event->request,
                               .after = event->position,
                               .whole = event->whole,
                               .limit = event->limit};
    waiter_begin(hub, &values->waiter, document);
}

/* --- changes --- */

/* What a start merges again is found by its positions. */
void document_changed(struct hub *hub, struct document *document, uint64_t position)
{
    if (!hub->config.changes || hub->replay_first != NULL || document->told == position) {
        return;
    }
    document->told = position;
    struct hub_effect *effect = effect_add(hub, EFFECT_CHANGED);
    effect->position = position;
    effect_bytes(hub, effect, document_name(document));
}

void hub_changed_after(const struct hub *hub, uint64_t position, hub_visit_changed *visit,
                       void *context)
{
    LIST_FOR_EACH(at, &hub->dirty_documents)
    {
        const struct document *document = CONTAINER(at, struct document, dirty);
        if (document->position > position) {
            visit(context, document_name(document), document->position);
        }
    }
}
