/*
 * Outside: what the rest of the process is told of documents: which have changed, and what stands
 * in one, as JSON. What is asked for waits until the document's rows are here. Nothing of it is
 * kept: who asks later is told what stands then.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "server/hub/state.h"

struct outside {
    struct outside *next;
    uint64_t request;
    struct document *document; /* pinned */
    uint64_t after;
    bool whole;
    size_t limit;
    size_t loads; /* that it waits for */
};

/* --- the answer --- */

static bool is_wanted(const struct outside *values, size_t index)
{
    return values->whole || values->document->fields[index]->position > values->after;
}

typedef void write_item(struct writer *writer, const struct document *document, size_t index);

static void write_name(struct writer *writer, const struct document *document, size_t index)
{
    const char *name = document->schema->fields[index].name;
    json_quoted(writer, (struct bytes){(const uint8_t *)name, strlen(name)});
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
    for (size_t i = 0; i < values->document->schema->length && writer->status == PROTOCOL_OK; i++) {
        if (is_wanted(values, i)) {
            json_raw(writer, count++ == 0 ? "" : ",");
            write(writer, values->document, i);
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
    effect->position = values->document->position;
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

static void settle(struct hub *hub, struct outside *values)
{
    if (values->document->ready) {
        answer_values(hub, values);
    } else {
        refuse(hub, values->request, CODE_UNAVAILABLE);
    }
    document_unpin(hub, values->document);
    free(values);
}

static void wait(struct hub *hub, struct outside *values)
{
    if (hub->outside_last == NULL) {
        hub->outside_first = values;
    } else {
        hub->outside_last->next = values;
    }
    hub->outside_last = values;
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
    return document_find(hub, name) != NULL || documents_make_room(hub) ? CODE_NONE : CODE_BUSY;
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
    *values = (struct outside){.request = event->request,
                               .document = document,
                               .after = event->position,
                               .whole = event->whole,
                               .limit = event->limit};
    document_pin(document);
    if (document->ready) {
        settle(hub, values);
        return;
    }
    (void)document_load(hub, document, NULL, 0, &values->loads);
    wait(hub, values);
}

void outside_pump(struct hub *hub)
{
    struct outside **at = &hub->outside_first;
    hub->outside_last = NULL;
    while (*at != NULL) {
        struct outside *values = *at;
        if (values->loads == 0 && hub->status == HUB_OK) {
            *at = values->next;
            settle(hub, values);
        } else {
            hub->outside_last = values;
            at = &values->next;
        }
    }
}

void outside_finish(struct hub *hub)
{
    while (hub->outside_first != NULL) {
        struct outside *first = hub->outside_first;
        hub->outside_first = first->next;
        document_unpin(hub, first->document);
        free(first);
    }
    hub->outside_last = NULL;
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
