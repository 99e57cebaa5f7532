#include "server/serve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/assets.h"
#include "server/config_values.h"
#include "server/handover.h"
#include "server/http_api.h"
#include "server/key_watch.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/notify.h"
#include "server/reload.h"
#include "server/routes.h"
#include "server/stop.h"

/* What the end may take beside storing, before a service manager takes it for stuck. */
enum { STOPPING_MS = 10000, LOST_TURNS = 200 /* of a millisecond */ };

struct server {
    struct loop loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hang_up;
    struct reload reload;
    struct stop stop;
    struct notify notify;
    struct handover handover;
    struct key_watch key_watch;
    struct net_page pages[ASSETS_MAX];
    size_t page_count;
    int listen_socket; /* that listens already; 0: none */
    bool is_lent;      /* by the service manager, who goes on listening */
    bool wants_reload; /* asked for before there was anything to change */
    bool ends;         /* by a signal: not for another hub's sake */
    char where[128];   /* for people: where clients find it */
};

static void log_start_failed(const char *reason)
{
    log_event(LEVEL_ERROR, "start-failed", LOG_FIELDS(log_sentence("reason", reason)));
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    uint64_t drain_ms = server->reload.config->drain_ms;
    server->ends = true;
    if (server->stop.begun) {
        log_event(LEVEL_WARNING, "hurry", LOG_FIELDS(log_number("signal", (uint64_t)number)));
        stop_hurry(&server->stop);
        return;
    }
    log_event(LEVEL_INFO, "drain", LOG_FIELDS(log_number("signal", (uint64_t)number)));
    notify_say(&server->notify, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\nSTATUS=storing",
               (drain_ms + STOPPING_MS) * 1000);
    reload_stop(&server->reload);
    stop_begin(&server->stop, drain_ms, server->is_lent);
}

static void on_hang_up(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    (void)number;
    if (server->loop.net == NULL) {
        server->wants_reload = true;
    } else if (!server->stop.begun) {
        reload_ask(&server->reload);
    }
}

static void on_reload_begun(void *context)
{
    const struct server *server = context;
    notify_reloading(&server->notify);
}

static void on_reload_ended(void *context, bool applied)
{
    const struct server *server = context;
    char status[256];
    (void)snprintf(status, sizeof status, "%s%s", server->where,
                   applied ? "" : "; the last reload was refused, the log says why");
    notify_ready(&server->notify, status);
}

static void on_take_over(void *context)
{
    struct server *server = context;
    if (!server->stop.begun) {
        log_event(LEVEL_INFO, "drain", LOG_FIELDS(log_word("for", "another-hub")));
        reload_stop(&server->reload);
        stop_begin(&server->stop, server->reload.config->drain_ms, true);
    }
}

static bool init(struct server *server, const struct arguments *arguments, struct config *config)
{
    *server = (struct server){
        .reload = {.key_watch = &server->key_watch,
                   .begun = on_reload_begun,
                   .ended = on_reload_ended,
                   .context = server},
        .handover = {.begin = on_take_over, .context = server},
        .is_lent = arguments->inherited.socket != 0,
    };
    if (!loop_init(&server->loop)) {
        return false;
    }
    uv_loop_t *uv = &server->loop.uv;
    bool good = uv_signal_init(uv, &server->terminate) == 0 &&
                uv_signal_init(uv, &server->interrupt) == 0 &&
                uv_signal_init(uv, &server->hang_up) == 0 && notify_init(&server->notify, uv) &&
                key_watch_init(&server->key_watch, uv) && stop_init(&server->stop, &server->loop) &&
                reload_init(&server->reload, &server->loop, arguments, config);
    server->terminate.data = server;
    server->interrupt.data = server;
    server->hang_up.data = server;
    return good && uv_signal_start(&server->terminate, on_signal, SIGTERM) == 0 &&
           uv_signal_start(&server->interrupt, on_signal, SIGINT) == 0 &&
           uv_signal_start(&server->hang_up, on_hang_up, SIGHUP) == 0;
}

/* While there is no loop, which is as long as another hub takes over, or is taken over from: a
 * reload that is asked for then would end the process. */
static void ignore_hang_up(void) { (void)signal(SIGHUP, SIG_IGN); }

/* What listens goes on listening for who takes over, or for this hub if that one does not. */
static int keep_listening(const struct server *server)
{
    if (!server->handover.begun || server->loop.net == NULL) {
        return 0;
    }
    int kept = fcntl(net_listening_socket(server->loop.net), F_DUPFD_CLOEXEC, 3);
    return kept < 0 ? 0 : kept;
}

/* Until nothing is open; what the network has lost is waited for as long as closing others takes.
 */
static void run_to_end(struct server *server)
{
    bool lost = net_lost(server->loop.net);
    int turns = 0;
    while (uv_run(&server->loop.uv, lost ? UV_RUN_NOWAIT : UV_RUN_DEFAULT) != 0 &&
           turns < LOST_TURNS) { /* the first may only take a stop */
        if (lost) {
            turns++;
            uv_sleep(1);
        }
    }
}

