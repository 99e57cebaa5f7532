#include "server/serve.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "server/assets.h"
#include "server/config_values.h"
#include "server/http_api.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/reload.h"
#include "server/routes.h"

enum { DRAIN_MS = 10000, DRAIN_CHECK_MS = 20 };

struct server {
    struct loop loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hang_up;
    struct reload reload;
    uv_timer_t drain;
    struct net_page pages[ASSETS_MAX];
    size_t page_count;
    uint64_t drain_left_ms;
    bool draining;
    bool wants_reload; /* asked for before there was anything to change */
};

static void on_drain(uv_timer_t *timer)
{
    struct server *server = timer->data;
    struct hub_stats stats;
    hub_stats(server->loop.hub, &stats);
    bool late = server->drain_left_ms < DRAIN_CHECK_MS;
    if (late) {
        log_warning("drain-late (the journal holds what the tables lack)");
    }
    if (stats.drained || late || server->loop.failed) {
        uv_stop(&server->loop.uv);
        return;
    }
    server->drain_left_ms -= DRAIN_CHECK_MS;
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    if (server->draining) {
        log_warning("hurry signal=%d", number);
        uv_stop(&server->loop.uv);
        return;
    }
    log_info("drain signal=%d", number);
    server->draining = true;
    reload_stop(&server->reload);
    server->drain_left_ms = DRAIN_MS;
    if (server->loop.net != NULL) {
        net_stop_listening(server->loop.net);
    }
    struct hub_event event = {.kind = EVENT_DRAIN};
    loop_step(&server->loop, &event);
    (void)uv_timer_start(&server->drain, on_drain, 0, DRAIN_CHECK_MS);
}

static void on_hang_up(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    (void)number;
    if (server->loop.net == NULL) {
        server->wants_reload = true;
    } else if (!server->draining) {
        reload_ask(&server->reload);
    }
}

static void on_reloaded(void *context, bool applied)
{
    (void)context;
    (void)applied;
}

static bool init(struct server *server, const struct arguments *arguments, struct config *config)
{
    *server = (struct server){.reload = {.ended = on_reloaded, .context = server}};
    if (!loop_init(&server->loop)) {
        return false;
    }
    uv_loop_t *uv = &server->loop.uv;
    bool good = uv_signal_init(uv, &server->terminate) == 0 &&
                uv_signal_init(uv, &server->interrupt) == 0 &&
                uv_signal_init(uv, &server->hang_up) == 0 &&
                uv_timer_init(uv, &server->drain) == 0 &&
                reload_init(&server->reload, &server->loop, arguments, config);
    server->terminate.data = server;
    server->interrupt.data = server;
    server->hang_up.data = server;
    server->drain.data = server;
    return good && uv_signal_start(&server->terminate, on_signal, SIGTERM) == 0 &&
           uv_signal_start(&server->interrupt, on_signal, SIGINT) == 0 &&
           uv_signal_start(&server->hang_up, on_hang_up, SIGHUP) == 0;
}

static void close_all(struct server *server)
{
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    uv_close((uv_handle_t *)&server->hang_up, NULL);
    uv_close((uv_handle_t *)&server->drain, NULL);
    reload_close(&server->reload);
    net_close(server->loop.net);
    loop_close(&server->loop);
    while (uv_run(&server->loop.uv, UV_RUN_DEFAULT) != 0) { /* the first may only take a stop */
    }
    net_finish(server->loop.net);
    api_destroy(server->loop.api);
    storage_close(server->loop.storage);
    hub_destroy(server->loop.hub);
    reload_finish(&server->reload);
    if (uv_loop_close(&server->loop.uv) != 0) {
        log_warning("handles were left open");
    }
}

static bool open_hub(struct server *server, struct config *config)
{
    struct storage_info info;
    storage_info(server->loop.storage, &info);
    struct hub_config hub = config->hub;
    hub.schemas = &config->schemas;
    hub.journal = info.journal;
    server->loop.data = config->data;
    hub.tokens = config->keys.length > 0;
    hub.position = info.position;
    hub.operators = config_allows_console(config);
    hub.operators_inside = config_allows_console_inside(config);
    /* The two structs are one thing on two sides of a wall. */
    _Static_assert(sizeof(struct storage_ancestor) == sizeof(struct hub_ancestor), "same shape");
    hub.ancestors = (const struct hub_ancestor *)(const void *)info.ancestors;
    hub.ancestor_count = info.ancestor_count;
    /* Two numbers: one is shown, the other must not be known. */
    if (getrandom(&hub.seed, sizeof hub.seed, 0) != sizeof hub.seed ||
        getrandom(&hub.boot, sizeof hub.boot, 0) != sizeof hub.boot) {
        log_error("no randomness to be had");
        return false;
    }
    server->loop.keys = &config->keys;
    server->loop.hub = hub_create(&hub);
    if (server->loop.hub == NULL) {
        log_error("out of memory");
    }
    return server->loop.hub != NULL;
}

