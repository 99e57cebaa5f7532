/* HTTP as libwebsockets tells of it: a request's head, its body, and when there is room to write.
 */
#include <stdlib.h>
#include <string.h>

#include "server/net/session.h"

enum {
    BODY_SECONDS = 10,
    BODY_BYTES_PER_SECOND = 16 << 10, /* and that much longer */
    SPARED_SECONDS = 2,
    SPARED_BYTES_MAX = 16 << 20 /* of a body that is read to nobody */
};

static void refuse(struct net *net, struct exchange *exchange, unsigned status, const char *code,
                   const char *detail)
{
    net_answer_problem(net, exchange->id,
                       &(struct net_problem){.status = status, .code = code, .detail = detail});
}

static void refuse_head(struct net *net, struct exchange *exchange, struct head_refusal refusal)
{
    const char *code = refusal.status == 411   ? "LENGTH_REQUIRED"
                       : refusal.status == 505 ? "HTTP_VERSION"
                                               : "BAD_REQUEST";
    refuse(net, exchange, refusal.status, code, refusal.text);
}

static const char no_body[] = "such a request has no body here";

static bool method_is(const struct exchange *exchange, const char *method)
{
    struct bytes given = exchange->head.method;
    return given.length == strlen(method) && memcmp(given.data, method, given.length) == 0;
}

static bool asks_to_read(const struct exchange *exchange)
{
    return method_is(exchange, "GET") || method_is(exchange, "HEAD");
}

static bool path_is(const struct exchange *exchange, const char *path)
{
    return exchange->path_length == strlen(path) &&
           memcmp(exchange->path, path, exchange->path_length) == 0;
}

static const struct net_page *find_page(const struct net *net, const struct exchange *exchange)
{
    for (size_t i = 0; i < net->config.page_count; i++) {
        if (path_is(exchange, net->config.pages[i].path)) {
            return &net->config.pages[i];
        }
    }
    return NULL;
}

static struct net_request view(const struct exchange *exchange)
{
    const struct head *head = &exchange->head;
    return (struct net_request){
        .id = exchange->id,
        .door = exchange->door,
        .method = head->method,
        .path = {exchange->path, exchange->path_length},
        .query = head->query,
        .token = head_token(head),
        .content_type = head_value(head, "content-type"),
        .accept = head_value(head, "accept"),
        .idempotency_key = head_value(head, "idempotency-key"),
        .last_event_id = head_value(head, "last-event-id"),
        .if_none_match = head_value(head, "if-none-match"),
        .request_id = head_value(head, "x-request-id"),
        .origin = head_value(head, "origin"),
        .body = buffer_bytes(&exchange->body.bytes),
    };
}

/* Nothing of the body is here yet, and whoever can answer without it does; then the connection
 * closes, since the body may not come, or not end. */
static void look_at_head(struct net *net, struct exchange *exchange)
{
    const struct net_page *page = find_page(net, exchange);
    struct net_request shown = view(exchange);
    bool closes = exchange->closes;
    bool harmless = asks_to_read(exchange) || method_is(exchange, "OPTIONS");
    exchange->closes = closes || !harmless || exchange->head.body_bytes > 0;
    if (page != NULL && !asks_to_read(exchange)) {
        net_answer_problem(net, exchange->id,
                           &(struct net_problem){405, "METHOD_NOT_ALLOWED",
                                                 "only " HTTP_METHODS " are answered here",
                                                 &(struct net_header){"allow", HTTP_METHODS}});
    } else if (asks_to_read(exchange) && exchange->head.body_bytes > 0) {
        refuse(net, exchange, 400, "BAD_REQUEST", no_body);
    } else if (page != NULL) {
        exchange_answer_page(net, exchange, page);
    } else if (host_is_rebound(net, exchange->door, head_value(&exchange->head, "host"))) {
        refuse(net, exchange, 403, "FOREIGN_HOST",
               "that name is not this hub's; ask for it as localhost");
    } else if (!origin_allowed(net, exchange->wsi)) {
        refuse(net, exchange, 403, "FOREIGN_ORIGIN", ORIGIN_REFUSED);
    } else {
        exchange->origin = shown.origin;
        net->config.request_begins(net->config.context, &shown);
    }
    if (!exchange->answered && exchange->head.body_bytes > net->config.request_bytes) {
        net->bodies_refused++;
        refuse(net, exchange, 413, "TOO_LONG",
               "the body is longer than the hub takes (limits.request_bytes)");
    }
    exchange->closes = exchange->answered ? exchange->closes : closes;
}

static bool read_head(struct net *net, struct exchange *exchange, struct bytes text)
{
    struct head_refusal refusal = head_read(text, &exchange->head);
    exchange->path = malloc(exchange->head.target.length + 1);
    if (exchange->path == NULL) {
        return false;
    }
    if (refusal.status == 0) {
        refusal = head_decode_path(exchange->head.target, exchange->path, &exchange->path_length);
    }
    if (refusal.status == 411 && asks_to_read(exchange)) {
        refusal = (struct head_refusal){400, no_body};
    }
    if (refusal.status != 0) {
        exchange->closes = true;
        exchange->head.body_bytes = 0;
        refuse_head(net, exchange, refusal);
    }
    /* To a POST without a length libwebsockets gives one. */
    exchange->closes = exchange->closes || (!exchange->head.sized && method_is(exchange, "POST"));
    return true;
}

/* It is no handshake any more, and hears nothing until there is something to write. */
static void defer(struct net *net, struct exchange *exchange)
{
    exchange->waits = true;
    exchange->inside = false;
    net->exchanges.waiting++;
    handshakes_remove(&net->handshakes, exchange->wsi);
    lws_set_timeout(exchange->wsi, NO_PENDING_TIMEOUT, 0);
    lws_rx_flow_control(exchange->wsi, 0);
}

