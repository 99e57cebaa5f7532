#include "server/net/exchange.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/session.h"

enum { SWEEP_MS = 1000 };

static struct exchange **bucket_of(struct net *net, uint64_t id)
{
    return &net->exchanges.buckets[id % EXCHANGE_BUCKETS];
}

struct exchange *exchange_find(const struct net *net, uint64_t id)
{
    struct exchange *exchange = net->exchanges.buckets[id % EXCHANGE_BUCKETS];
    while (exchange != NULL && exchange->id != id) {
        exchange = exchange->next;
    }
    return exchange;
}

static void on_sweep(uv_timer_t *timer) { exchange_sweep(timer->data); }

static void link_to(struct net *net, struct exchange *exchange)
{
    struct exchanges *exchanges = &net->exchanges;
    struct exchange **bucket = bucket_of(net, exchange->id);
    exchange->next = *bucket;
    *bucket = exchange;
    exchange->older = exchanges->newest;
    *(exchanges->newest == NULL ? &exchanges->oldest : &exchanges->newest->newer) = exchange;
    exchanges->newest = exchange;
    if (exchange->older == NULL) {
        (void)uv_timer_start(&exchanges->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    }
}

static void unlink_from(struct net *net, struct exchange *exchange)
{
    struct exchanges *exchanges = &net->exchanges;
    struct exchange **at = bucket_of(net, exchange->id);
    while (*at != exchange) {
        at = &(*at)->next;
    }
    *at = exchange->next;
    *(exchange->older == NULL ? &exchanges->oldest : &exchange->older->newer) = exchange->newer;
    *(exchange->newer == NULL ? &exchanges->newest : &exchange->newer->older) = exchange->older;
    if (exchanges->oldest == NULL) {
        (void)uv_timer_stop(&exchanges->sweep);
    }
}

/* Now: no callback of its connection is under way. */
static void end(struct exchange *exchange)
{
    lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

/* Its connection ends later: a callback of its own may be under way. */
static void give_up(void *owner)
{
    struct exchange *exchange = owner;
    gathering_drop(&net_of(exchange->wsi)->gatherings, &exchange->body);
    exchange->stage = EXCHANGE_SPARED;
    lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    lws_cancel_service(lws_get_context(exchange->wsi));
}

struct exchange *exchange_create(struct net *net, struct lws *wsi, struct wire *wire)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        return NULL;
    }
    exchange->id = ++net->last_id;
    exchange->since_us = uv_hrtime() / 1000;
    exchange->wsi = wsi;
    exchange->wire = wire;
    exchange->door = handshakes_door(wsi);
    buffer_init(&exchange->body.bytes, net->config.request_bytes);
    buffer_init(&exchange->answer, net->config.buffer_bytes);
    exchange->body.give_up = give_up;
    exchange->body.owner = exchange;
    link_to(net, exchange);
    return exchange;
}

void exchange_destroy(struct net *net, struct exchange *exchange)
{
    *(struct exchange **)lws_wsi_user(exchange->wsi) = NULL;
    unlink_from(net, exchange);
    gathering_drop(&net->gatherings, &exchange->body);
    net->unsent -= exchange->answer.capacity;
    net->exchanges.waiting -= exchange->waits ? 1 : 0;
    if (exchange->told && (!exchange->answered || exchange->more)) {
        net->config.request_gone(net->config.context, exchange->id);
    }
    buffer_finish(&exchange->answer);
    free(exchange->path);
    free(exchange);
}

static bool has_left(const struct exchange *exchange)
{
    struct pollfd peer = {.fd = lws_get_socket_fd(exchange->wsi), .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static bool is_over(struct exchange *exchange)
{
    if (exchange->seconds > 0 && --exchange->seconds == 0) {
        return true;
    }
    return exchange->waits && has_left(exchange);
}

void exchange_sweep(struct net *net)
{
    struct exchange *exchange = net->exchanges.oldest;
    while (exchange != NULL) {
        struct exchange *newer = exchange->newer;
        if (is_over(exchange)) {
            end(exchange);
        }
        exchange = newer;
    }
}
