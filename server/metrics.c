#include "server/metrics.h"

enum { METRICS_BYTES = 4 << 20 };

typedef void metrics_part(struct metrics *metrics, struct loop *loop);

static metrics_part *const parts[] = {metrics_hub,      metrics_counted, metrics_http,
                                      metrics_webhooks, metrics_storage, metrics_process};

bool metrics_write(struct buffer *out, struct loop *loop)
{
    struct metrics metrics = {.out = out};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i](&metrics, loop);
    }
    return !metrics.failed;
}

static const struct net_header challenge = {"www-authenticate", "Bearer"};

static const struct net_problem no_token = {
    401, "TOKEN_REQUIRED", "metrics are for the internal address, or a token that says admin",
    &challenge};
static const struct net_problem expired = {401, "TOKEN_EXPIRED", "the token has expired",
                                           &challenge};
static const struct net_problem invalid = {
    401, "TOKEN_INVALID",
    "the token is not signed with a key of the hub, lacks a claim, or is not valid yet",
    &challenge};
static const struct net_problem not_admin = {403, "FORBIDDEN",
                                             "metrics take a token that says admin", NULL};
static const struct net_problem no_memory = {503, "BUSY", "the hub is out of memory", NULL};

static const struct net_problem *check_token(const struct loop *loop, struct bytes token)
{
    struct token_claims claims = {.subject = ""};
    struct buffer grants;
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    enum token_status status =
        token_verify(loop->keys, token, clock_read().wall_ms, &claims, &grants);
    buffer_finish(&grants);
    switch (status) {
    case TOKEN_OK:
        return claims.admin ? NULL : &not_admin;
    case TOKEN_EXPIRED:
        return &expired;
    case TOKEN_NO_MEMORY:
        return &no_memory;
    default:
        return &invalid;
    }
}

/* Whoever reaches the internal address may ask; elsewhere it takes an operator's token. NULL: go
 * on. */
static const struct net_problem *check(const struct loop *loop, const struct net_request *request)
{
    if (request->door == NET_INTERNAL) {
        return NULL;
    }
    return request->token.length == 0 ? &no_token : check_token(loop, request->token);
}

void metrics_answer(struct loop *loop, const struct net_request *request)
{
    const struct net_problem *problem = check(loop, request);
    if (problem != NULL) {
        net_answer_problem(loop->net, request->id, problem);
        return;
    }
    struct buffer text;
    buffer_init(&text, METRICS_BYTES);
    if (metrics_write(&text, loop)) {
        struct net_answer answer = {.code = 200,
                                    .type = "text/plain; version=0.0.4; charset=utf-8",
                                    .body = buffer_bytes(&text)};
        net_answer(loop->net, request->id, &answer);
    } else {
        net_answer_problem(loop->net, request->id, &no_memory);
    }
    buffer_finish(&text);
}