static bool is_full(const struct net *net)
{
    return net->exchanges.waiting >= net->config.requests_max;
}

static void refuse_full(struct net *net, struct exchange *exchange)
{
    net->requests_refused++;
    net_answer_problem(
        net, exchange->id,
        &(struct net_problem){503, "BUSY",
                              "too many requests are waiting for their answers; try again later",
                              &(struct net_header){"retry-after", "1"}});
}

/* Who is refused because many wait has had nothing done: what only reads may have been begun. */
static int ask(struct net *net, struct exchange *exchange)
{
    struct net_request shown = view(exchange);
    exchange->stage = EXCHANGE_ASKED;
    exchange->since_us = uv_hrtime() / 1000;
    exchange->seconds = 0;
    exchange->inside = true;
    if (is_full(net) && !asks_to_read(exchange)) {
        refuse_full(net, exchange);
    } else {
        exchange->told = true;
        net->config.request(net->config.context, &shown);
    }
    gathering_drop(&net->gatherings, &exchange->body);
    if (exchange->answered && !exchange->more) {
        return exchange_write(net, exchange);
    }
    if (is_full(net)) {
        net->config.request_gone(net->config.context, exchange->id);
        exchange->told = false;
        exchange_take_back(exchange);
        refuse_full(net, exchange);
        return exchange_write(net, exchange);
    }
    defer(net, exchange);
    return exchange->answered ? exchange_write(net, exchange) : 0;
}

/* An answer before the body: it is read to nobody, if it comes soon, since a peer that still writes
 * when we close may not get to read what we said. */
static int spare(struct net *net, struct exchange *exchange)
{
    if (exchange->head.body_bytes == 0 || exchange->head.body_bytes > SPARED_BYTES_MAX ||
        head_value(&exchange->head, "expect").length > 0) {
        return exchange_write(net, exchange);
    }
    exchange->stage = EXCHANGE_SPARED;
    exchange->seconds =
        SPARED_SECONDS + (unsigned)(exchange->head.body_bytes / BODY_BYTES_PER_SECOND);
    wire_body(exchange->wire, exchange->head.body_bytes);
    return exchange_write(net, exchange);
}

static int begin_body(struct exchange *exchange)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    unsigned char text[sizeof go_on];
    exchange->seconds =
        BODY_SECONDS + (unsigned)(exchange->head.body_bytes / BODY_BYTES_PER_SECOND);
    exchange->inside = false;
    wire_body(exchange->wire, exchange->head.body_bytes);
    if (head_value(&exchange->head, "expect").length == 0) {
        return 0;
    }
    memcpy(text, go_on, sizeof go_on);
    return lws_write(exchange->wsi, text, sizeof go_on - 1, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

static int begin(struct net *net, struct lws *wsi, struct exchange **slot)
{
    struct wire *wire = handshakes_wire(wsi);
    struct bytes text = {0};
    if (wire != NULL) {
        text = wire_head(wire);
    }
    if (slot == NULL || text.length == 0 || (*slot = exchange_create(net, wsi, wire)) == NULL) {
        return -1;
    }
    struct exchange *exchange = *slot;
    exchange->inside = true;
    if (!read_head(net, exchange, text)) {
        return -1;
    }
    if (!exchange->answered) {
        look_at_head(net, exchange);
    }
    if (exchange->answered) {
        return spare(net, exchange);
    }
    return exchange->head.body_bytes > 0 ? begin_body(exchange) : ask(net, exchange);
}

static int take_body(struct net *net, struct exchange *exchange, struct bytes piece)
{
    if (exchange->stage == EXCHANGE_BODY && piece.length > 0 &&
        !gathering_add(&net->gatherings, &exchange->body, piece)) {
        return -1;
    }
    return 0;
}

/* libwebsockets tells of it after a POST without a body, too, and again if it finds more. */
static int end_body(struct net *net, struct exchange *exchange)
{
    switch (exchange->stage) {
    case EXCHANGE_BODY:
        return exchange->body.bytes.length == exchange->head.body_bytes ? ask(net, exchange) : -1;
    case EXCHANGE_SPARED:
        return -1;
    case EXCHANGE_ASKED:
        return 0;
    }
    return -1;
}

static int writeable(struct net *net, struct exchange *exchange)
{
    uint64_t id = exchange->id;
    int result = exchange_write(net, exchange);
    exchange = result == 0 ? exchange_find(net, id) : NULL;
    if (exchange == NULL || !exchange->emptied) {
        return result;
    }
    exchange->emptied = false;
    exchange->inside = true;
    net->config.request_writable(net->config.context, id);
    return exchange_write(net, exchange);
}

static int on_exchange(struct net *net, struct exchange *exchange, enum lws_callback_reasons reason,
                       struct bytes piece)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP_BODY:
        return take_body(net, exchange, piece);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return end_body(net, exchange);
    default:
        return writeable(net, exchange);
    }
}

int http_handle(struct net *net, struct lws *wsi, enum lws_callback_reasons reason, void *user,
                struct bytes piece)
{
    struct exchange **slot = user; /* NULL: libwebsockets had no memory for it */
    if (reason == LWS_CALLBACK_HTTP) {
        return begin(net, wsi, slot);
    }
    struct exchange *exchange = slot == NULL ? NULL : *slot;
    if (exchange == NULL) {
        return 0;
    }
    if (reason == LWS_CALLBACK_HTTP_DROP_PROTOCOL || reason == LWS_CALLBACK_CLOSED_HTTP) {
        exchange_destroy(net, exchange);
        return 0;
    }
    return on_exchange(net, exchange, reason, piece);
}
