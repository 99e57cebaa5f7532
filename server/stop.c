#include "server/stop.h"

#include "server/log.h"

/* Who has just become a client has said HELLO a few checks later. */
enum { CHECK_MS = 20, GREETING_MS = 1000, QUIET_CHECKS = 4 };

static void tell_hub(struct stop *stop)
{
    struct hub_event event = {.kind = EVENT_DRAIN};
    stop->draining = true;
    webhooks_drain(stop->loop->webhooks);
    loop_step(stop->loop, &event);
}

/* Whether somebody who has connected is not a client yet, and may become one. */
static bool somebody_comes(struct stop *stop)
{
    struct net_stats stats;
    net_stats(stop->loop->net, &stats);
    stop->quiet = stats.handshakes > 0 ? 0 : stop->quiet + 1;
    return stop->quiet < QUIET_CHECKS && stop->greeting_ms >= CHECK_MS;
}

static void on_check(uv_timer_t *timer)
{
    struct stop *stop = timer->data;
    struct hub_stats stats;
    hub_stats(stop->loop->hub, &stats);
    bool late = stop->left_ms < CHECK_MS;
    if (late && !stats.drained) {
        log_event(LEVEL_WARNING, "drain-late",
                  LOG_FIELDS(log_sentence("hint", "the journal holds what the tables lack")));
    }
    bool drained = stats.drained && webhooks_drained(stop->loop->webhooks);
    if (drained || late || stop->loop->failed) {
        uv_stop(&stop->loop->uv);
        return;
    }
    stop->left_ms -= CHECK_MS;
    if (stop->draining) {
        return;
    }
    if (somebody_comes(stop)) {
        stop->greeting_ms -= CHECK_MS;
    } else {
        tell_hub(stop);
    }
}

void stop_begin(struct stop *stop, uint64_t drain_ms, bool keeps_listening)
{
    struct net *net = stop->loop->net;
    stop->begun = true;
    stop->left_ms = drain_ms;
    stop->greeting_ms = keeps_listening && net != NULL ? GREETING_MS : 0;
    if (net != NULL && keeps_listening) {
        net_stop_accepting(net);
    } else if (net != NULL) {
        net_stop_listening(net);
    }
    if (!keeps_listening) {
        tell_hub(stop);
    }
    (void)uv_timer_start(&stop->timer, on_check, 0, CHECK_MS);
}

void stop_hurry(struct stop *stop) { uv_stop(&stop->loop->uv); }

bool stop_init(struct stop *stop, struct loop *loop)
{
    *stop = (struct stop){.loop = loop};
    stop->timer.data = stop;
    return uv_timer_init(&loop->uv, &stop->timer) == 0;
}

void stop_close(struct stop *stop) { uv_close((uv_handle_t *)&stop->timer, NULL); }