static void close_all(struct server *server)
{
    handover_close(&server->handover);
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    uv_close((uv_handle_t *)&server->hang_up, NULL);
    ignore_hang_up();
    stop_close(&server->stop);
    reload_close(&server->reload);
    notify_close(&server->notify);
    key_watch_close(&server->key_watch);
    net_close(server->loop.net);
    bool lost = net_lost(server->loop.net);
    webhooks_close(server->loop.webhooks);
    loop_close(&server->loop);
    run_to_end(server);
    net_finish(server->loop.net);
    api_destroy(server->loop.api);
    webhooks_finish(server->loop.webhooks);
    storage_close(server->loop.storage);
    hub_destroy(server->loop.hub);
    reload_finish(&server->reload);
    if (uv_loop_close(&server->loop.uv) != 0 && !lost) {
        log_event(LEVEL_WARNING, "handles-left-open", NULL);
    }
}

static bool open_hub(struct server *server, struct config *config)
{
    struct storage_info info;
    storage_info(server->loop.storage, &info);
    struct hub_config hub = config_hub(config);
    hub.journal = info.journal;
    server->loop.data = config->data;
    hub.position = info.position;
    /* The two structs are one thing on two sides of a wall. */
    _Static_assert(sizeof(struct storage_ancestor) == sizeof(struct hub_ancestor), "same shape");
    hub.ancestors = (const struct hub_ancestor *)(const void *)info.ancestors;
    hub.ancestor_count = info.ancestor_count;
    /* Two numbers: one is shown, the other must not be known. */
    if (getrandom(&hub.seed, sizeof hub.seed, 0) != sizeof hub.seed ||
        getrandom(&hub.boot, sizeof hub.boot, 0) != sizeof hub.boot) {
        log_start_failed("no randomness to be had");
        return false;
    }
    server->loop.keys = &config->keys;
    key_watch_log(buffer_bytes(&config->key_notes));
    key_watch_set(&server->key_watch, config->jwks.name, &config->keys);
    server->loop.hub = hub_create(&hub);
    if (server->loop.hub == NULL) {
        log_start_failed("out of memory");
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
        log_event(LEVEL_ERROR, "replay-failed", LOG_FIELDS(log_sentence("reason", error)));
        return false;
    }
    if (!storage_start(server->loop.storage, loop_wake, &server->loop)) {
        log_start_failed("no threads to be had");
        return false;
    }
    hub_stats(server->loop.hub, &stats);
    while (stats.replaying && !server->loop.failed && !server->stop.begun) {
        (void)uv_run(&server->loop.uv, UV_RUN_ONCE);
        hub_stats(server->loop.hub, &stats);
    }
    log_event(LEVEL_INFO, "ready",
              LOG_FIELDS(log_number("position", stats.position),
                         log_number("documents", stats.documents)));
    return !server->loop.failed;
}

static void on_tls_reloaded(void *context, const char *error)
{
    (void)context;
    if (error == NULL) {
        log_event(LEVEL_INFO, "certificate-reloaded", NULL);
    } else {
        log_event(
            LEVEL_ERROR, "certificate-failed",
            LOG_FIELDS(log_sentence("reason", error), log_sentence("hint", "the old one stays")));
    }
}

/* What starts hubs reads the first line. */
static void announce(const struct server *server, const struct config *config)
{
    const struct config_address *internal = config_internal(config);
    (void)puts(server->where);
    if (internal != NULL) {
        bool six = strchr(internal->host, ':') != NULL;
        (void)printf("internally listening on http://%s%s%s:%d/\n", six ? "[" : "", internal->host,
                     six ? "]" : "", net_internal_port(server->loop.net));
    }
    (void)fflush(stdout);
}

static bool open_webhooks(struct server *server, const struct config *config)
{
    struct storage_info info;
    uint64_t seed = 0;
    storage_info(server->loop.storage, &info);
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed ||
        !loop_open_webhooks(&server->loop, &config->webhooks, &info.journal, seed)) {
        log_start_failed("out of memory");
        return false;
    }
    return true;
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
        .listen_socket = server->listen_socket,
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
        .answered = loop_net_answered,
        .request_begins = routes_begin,
        .request = routes_request,
        .request_gone = routes_gone,
        .request_writable = routes_writable,
        .tls_reloaded = on_tls_reloaded,
        .context = &server->loop,
    };
    if (!http_api_open(&server->loop, config)) {
        log_start_failed("out of memory");
        return false;
    }
    if (!net_open(&server->loop.net, &net, error, sizeof error)) {
        log_event(LEVEL_ERROR, "listen-failed", LOG_FIELDS(log_sentence("reason", error)));
        return false;
    }
    server->listen_socket = 0; /* net's */
    const char *host = config->listen.host;
    bool six = strchr(host, ':') != NULL;
    (void)snprintf(server->where, sizeof server->where, "listening on %s://%s%s%s:%d/",
                   tls ? "https" : "http", six ? "[" : "", host, six ? "]" : "",
                   net_port(server->loop.net));
    if (config->net.warning[0] != '\0') {
        log_event(LEVEL_WARNING, "certificate",
                  LOG_FIELDS(log_sentence("reason", config->net.warning)));
    }
    return true;
}

