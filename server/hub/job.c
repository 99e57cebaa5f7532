#include "server/hub/job.h"

#include <stdlib.h>

#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

enum { BUSY_RETRY_MS = 1000, SETTLING_RETRY_MS = 100 };

static size_t count_of(const struct hub *hub)
{
    size_t count = 0;
    for (const struct job *at = hub->jobs; at != NULL; at = at->next) {
        count++;
    }
    return count;
}

bool job_has_room(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    if (hub->settling) {
        connection_error(hub, call->connection, call->id, CODE_BUSY, SETTLING_RETRY_MS);
        return false;
    }
    bool many = count_of(hub) >= LIMIT_DOCUMENT_CALLS;
    if (many || !documents_make_room(hub)) {
        limit_hit(hub, call->connection, many ? HUB_LIMIT_DOCUMENT_CALLS : HUB_LIMIT_MEMORY);
        connection_error(hub, call->connection, call->id, CODE_BUSY, BUSY_RETRY_MS);
        return false;
    }
    return true;
}

/* NULL: refused. */
static struct document *take_document(const struct operator_call *call, struct bytes name)
{
    struct hub *hub = call->hub;
    struct bytes schema;
    struct bytes key;
    if (!document_name_valid(name, &schema, &key)) {
        operator_refuse(hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        hub_code_text(CODE_BAD_NAME));
        return NULL;
    }
    if (schema_find(hub->config.schemas, schema) == NULL) {
        operator_refuse(hub, call->connection, call->id, CODE_UNKNOWN_SCHEMA,
                        hub_code_text(CODE_UNKNOWN_SCHEMA));
        return NULL;
    }
    return job_has_room(call) ? document_take(hub, name) : NULL;
}

static struct job *begin(struct hub *hub, struct document *document,
                         void (*ready)(struct hub *hub, struct job *job))
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    *job = (struct job){.next = hub->jobs, .document = document, .ready = ready};
    buffer_init(&job->body, LIMIT_BODY_BYTES);
    buffer_init(&job->result, LIMIT_BODY_BYTES);
    hub->jobs = job;
    document_pin(document);
    document_load_ledger(hub, document, &job->loads);
    document->loads++; /* its replicas' rows stay, also when they are here */
    return job;
}

struct job *job_begin(const struct operator_call *call, struct bytes name,
                      void (*ready)(struct hub *hub, struct job *job))
{
    struct document *document = take_document(call, name);
    struct job *job = document == NULL ? NULL : begin(call->hub, document, ready);
    if (job != NULL) {
        job->connection = call->connection->id;
        job->call = call->id;
    }
    return job;
}

struct job *job_begin_own(struct hub *hub, struct bytes name,
                          void (*ready)(struct hub *hub, struct job *job))
{
    (void)documents_make_room(hub);
    struct document *document = document_take(hub, name);
    return document == NULL ? NULL : begin(hub, document, ready);
}

void job_done(struct job *job) { job->done = true; }

void job_answer(struct hub *hub, struct job *job, struct bytes value)
{
    struct connection *connection = connection_find(hub, job->connection);
    struct packet packet = {.kind = PACKET_RESULT, .id = job->call};
    packet.call.value = value;
    job_done(job);
    if (connection != NULL) {
        connection_answer(hub, connection, &packet);
    }
}

void job_refuse(struct hub *hub, struct job *job, enum hub_code code, const char *text)
{
    struct connection *connection = connection_find(hub, job->connection);
    job_done(job);
    if (connection != NULL) {
        operator_refuse(hub, connection, job->call, code, text);
    }
}

void job_submit(struct hub *hub, struct job *job, const struct record *record)
{
    static const char text[] = "The hub cannot write now: try again when it can.";
    if (hub->draining || hub->read_only) {
        job_refuse(hub, job, CODE_READ_ONLY, text);
    } else if (!batch_add(hub, job->document, record)) {
        job_refuse(hub, job, CODE_BUSY, "The hub has no memory for this now: try again.");
    } else {
        job->submitted = true;
    }
}

/* The first one that waits: records are merged in the order in which they came. */
struct job *job_merging(const struct hub *hub, const struct document *document)
{
    struct job *found = NULL;
    for (struct job *at = hub->jobs; at != NULL; at = at->next) {
        found =
            at->document == document && at->submitted && !at->done && at->scrub == 0 ? at : found;
    }
    return found;
}

void job_scrub(struct hub *hub, struct job *job, uint64_t position, struct bytes result)
{
    job->scrub = position;
    if (buffer_append(&job->result, result.data, result.length) != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
}

/* Rows go to the database at once, until the journal up to there is trimmed. */
static void scrub(struct hub *hub, struct job *job)
{
    if (job->scrub == 0 || job->request != 0) {
        return;
    }
    if (hub->trimmed < job->scrub) {
        hub->next_store_ms = hub->next_store_ms < hub->now_ms ? hub->next_store_ms : hub->now_ms;
        return;
    }
    struct hub_effect *effect = effect_add(hub, EFFECT_SCRUB);
    effect->request = ++hub->last_request;
    effect->position = job->scrub;
    job->request = effect->request;
}

void jobs_scrubbed(struct hub *hub, uint64_t request, bool done)
{
    for (struct job *at = hub->jobs; at != NULL; at = at->next) {
        if (at->request == request && !at->done && done) {
            job_answer(hub, at, buffer_bytes(&at->result));
        } else if (at->request == request && !at->done) {
            job_refuse(
                hub, at, CODE_UNAVAILABLE,
                "It is erased for all clients, but its bytes may be left in the data file or "
                "its log; the hub's log says why. Erase it again.");
        }
    }
}

void jobs_merged(struct hub *hub, const struct document *document, struct bytes result)
{
    struct job *job = job_merging(hub, document);
    if (job != NULL) {
        job_answer(hub, job, result);
    }
}

void jobs_refused(struct hub *hub, const struct document *document)
{
    struct job *job = job_merging(hub, document);
    if (job != NULL) {
        job_refuse(hub, job, CODE_READ_ONLY, hub_code_text(CODE_READ_ONLY));
    }
}

void jobs_unloaded(struct hub *hub, const struct document *document, const size_t *loads)
{
    for (struct job *at = hub->jobs; at != NULL; at = at->next) {
        at->failed = at->failed || (at->document == document && &at->loads == loads);
    }
}

static void finish(struct hub *hub, struct job **at)
{
    struct job *job = *at;
    *at = job->next;
    job->document->loads--;
    ledger_evict(hub, job->document);
    document_unpin(hub, job->document);
    buffer_finish(&job->body);
    buffer_finish(&job->result);
    free(job);
}

static void run(struct hub *hub, struct job *job)
{
    if (!job->done) {
        scrub(hub, job);
    }
    if (job->loads > 0 || job->submitted || job->done) {
        return;
    }
    if (job->document->ready && !job->failed) {
        job->ready(hub, job);
    } else {
        job_refuse(hub, job, CODE_UNAVAILABLE, hub_code_text(CODE_UNAVAILABLE));
    }
}

void jobs_pump(struct hub *hub)
{
    struct job **at = &hub->jobs;
    while (*at != NULL) {
        run(hub, *at);
        if ((*at)->done && (*at)->loads == 0) {
            finish(hub, at);
        } else {
            at = &(*at)->next;
        }
    }
}

void jobs_finish(struct hub *hub)
{
    while (hub->jobs != NULL) {
        struct job *job = hub->jobs;
        hub->jobs = job->next;
        buffer_finish(&job->body);
        buffer_finish(&job->result);
        free(job);
    }
}
