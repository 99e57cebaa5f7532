/* Requests: found by the network's number and by the hub's, begun, and freed when nobody is in them
 * any more. */
#include "server/api/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/state.h"

enum { BODY_DEPTH_MAX = 32 };

/* --- tables --- */

static uint64_t hash_of(uint64_t number)
{
    return bytes_hash((struct bytes){(const uint8_t *)&number, sizeof number}, 0);
}

static bool has_id(const void *item, const void *key)
{
    return ((const struct errand *)item)->id == *(const uint64_t *)key;
}

static bool has_connection(const void *item, const void *key)
{
    return ((const struct errand *)item)->connection == *(const uint64_t *)key;
}

static struct errand *find(const struct table *table, uint64_t number)
{
    return table_find(table, hash_of(number), &number);
}

struct api *api_create(const struct api_config *config)
{
    struct api *api = key_prepare() ? calloc(1, sizeof *api) : NULL;
    if (api != NULL) {
        api->config = *config;
        api->last_connection = API_CONNECTION_FIRST;
        api->by_request.match = has_id;
        api->by_connection.match = has_connection;
    }
    return api;
}

void api_stats(const struct api *api, struct api_stats *stats)
{
    *stats = (struct api_stats){.watches = api->watches,
                                .watches_refused = api->refused[PROBLEM_TOO_MANY_WATCHES],
                                .keys_refused = api->refused[PROBLEM_TOO_MANY_KEYS],
                                .requests_refused = api->refused[PROBLEM_TOO_MANY_REQUESTS]};
}

void api_reconfigure(struct api *api, const struct api_bounds *bounds)
{
    api->config.bounds = *bounds;
}

static void destroy(struct errand *errand)
{
    json_decref(errand->body);
    buffer_finish(&errand->pending);
    buffer_finish(&errand->changes);
    free(errand);
}

void api_destroy(struct api *api)
{
    if (api == NULL) {
        return;
    }
    while (api->by_connection.length > 0) {
        struct errand *errand = api->by_connection.places[0].item;
        table_remove(&api->by_connection, hash_of(errand->connection), errand);
        destroy(errand);
    }
    table_finish(&api->by_connection);
    table_finish(&api->by_request);
    free(api);
}

static bool enlist(struct api *api, struct errand *errand)
{
    if (!table_add(&api->by_connection, hash_of(errand->connection), errand)) {
        return false;
    }
    if (!table_add(&api->by_request, hash_of(errand->id), errand)) {
        table_remove(&api->by_connection, hash_of(errand->connection), errand);
        return false;
    }
    return true;
}

/* --- the end --- */

void errand_over(struct errand *errand)
{
    if (!errand->over) {
        errand->over = true;
        errand->next_over = errand->api->over;
        errand->api->over = errand;
    }
}

static void reap_one(struct api *api, struct errand *errand)
{
    struct hub_event gone = {.kind = EVENT_DISCONNECTED, .connection = errand->connection};
    table_remove(&api->by_connection, hash_of(errand->connection), errand);
    table_remove(&api->by_request, hash_of(errand->id), errand);
    api->watches -= errand->watch.counted;
    destroy(errand);
    api->config.step(api->config.context, &gone);
}

/* A step of the hub brings others about, inside which errands come to their end: they are freed
 * when the first of them is left. */
static void enter(struct api *api) { api->depth++; }

static void leave(struct api *api)
{
    while (api->depth == 1 && api->over != NULL) {
        struct errand *errand = api->over;
        api->over = errand->next_over;
        reap_one(api, errand);
    }
    api->depth--;
}

/* --- the beginning --- */

/* What the sender calls its request, if that is harmless in a header; else the network's number. */
static void take_request_id(const struct net_request *request, char id[API_ID_BYTES + 1])
{
    struct bytes given = request->request_id;
    bool good = given.length > 0 && given.length <= API_ID_BYTES;
    for (size_t i = 0; good && i < given.length; i++) {
        good = given.data[i] > ' ' && given.data[i] <= '~' && given.data[i] != '"' &&
               given.data[i] != '\\';
    }
    if (good) {
        memcpy(id, given.data, given.length);
        id[given.length] = '\0';
    } else {
        (void)snprintf(id, API_ID_BYTES + 1, "request-%" PRIu64, request->id);
    }
}

static bool is_json(struct bytes type)
{
    static const char name[] = "application/json";
    size_t length = sizeof name - 1;
    if (type.length < length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        uint8_t byte =
            type.data[i] >= 'A' && type.data[i] <= 'Z' ? type.data[i] | 0x20 : type.data[i];
        if (byte != (uint8_t)name[i]) {
            return false;
        }
    }
    return type.length == length || type.data[length] == ';' || type.data[length] == ' ';
}

