/* Operators' calls that wait for the database. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

enum { BUSY_RETRY_MS = 1000 };

struct operator_request *operator_request_begin(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    struct operator_request *request = NULL;
    if (hub->operator_request_count < LIMIT_OPERATOR_CALLS) {
        request = calloc(1, sizeof *request);
    }
    if (request == NULL) {
        limit_hit(hub, call->connection, HUB_LIMIT_OPERATOR_CALLS);
        connection_error(hub, call->connection, call->id, CODE_BUSY, BUSY_RETRY_MS);
        return NULL;
    }
    request->connection = call->connection->id;
    request->id = call->id;
    buffer_init(&request->kept, LIMIT_BODY_BYTES);
    return request;
}

static void note(struct hub *hub, struct operator_request *request, struct hub_effect *effect)
{
    effect->request = ++hub->last_request;
    request->request = effect->request;
    request->next = hub->operator_requests;
    hub->operator_requests = request;
    hub->operator_request_count++;
}

void operator_request_ask(struct hub *hub, struct operator_request *request,
                          const struct row_request *rows)
{
    struct hub_effect *effect = effect_load(hub, rows);
    note(hub, request, effect);
    if (request->document != NULL) {
        document_pin(request->document);
    }
}

static struct operator_request *take(struct hub *hub, uint64_t number)
{
    struct operator_request **at = &hub->operator_requests;
    while (*at != NULL && (*at)->request != number) {
        at = &(*at)->next;
    }
    struct operator_request *found = *at;
    if (found != NULL) {
        *at = found->next;
        hub->operator_request_count--;
    }
    return found;
}

static void finish(struct hub *hub, struct operator_request *request)
{
    if (request->document != NULL) {
        document_unpin(hub, request->document);
    }
    buffer_finish(&request->kept);
    free(request);
}

static void refuse(struct hub *hub, struct connection *connection, int64_t id)
{
    operator_refuse(hub, connection, id, CODE_UNAVAILABLE,
                    "The hub could not read its database; its log says why.");
}

bool operator_loaded(struct hub *hub, uint64_t number, struct bytes rows)
{
    struct operator_request *request = take(hub, number);
    if (request == NULL) {
        return false;
    }
    struct connection *connection = connection_find(hub, request->connection);
    if (connection != NULL) {
        struct writer writer = operator_begin(hub);
        if (request->answer(hub, request, rows, &writer)) {
            operator_answer(hub, connection, request->id, &writer);
        } else {
            refuse(hub, connection, request->id);
        }
    }
    finish(hub, request);
    return true;
}

bool operator_load_failed(struct hub *hub, uint64_t number)
{
    struct operator_request *request = take(hub, number);
    if (request == NULL) {
        return false;
    }
    struct connection *connection = connection_find(hub, request->connection);
    if (connection != NULL) {
        refuse(hub, connection, request->id);
    }
    finish(hub, request);
    return true;
}

void operator_ask(const struct operator_call *call)
{
    struct operator_request *request = operator_request_begin(call);
    if (request == NULL) {
        return;
    }
    request->asked = true;
    struct hub_effect *effect = effect_add(call->hub, EFFECT_ASK);
    effect->text = call->method;
    effect_bytes(call->hub, effect, call->parameters);
    note(call->hub, request, effect);
}

void operator_answered(struct hub *hub, const struct hub_event *event)
{
    struct operator_request *request = take(hub, event->request);
    if (request == NULL) {
        return;
    }
    assert(request->asked);
    struct connection *connection = connection_find(hub, request->connection);
    if (connection != NULL && event->text != NULL) {
        operator_refuse(hub, connection, request->id, CODE_BAD_PARAMETERS, event->text);
    } else if (connection != NULL) {
        struct writer writer = operator_begin(hub);
        write_raw(&writer, event->bytes);
        operator_answer(hub, connection, request->id, &writer);
    }
    finish(hub, request);
}

void operator_requests_finish(struct hub *hub)
{
    while (hub->operator_requests != NULL) {
        struct operator_request *request = hub->operator_requests;
        hub->operator_requests = request->next;
        finish(hub, request);
    }
}