static int on_batch(void *context, uint64_t position, struct bytes batch)
{
    struct server *server = context;
    struct hub_event event = {.kind = EVENT_REPLAY, .position = position, .bytes = batch};
    loop_step(&server->loop, &event);
    return server->loop.failed ? -1 : 0;
}

/* What the tables lack takes effect again before anybody connects. */
static bool replay(struct server *server)
{
    char error[STORAGE_ERROR_BYTES] = "";
    struct hub_stats stats;
    if (!storage_replay(server->loop.storage, on_batch, server, error)) {
        log_error("replay-failed reason=\"%s\"", error);
        return false;
    }
    if (!storage_start(server->loop.storage, loop_wake, &server->loop)) {
        log_error("no threads to be had");
        return false;
    }
    hub_stats(server->loop.hub, &stats);
    while (stats.replaying && !server->loop.failed && !server->draining) {
        (void)uv_run(&server->loop.uv, UV_RUN_ONCE);
        hub_stats(server->loop.hub, &stats);
    }
    log_info("ready position=%" PRIu64 " documents=%zu", stats.position, stats.documents);
    return !server->loop.failed;
}

static void on_tls_reloaded(void *context, const char *error)
{
    (void)context;
    if (error == NULL) {
        log_info("certificate-reloaded");
    } else {
        log_error("certificate-failed reason=\"%s\" (the old one stays)", error);
    }
}

static void print_listening(const char *what, const char *scheme, const char *host, int port)
{
    bool six = strchr(host, ':') != NULL;
    (void)printf("%slistening on %s://%s%s%s:%d/\n", what, scheme, six ? "[" : "", host,
                 six ? "]" : "", port);
}

static bool listen_for_clients(struct server *server, const struct config *config)
{
    char error[512];
    const struct config_address *internal = config_internal(config);
    bool tls = config->net.certificate.name != NULL;
    server->page_count = assets_list(server->pages);
    struct net_config net = {
        .loop = &server->loop.uv,
        .address = config->listen.host,
        .port = config->listen.port,
        .loopback = config_address_is_loopback(&config->listen),
        .tls = {config->net.certificate.name, config->net.key.name},
        .internal_address = internal == NULL ? NULL : internal->host,
        .internal_port = internal == NULL ? 0 : internal->port,
        .internal_loopback = internal != NULL && config_address_is_loopback(internal),
        .message_bytes = config->hub.message_bytes,
        .connections_max = config->hub.connections_max,
        .handshakes_max = config->handshakes_max,
        .requests_max = config->requests_max,
        .request_bytes = config->request_bytes,
        .buffer_bytes = config->hub.buffer_bytes,
        .origins = (const char *const *)config->allowed_origins,
        .origin_count = config->allowed_origin_count,
        .pages = server->pages,
        .page_count = server->page_count,
        .event = loop_net_event,
        .request_begins = routes_begin,
        .request = routes_request,
        .request_gone = routes_gone,
        .request_writable = routes_writable,
        .tls_reloaded = on_tls_reloaded,
        .context = &server->loop,
    };
    if (!http_api_open(&server->loop, config)) {
        log_error("out of memory");
        return false;
    }
    if (!net_open(&server->loop.net, &net, error, sizeof error)) {
        log_error("listen-failed reason=\"%s\"", error);
        return false;
    }
    print_listening("", tls ? "https" : "http", config->listen.host, net_port(server->loop.net));
    if (internal != NULL) {
        print_listening("internally ", "http", internal->host, net_internal_port(server->loop.net));
    }
    if (config->net.warning[0] != '\0') {
        log_warning("certificate reason=\"%s\"", config->net.warning);
    }
    (void)fflush(stdout);
    return true;
}

int serve(const struct arguments *arguments, struct config *config)
{
    log_configure(&config->log);
    struct server server;
    char error[STORAGE_ERROR_BYTES];
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk like any other */
    if (!init(&server, arguments, config)) {
        log_error("no event loop to be had");
        return 1;
    }
    bool good = storage_open(&server.loop.storage, config->data, config->hub.relaxed,
                             &config->schemas, error);
    if (!good) {
        log_error("storage-failed reason=\"%s\"", error);
    }
    good = good && open_hub(&server, config) && replay(&server) &&
           (server.draining || listen_for_clients(&server, config));
    if (good && !server.draining && server.wants_reload) {
        reload_ask(&server.reload);
    }
    if (good && !server.draining) {
        (void)uv_run(&server.loop.uv, UV_RUN_DEFAULT);
    }
    good = good && !server.loop.failed;
    close_all(&server);
    log_info("stopped");
    return good ? 0 : 1;
}
