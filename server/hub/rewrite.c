/*
 * Rewrite: a document's rows, loaded and stored again, all of them, so that who checks a database
 * can compare them with what is there. What no merge could have led to is told on the way: dots
 * that the ledger lacks, numbers that nobody had, and totals that do not come from anybody's
 * entries.
 */
#include <stdlib.h>

#include "protocol/codec.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/export.h"
#include "server/hub/job.h"
#include "server/hub/pipeline.h"

struct audit {
    struct hub *hub;
    const struct document *document;
    const struct ledger_row **rows; /* by index */
    const char *found;              /* what is wrong; NULL: nothing yet */
    uint64_t position;
};

static bool audit_init(struct audit *audit, struct hub *hub, const struct document *document)
{
    *audit = (struct audit){.hub = hub, .document = document};
    audit->rows = calloc((size_t)document->next_index + 1, sizeof *audit->rows);
    for (uint32_t i = 0; i < document->ledger.length && audit->rows != NULL; i++) {
        const struct ledger_row *row = document->ledger.places[i].item;
        if (row->interned && row->index < document->next_index) {
            audit->rows[row->index] = row;
        }
    }
    return audit->rows != NULL;
}

static void find(struct audit *audit, const char *what, uint64_t position)
{
    if (audit->found == NULL) {
        audit->found = what;
        audit->position = position;
    }
}

/* Forgotten replicas have no row, and may have any dot. */
static void look_at_dot(void *context, const struct crdt_dot *dot)
{
    struct audit *audit = context;
    bool folded = dot->replica == CRDT_REPLICA_NONE;
    if (dot->position > audit->document->position) {
        find(audit, "entries (a dot lies behind the document's position)", dot->position);
    } else if (!folded && dot->replica >= audit->document->next_index) {
        find(audit, "entries (a dot is of a number that was never given)", dot->position);
    } else if (!folded && audit->rows[dot->replica] == NULL && audit->document->retired_ms == 0) {
        find(audit, "replicas (the row of a dot's replica is missing)", dot->position);
    } else if (!folded && audit->rows[dot->replica] != NULL &&
               dot->seq > audit->rows[dot->replica]->seq) {
        find(audit, "replicas (the ledger lacks a dot that is there)", dot->position);
    }
}

static bool index_only(void *context, crdt_replica_id id, struct replica_id *replica)
{
    (void)context;
    (void)id;
    *replica = (struct replica_id){{0}};
    return false;
}

static void look_at_dots(struct audit *audit)
{
    struct buffer unused;
    size_t dots_left = 0;
    struct codec_names names = {.sender = CRDT_REPLICA_NONE - 1,
                                .dots_left = &dots_left,
                                .name = index_only,
                                .dot = look_at_dot,
                                .context = audit};
    buffer_init(&unused, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&unused);
    for (size_t i = 0; i < audit->document->schema->length; i++) {
        const struct crdt_field *field = audit->document->fields[i];
        if (field->type->total == NULL) {
            audit->document->schema->fields[i].declared.codec->write_state(&writer, field, &names);
        }
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(audit->hub, HUB_NO_MEMORY);
    }
    buffer_finish(&unused);
}

/* Where a replica was forgotten, or counted in vain, the entries do not tell. */
static void look_at_totals(struct audit *audit)
{
    bool known = audit->document->retired_ms == 0;
    for (uint32_t i = 0; i < audit->document->ledger.length; i++) {
        const struct ledger_row *row = audit->document->ledger.places[i].item;
        known = known && row->rejects == 0;
    }
    for (size_t i = 0; i < audit->document->schema->length && known; i++) {
        if (export_correction(audit->document, i) != 0) {
            find(audit, "entries (a counter's total is not what its replicas have counted)",
                 audit->document->fields[i]->position);
        }
    }
}

static void tell(const struct audit *audit)
{
    struct hub_effect *effect = effect_add(audit->hub, EFFECT_DAMAGED);
    effect->text = audit->found;
    effect->position = audit->position;
    effect_bytes(audit->hub, effect, document_name(audit->document));
}

static void ready(struct hub *hub, struct job *job)
{
    struct document *document = job->document;
    struct audit audit;
    job_done(job);
    if (!audit_init(&audit, hub, document)) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    look_at_dots(&audit);
    look_at_totals(&audit);
    if (audit.found != NULL) {
        tell(&audit);
    }
    free(audit.rows);
    document->stored = 0;
    store_mark(hub, document, document->position);
}

void rewrite_document(struct hub *hub, struct bytes name) { (void)job_begin_own(hub, name, ready); }
