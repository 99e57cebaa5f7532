#include "server/metrics.h"

#include <string.h>
#include <strings.h>

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

/* Whoever reaches the internal address may ask; elsewhere it takes an operator's token. */
static bool may_ask(const struct loop *loop, const struct net_request *request)
{
    static const char scheme[] = "Bearer ";
    struct token_claims claims = {.subject = ""};
    struct buffer grants;
    struct bytes text = request->authorization;
    if (request->door == NET_INTERNAL) {
        return true;
    }
    if (text.length < sizeof scheme ||
        strncasecmp((const char *)text.data, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    struct bytes token = {text.data + (sizeof scheme - 1), text.length - (sizeof scheme - 1)};
    buffer_init(&grants, LIMIT_GRANTS_BYTES);
    enum token_status status =
        token_verify(loop->keys, token, clock_read().wall_ms, &claims, &grants);
    buffer_finish(&grants);
    return status == TOKEN_OK && claims.admin;
}

void metrics_answer(struct loop *loop, const struct net_request *request)
{
    if (!may_ask(loop, request)) {
        static const struct net_header wanted = {"www-authenticate", "Bearer"};
        net_answer_problem(loop->net, request->id,
                           &(struct net_problem){
                               401, "TOKEN_REQUIRED",
                               "metrics are for the internal address, or a token that says admin",
                               &wanted});
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
        net_answer_problem(loop->net, request->id,
                           &(struct net_problem){.status = 503,
                                                 .code = "BUSY",
                                                 .detail = "the hub is out of memory"});
    }
    buffer_finish(&text);
}
