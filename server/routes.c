#include "server/routes.h"

#include <string.h>

#include "server/http_api.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/status.h"

enum { ON_PUBLIC = 1 << NET_PUBLIC, ON_INTERNAL = 1 << NET_INTERNAL, ON_BOTH = 3 };

typedef void route_handler(struct loop *loop, const struct net_request *request);
typedef void route_told(struct loop *loop, uint64_t id);

struct route {
    const char *path;    /* with a slash at the end: whatever begins so */
    const char *methods; /* as the header Allow has them; who answers GET is asked HEAD, too */
    unsigned doors;
    route_handler *answer;
    /* Told of all requests, whosever they are; NULL: every answer is given at once. */
    route_told *gone;
    route_told *writable;
};

static const struct route routes[] = {
    {"/health", "GET, HEAD", ON_BOTH, status_health, NULL, NULL},
    {"/metrics", "GET, HEAD", ON_BOTH, metrics_answer, NULL, NULL},
    {"/ready", "GET, HEAD", ON_BOTH, status_ready, NULL, NULL},
    {"/api/", "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS", ON_PUBLIC, http_api_request,
     http_api_gone, http_api_writable},
};

enum { ROUTES = sizeof routes / sizeof *routes };

static bool path_matches(struct bytes path, const char *wanted)
{
    size_t length = strlen(wanted);
    bool all_below = wanted[length - 1] == '/';
    return path.length >= length && (all_below || path.length == length) &&
           memcmp(path.data, wanted, length) == 0;
}

static const struct route *find(const struct net_request *request)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if ((routes[i].doors & 1U << request->door) != 0 &&
            path_matches(request->path, routes[i].path)) {
            return &routes[i];
        }
    }
    return NULL;
}

bool request_method_is(const struct net_request *request, const char *method)
{
    return request->method.length == strlen(method) &&
           memcmp(request->method.data, method, request->method.length) == 0;
}

static bool allows(const struct route *route, struct bytes method)
{
    const char *at = route->methods;
    while (*at != '\0') {
        size_t length = strcspn(at, ",");
        if (length == method.length && memcmp(at, method.data, length) == 0) {
            return true;
        }
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

/* A browser asks before it lets a page of another origin, which net has found may, do more than
 * read. */
static void answer_preflight(struct loop *loop, uint64_t id, const char *methods)
{
    struct net_header headers[] = {
        {"access-control-allow-methods", methods},
        {"access-control-allow-headers", "authorization, content-type, idempotency-key, "
                                         "if-none-match, last-event-id, x-request-id"},
        {"access-control-max-age", "600"},
    };
    net_answer(loop->net, id,
               &(struct net_answer){.code = 204,
                                    .headers = headers,
                                    .header_count = sizeof headers / sizeof *headers});
}

void routes_begin(void *context, const struct net_request *request)
{
    struct loop *loop = context;
    const struct route *route = find(request);
    if (route == NULL) {
        net_answer_problem(loop->net, request->id,
                           &(struct net_problem){.status = 404,
                                                 .code = "NOT_FOUND",
                                                 .detail = "there is nothing at this path"});
    } else if (request_method_is(request, "OPTIONS") && request->origin.length > 0) {
        answer_preflight(loop, request->id, route->methods);
    } else if (!allows(route, request->method)) {
        net_answer_problem(loop->net, request->id,
                           &(struct net_problem){405, "METHOD_NOT_ALLOWED",
                                                 "the header Allow says what is answered",
                                                 &(struct net_header){"allow", route->methods}});
    }
}

void routes_request(void *context, const struct net_request *request)
{
    struct loop *loop = context;
    find(request)->answer(loop, request); /* or `routes_begin` had answered */
}

void routes_gone(void *context, uint64_t id)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if (routes[i].gone != NULL) {
            routes[i].gone(context, id);
        }
    }
}

void routes_writable(void *context, uint64_t id)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if (routes[i].writable != NULL) {
            routes[i].writable(context, id);
        }
    }
}