/* Before a parser that calls itself sees it. */
static bool is_deep(struct bytes body)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < body.length; i++) {
        uint8_t byte = body.data[i];
        if (quoted && byte == '\\') {
            i++;
        } else if (byte == '"') {
            quoted = !quoted;
        } else if (!quoted && (byte == '{' || byte == '[')) {
            depth++;
        } else if (!quoted && (byte == '}' || byte == ']')) {
            depth -= depth > 0;
        }
        if (depth > BODY_DEPTH_MAX) {
            return true;
        }
    }
    return false;
}

static enum api_problem read_body(const struct net_request *request,
                                  const struct api_target *target, json_t **body)
{
    bool wanted = target->action == API_PATCH || target->action == API_POST;
    *body = NULL;
    if (request->body.length == 0 || !wanted) {
        return target->action == API_PATCH ? PROBLEM_BAD_JSON : PROBLEM_NONE;
    }
    if (!is_json(request->content_type)) {
        return PROBLEM_UNSUPPORTED_TYPE;
    }
    if (is_deep(request->body)) {
        return PROBLEM_TOO_DEEP;
    }
    *body = json_loadb((const char *)request->body.data, request->body.length,
                       JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*body) && json_object_size(*body) <= LIMIT_FIELDS &&
        (target->action == API_POST || json_object_size(*body) > 0)) {
        return PROBLEM_NONE;
    }
    json_decref(*body);
    *body = NULL;
    return PROBLEM_BAD_JSON;
}

static enum api_problem check(struct api *api, const struct net_request *request,
                              struct api_target *target, json_t **body)
{
    enum api_problem problem = target_read(request, target);
    *body = NULL;
    if (problem != PROBLEM_NONE) {
        return problem;
    }
    if (api->by_connection.length >= api->config.bounds.requests) {
        return PROBLEM_TOO_MANY_REQUESTS;
    }
    return read_body(request, target, body);
}

static struct errand *create(struct api *api, const struct net_request *request,
                             const struct api_target *target, json_t *body)
{
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) {
        return NULL;
    }
    errand->api = api;
    errand->id = request->id;
    errand->connection = ++api->last_connection;
    errand->target = *target;
    errand->body = body;
    buffer_init(&errand->pending, LIMIT_BODY_BYTES);
    buffer_init(&errand->changes, LIMIT_BODY_BYTES);
    take_request_id(request, errand->request_id);
    if (request->last_event_id.length < sizeof errand->last_event &&
        request->last_event_id.length > 0) {
        memcpy(errand->last_event, request->last_event_id.data, request->last_event_id.length);
    }
    if (request->if_none_match.length <= API_TAGS_BYTES && request->if_none_match.length > 0) {
        memcpy(errand->tags, request->if_none_match.data, request->if_none_match.length);
    }
    if (!enlist(api, errand)) {
        free(errand);
        return NULL;
    }
    return errand;
}

static void begin(struct api *api, const struct net_request *request)
{
    char request_id[API_ID_BYTES + 1];
    struct api_target target;
    json_t *body;
    take_request_id(request, request_id);
    enum api_problem problem = check(api, request, &target, &body);
    struct errand *errand = problem == PROBLEM_NONE ? create(api, request, &target, body) : NULL;
    if (errand == NULL) {
        json_decref(problem == PROBLEM_NONE ? body : NULL);
        problem = problem == PROBLEM_NONE ? PROBLEM_NO_MEMORY : problem;
        problem_answer(api, request->id, request_id, problem,
                       problem == PROBLEM_METHOD ? target_methods(request->path) : NULL);
        return;
    }
    bool edits = target.action == API_PATCH || target.action == API_POST;
    problem = edits ? key_take(errand, request) : PROBLEM_NONE;
    if (problem != PROBLEM_NONE) {
        errand_refuse(errand, problem, NULL);
        return;
    }
    errand_hello(errand, request->token);
}

void api_request(struct api *api, const struct net_request *request)
{
    enter(api);
    begin(api, request);
    leave(api);
}

void api_request_gone(struct api *api, uint64_t id)
{
    struct errand *errand = find(&api->by_request, id);
    enter(api);
    if (errand != NULL) {
        errand_over(errand);
    }
    leave(api);
}

void api_request_writable(struct api *api, uint64_t id)
{
    struct errand *errand = find(&api->by_request, id);
    enter(api);
    if (errand != NULL && errand->target.action == API_WATCH) {
        watch_writable(errand);
    }
    leave(api);
}

void api_effect(struct api *api, const struct hub_effect *effect)
{
    struct errand *errand = find(&api->by_connection, effect->connection);
    enter(api);
    if (errand != NULL && !errand->over) {
        errand_take(errand, effect);
    }
    leave(api);
}

void api_claimed(struct api *api, uint64_t request, struct bytes bytes)
{
    struct errand *errand = find(&api->by_connection, request);
    enter(api);
    if (errand != NULL && !errand->over) {
        key_claimed(errand, bytes);
    }
    leave(api);
}