/* Where a second hub may ask for its place. The hub serves without it, too. */
static void open_door(struct server *server, const struct config *config)
{
    char error[512];
    server->handover.listener = net_listening_socket(server->loop.net);
    if (!handover_open(&server->handover, &server->loop.uv, config->data, error, sizeof error)) {
        log_event(LEVEL_WARNING, "no-take-over",
                  LOG_FIELDS(log_sentence("reason", error),
                             log_sentence("hint", "a second hub cannot take this one's place")));
    }
}

static bool start(struct server *server, struct config *config)
{
    char error[STORAGE_ERROR_BYTES];
    notify_say(&server->notify, "STATUS=replaying the journal");
    if (!storage_open(&server->loop.storage, config->data, config->hub.relaxed, &config->schemas,
                      error)) {
        log_event(LEVEL_ERROR, "storage-failed", LOG_FIELDS(log_sentence("reason", error)));
        return false;
    }
    if (config->webhooks.length > 0 && !storage_open_webhooks(server->loop.storage, error)) {
        log_event(LEVEL_ERROR, "storage-failed", LOG_FIELDS(log_sentence("reason", error)));
        return false;
    }
    if (!open_hub(server, config) || !replay(server) || !open_webhooks(server, config)) {
        return false;
    }
    if (!server->stop.begun) {
        if (!listen_for_clients(server, config)) {
            return false;
        }
        open_door(server, config);
        announce(server, config);
    }
    return true;
}

enum life { LIFE_STOPPED, LIFE_FAILED, LIFE_BACK };

/* Until another hub has taken over, or has not. */
static enum life hand_over(struct handover *handover, bool ends)
{
    bool ready = handover_finish(handover);
    if (ready) {
        log_event(LEVEL_INFO, "taken-over", NULL);
    } else if (!ends) {
        log_event(LEVEL_ERROR, "take-over-failed",
                  LOG_FIELDS(log_sentence("reason", "the hub that took over has ended"),
                             log_sentence("hint", "this one goes on")));
    }
    return ready || ends ? LIFE_STOPPED : LIFE_BACK;
}

/* One life of the hub; `*socket` listens already, or is 0, and is what goes on listening behind
 * it. */
static enum life live(const struct arguments *arguments, struct config *config,
                      struct takeover *takeover, int *socket)
{
    struct server server;
    if (!init(&server, arguments, config)) {
        log_start_failed("no event loop to be had");
        return LIFE_FAILED;
    }
    server.listen_socket = *socket;
    bool good = start(&server, config);
    takeover_end(takeover, good);
    if (good && !server.stop.begun) {
        notify_ready(&server.notify, server.where);
        notify_watch(&server.notify);
        if (server.wants_reload) {
            reload_ask(&server.reload);
        }
        (void)uv_run(&server.loop.uv, UV_RUN_DEFAULT);
    }
    good = good && !server.loop.failed;
    *socket = keep_listening(&server);
    close_all(&server);
    log_event(LEVEL_INFO, "stopped", NULL);
    if (server.handover.begun) {
        return hand_over(&server.handover, server.ends);
    }
    return good ? LIFE_STOPPED : LIFE_FAILED;
}

/* False: a hub that runs keeps its place. */
static bool take_over(struct takeover *takeover, const struct config *config)
{
    char error[256];
    switch (takeover_ask(takeover, config->data, config->listen.host, config->listen.port, error,
                         sizeof error)) {
    case TAKEOVER_DONE:
        log_event(LEVEL_INFO, "takes-over", NULL);
        return true;
    case TAKEOVER_NOBODY:
        log_event(LEVEL_INFO, "nobody-to-take-over-from", NULL);
        return true;
    case TAKEOVER_REFUSED:
        log_event(LEVEL_ERROR, "take-over-refused", LOG_FIELDS(log_sentence("reason", error)));
        return false;
    }
    return false;
}

int serve(const struct arguments *arguments, struct config *config)
{
    struct takeover takeover = {.partner = -1};
    int socket = arguments->inherited.socket;
    enum life life;
    log_configure(&config->log);
    ignore_hang_up();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk like any other */
    if (arguments->take_over && socket == 0) {
        if (!take_over(&takeover, config)) {
            return 1;
        }
        socket = takeover.inherited.socket;
    }
    do {
        life = live(arguments, config, &takeover, &socket);
    } while (life == LIFE_BACK);
    if (socket != 0) {
        (void)close(socket);
    }
    return life == LIFE_STOPPED ? 0 : 1;
}
