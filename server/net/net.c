#include "server/net/net.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/hub/hub.h"
#include "server/net/session.h"
#include "server/net/wire.h"

enum {
    RECEIVE_BYTES = 512,         /* per connection, for its whole life: small */
    SEND_BYTES = 1 << 20,        /* one lws_write hands the kernel at most this much */
    HEAD_TABLE_BYTES = 16 << 10, /* a head, and what libwebsockets writes between */
    HANDSHAKE_SECONDS = 10,
    CLOSE_RETRY_USECS = 20000,
    PENDING_MS = 1,
    OTHER_FILES = 100,            /* the database's, the loop's, the log */
    UNSENT_BYTES_FREE = 128 << 10 /* more than any client who only edits is sent at once */
};

_Static_assert(HUB_HEADROOM >= LWS_PRE, "frames are written in place");

static void tell(struct net *net, enum net_event_kind kind, uint64_t connection)
{
    struct net_event event = {.kind = kind, .connection = connection};
    net->config.event(net->config.context, &event);
}

static void refuse_unmasked(void *session)
{
    session_close(session, 1002, "a client must mask its frames");
}

static int established(struct net *net, struct lws *wsi, struct net_session **slot)
{
    int on = 1;
    *slot = session_create(net, wsi);
    if (*slot == NULL) {
        return -1;
    }
    /* Batching is ours: what the kernel would wait for has been gathered already. */
    (void)setsockopt((*slot)->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct net_event event = {
        .kind = NET_CONNECTED, .door = handshakes_door(wsi), .connection = (*slot)->id};
    net->config.event(net->config.context, &event);
    /* Whom the hub has refused it does not count: a handshake until it has gone. */
    if ((*slot)->close_code == 0) {
        handshakes_remove(&net->handshakes, wsi);
    }
    wire_frames(handshakes_wire(wsi), refuse_unmasked, *slot);
    return 0;
}

static void closed(struct net *net, struct net_session **slot)
{
    uint64_t id = (*slot)->id;
    wire_release(handshakes_wire((*slot)->wsi));
    session_destroy(net, *slot);
    *slot = NULL;
    tell(net, NET_DISCONNECTED, id);
}

/*
 * Closes with code and reason, once what was sent before is gone. From this callback libwebsockets
 * says them; from SERVER_WRITEABLE it would close without a word.
 */
static int on_timer(struct net_session *session)
{
    if (session->close_code == 0) {
        return 0;
    }
    if (lws_partial_buffered(session->wsi)) {
        lws_set_timer_usecs(session->wsi, CLOSE_RETRY_USECS);
        return 0;
    }
    lws_close_reason(session->wsi, (enum lws_close_status)session->close_code,
                     (unsigned char *)session->close_text, strlen(session->close_text));
    return -1;
}

static int writeable(struct net *net, struct net_session *session)
{
    if (lws_partial_buffered(session->wsi)) {
        lws_callback_on_writable(session->wsi);
        return 0;
    }
    session_sent(net, session);
    if (session->blocked && session->close_code == 0) {
        session->blocked = false;
        tell(net, NET_WRITABLE, session->id);
    }
    return 0;
}

static int on_websocket(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                        size_t length)
{
    struct net_session **slot = user; /* NULL: libwebsockets had no memory for it */
    struct net_session *session = slot == NULL ? NULL : *slot;
    struct net *net = net_of(wsi);
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return upgrade_filter(net, wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return slot == NULL ? -1 : established(net, wsi, slot);
    case LWS_CALLBACK_RECEIVE:
        if (session == NULL) {
            return -1;
        }
        session_receive(net, session, (struct bytes){in, length});
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return session == NULL ? -1 : writeable(net, session);
    case LWS_CALLBACK_TIMER:
        return session == NULL ? -1 : on_timer(session);
    case LWS_CALLBACK_CLOSED:
        if (session != NULL) {
            closed(net, slot);
        }
        return 0;
    default:
        return 0;
    }
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t length)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return upgrade_confirm(wsi);
    case LWS_CALLBACK_RAW_ADOPT:
        return upgrade_refuse_connect(wsi);
    case LWS_CALLBACK_RAW_CONNECTED:
    case LWS_CALLBACK_RAW_RX:
        return -1;
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        return http_handle(net_of(wsi), wsi, reason, user, (struct bytes){in, length});
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return -1; /* a socket without our subprotocol */
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        return tls_set_up(&net_of(wsi)->tls, user) ? 0 : -1;
    case LWS_CALLBACK_WSI_DESTROY:
        handshakes_finish(&net_of(wsi)->handshakes, wsi);
        return 0;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, length);
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "http",
     .callback = on_http,
     .per_session_data_size = sizeof(struct exchange *),
     .tx_packet_size = SEND_BYTES},
    {.name = "syncline.v1",
     .callback = on_websocket,
     .per_session_data_size = sizeof(struct net_session *),
     .rx_buffer_size = RECEIVE_BYTES,
     .tx_packet_size = SEND_BYTES},
    {0},
};

/*
 * Answers how many files the process may have: no more than it needs, since Debian's libwebsockets
 * looks through its table of all of them at each end of a connection. Past ten million, which some
 * containers allow, it would make room for 2560 only.
 */
static uint64_t limit_files(const struct net_config *config)
{
    struct rlimit files = {0};
    uint64_t needed =
        config->connections_max + config->handshakes_max + config->requests_max + OTHER_FILES;
    needed = needed < WIRE_SOCKETS_MAX ? needed : WIRE_SOCKETS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > needed) {
        files.rlim_cur = needed;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return files.rlim_cur;
}

static bool has_tls(const struct net *net) { return net->config.tls.certificate != NULL; }

static bool open_context(struct net *net)
{
    void *loops[] = {net->config.loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (has_tls(net) ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .foreign_loops = loops,
        .user = net,
        .timeout_secs = HANDSHAKE_SECONDS,
        .max_http_header_data = HEAD_TABLE_BYTES,
        .gid = (int)-1,
        .uid = (int)-1,
    };
    net->sockets_max = limit_files(&net->config);
    lws_set_log_level(0, NULL); /* what it has to say is said by us, as a sentence */
    net->context = lws_create_context(&info);
    return net->context != NULL;
}

/*
 * The hub pings by itself (EFFECT_SEND), so libwebsockets needs no timer of its own for that: all
 * of them stand in one list, sorted by a walk, which each new connection would walk to its end.
 */
static const lws_retry_bo_t no_pings = {0};

/*
 * The listeners are ours. libwebsockets takes the name that a client asks for to another vhost of
 * the same port, so the two have different ones.
 */
static struct lws_vhost *open_vhost(struct net *net, bool tls)
{
    struct lws_context_creation_info info = {
        .port = tls ? CONTEXT_PORT_NO_LISTEN_SERVER : CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .vhost_name = tls ? "syncline-tls" : "syncline",
        .timeout_secs = HANDSHAKE_SECONDS,
        .retry_and_idle_policy = &no_pings,
        .user = net,
    };
    if (tls) {
        /* The certificate is ours, and HTTP/2 would go past all of this. */
        info.options =
            LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        info.alpn = "http/1.1";
    }
    return lws_create_vhost(net->context, &info);
}

static bool open_vhosts(struct net *net)
{
    net->vhost = open_vhost(net, has_tls(net));
    net->internal_vhost = net->vhost;
    if (net->vhost != NULL && has_tls(net)) {
        net->internal_vhost = open_vhost(net, false);
    }
    return net->internal_vhost != NULL;
}

/* --- bytes that OpenSSL has --- */

static void serve(void *context, int socket)
{
    struct net *net = context;
    struct lws_pollfd pollfd = {.fd = socket, .events = LWS_POLLIN, .revents = LWS_POLLIN};
    (void)lws_service_fd(net->context, &pollfd);
}

static void on_pending(uv_timer_t *timer)
{
    if (!wire_serve_pending(serve, timer->data)) {
        (void)uv_timer_stop(timer);
    }
}

static void begin_pending(void *context)
{
    struct net *net = context;
    if (!uv_is_active((uv_handle_t *)&net->pending)) {
        (void)uv_timer_start(&net->pending, on_pending, 0, PENDING_MS);
    }
}

/* Another thread may have a file of that number by now. 0: there is none. */
static ino_t identity_of(int socket)
{
    struct stat status;
    return fstat(socket, &status) == 0 ? status.st_ino : 0;
}

/*
 * A socket that libwebsockets has not adopted it closes when the turn of the loop ends; but without
 * memory for the socket's watcher never, and then it waits for ever for the end of that. So whoever
 * is open still when the loop has ended is lost.
 */
static void doubt(struct net *net, int socket, ino_t identity)
{
    size_t kept = 0;
    for (size_t i = 0; i < net->doubtful_count; i++) {
        if (identity_of(net->doubtful[i].socket) == net->doubtful[i].identity) {
            net->doubtful[kept++] = net->doubtful[i];
        }
    }
    net->doubtful_count = kept;
    if (kept < DOUBTFUL_MAX && identity != 0 && identity_of(socket) == identity) {
        net->doubtful[net->doubtful_count++] = (struct doubtful_socket){socket, identity};
    }
}

static void close_lost(struct net *net)
{
    for (size_t i = 0; i < net->doubtful_count; i++) {
        if (identity_of(net->doubtful[i].socket) == net->doubtful[i].identity) {
            net->lost = true;
            (void)close(net->doubtful[i].socket);
        }
    }
    net->doubtful_count = 0;
}

/*
 * libwebsockets' tables are as long as the limit of files at its start. When the limit has grown
 * since, and a socket lies beyond, it breaks on the way out of adopting it.
 */
static void adopt(struct net *net, enum net_door door, int socket)
{
    struct lws_vhost *vhost = door == NET_INTERNAL ? net->internal_vhost : net->vhost;
    if ((uint64_t)socket >= net->sockets_max) {
        (void)close(socket);
        return;
    }
    struct wire *wire = wire_open(socket);
    if (wire == NULL) {
        (void)close(socket);
        return;
    }
    ino_t identity = identity_of(socket);
    struct lws *wsi = lws_adopt_socket_vhost(vhost, socket);
    if (wsi == NULL) {
        wire_close(wire);
        doubt(net, socket, identity);
    } else if (!handshakes_begin(&net->handshakes, wsi, wire, door)) {
        wire_close(wire);
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
    }
}

static bool open_tls(struct net *net, char *error, size_t size)
{
    net->tls.files = net->config.tls;
    net->tls.reloaded = net->config.tls_reloaded;
    net->tls.context = net->config.context;
    if (!tls_open(&net->tls, net->config.loop, error, size)) {
        return false;
    }
    tls_start(&net->tls);
    return true;
}

static void on_accepted(void *net, int socket) { adopt(net, NET_PUBLIC, socket); }

static void on_accepted_inside(void *net, int socket) { adopt(net, NET_INTERNAL, socket); }

static bool open_listeners(struct net *net, char *error, size_t size)
{
    const struct net_config *config = &net->config;
    if (!listener_open(&net->listener, config->loop, config->listen_socket, config->address,
                       config->port, error, size) ||
        (config->internal_address != NULL &&
         !listener_open(&net->internal, config->loop, 0, config->internal_address,
                        config->internal_port, error, size))) {
        return false;
    }
    listener_start(&net->listener, on_accepted, net);
    if (config->internal_address != NULL) {
        listener_start(&net->internal, on_accepted_inside, net);
    }
    return true;
}

/* Or none that is long would pass. */
static void bound_buffers(struct net *net)
{
    struct net_config *config = &net->config;
    size_t longest = config->message_bytes > config->request_bytes ? config->message_bytes
                                                                   : config->request_bytes;
    if (config->buffer_bytes < longest) {
        config->buffer_bytes = longest;
    }
    net->gatherings.most = config->buffer_bytes;
}

bool net_open(struct net **out, const struct net_config *config, char *error, size_t size)
{
    *out = NULL;
    struct net *net = calloc(1, sizeof *net);
    if (net == NULL) {
        (void)snprintf(error, size, "out of memory");
        return false;
    }
    net->config = *config;
    bound_buffers(net);
    net->handshakes.most = config->handshakes_max;
    net->listener.socket = -1;
    net->internal.socket = -1;
    if (!open_context(net)) {
        (void)snprintf(error, size,
                       "libwebsockets does not start: is libwebsockets-evlib-uv installed?");
        free(net);
        return false;
    }
    (void)uv_timer_init(config->loop, &net->exchanges.sweep); /* never fails */
    (void)uv_timer_init(config->loop, &net->pending);
    net->exchanges.sweep.data = net;
    net->pending.data = net;
    wire_on_pending(begin_pending, net);
    *out = net;
    if (has_tls(net) && !open_tls(net, error, size)) {
        return false;
    }
    if (!open_vhosts(net)) {
        (void)snprintf(error, size, "libwebsockets does not start: out of memory?");
        return false;
    }
    return open_listeners(net, error, size);
}

void net_reconfigure(struct net *net, const struct net_settings *settings)
{
    net->config.message_bytes = settings->message_bytes;
    net->config.request_bytes = settings->request_bytes;
    net->config.buffer_bytes = settings->buffer_bytes;
    net->config.origins = settings->origins;
    net->config.origin_count = settings->origin_count;
    net->config.tls = settings->tls;
    net->tls.files = settings->tls;
    bound_buffers(net);
}

int net_port(const struct net *net) { return listener_port(&net->listener); }

int net_internal_port(const struct net *net) { return listener_port(&net->internal); }

bool net_reload_tls(struct net *net, char *error, size_t size)
{
    return !has_tls(net) || tls_reload(&net->tls, error, size);
}

void net_stop_listening(struct net *net)
{
    listener_close(&net->listener);
    listener_close(&net->internal);
}

int net_listening_socket(const struct net *net) { return net->listener.socket; }

void net_stop_accepting(struct net *net)
{
    listener_stop(&net->listener);
    listener_stop(&net->internal);
}

void net_stats(const struct net *net, struct net_stats *stats)
{
    *stats = (struct net_stats){
        .tls = {.done = net->tls.done,
                .failed = net->tls.failed,
                .expires_s =
                    net->tls.certificate == NULL ? 0 : certificate_expires_s(net->tls.certificate)},
        .handshakes = net->handshakes.length,
        .handshakes_cut = net->handshakes.cut,
        .requests = net->exchanges.waiting,
        .gathered_bytes = net->gatherings.length,
        .unsent_bytes = net->unsent,
        .too_long = net->too_long,
        .requests_refused = net->requests_refused,
        .bodies_refused = net->bodies_refused,
        .overfull = net->overfull + net->gatherings.given_up,
    };
}

/*
 * Without a word: what is left of the last message stands before it. It goes once all that has come
 * was read; until then it neither takes nor is sent anything, and gathers no message.
 */
static void cut_off(struct net *net, struct net_session *session)
{
    session->close_code = LWS_CLOSE_STATUS_ABNORMAL_CLOSE;
    session_drop_message(net, session);
    lws_set_timeout(session->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    session_wake(session);
}

void net_send(struct net *net, uint64_t connection, struct bytes message)
{
    struct net_session *session = session_find(net, connection);
    if (session == NULL || session->close_code != 0) {
        return;
    }
    /* The headroom before the bytes takes the frame's header. */
    unsigned char *data = (unsigned char *)(uintptr_t)message.data;
    int sent = lws_write(session->wsi, data, message.length, LWS_WRITE_BINARY);
    if (sent < 0) {
        cut_off(net, session);
        return;
    }
    if (lws_partial_buffered(session->wsi)) {
        session->unsent += message.length;
        net->unsent += message.length;
        if (net->unsent > net->config.buffer_bytes && message.length > UNSENT_BYTES_FREE) {
            net->overfull++;
            cut_off(net, session);
            return;
        }
        session->blocked = true;
        lws_callback_on_writable(session->wsi);
        tell(net, NET_BLOCKED, connection);
    }
}

void net_close_connection(struct net *net, uint64_t connection, uint16_t code, const char *text)
{
    struct net_session *session = session_find(net, connection);
    if (session != NULL) {
        session_close(session, code, text);
    }
}

void net_pause(struct net *net, uint64_t connection, bool paused)
{
    struct net_session *session = session_find(net, connection);
    if (session != NULL && session->close_code == 0) {
        session_pause(session, paused);
    }
}

void net_close(struct net *net)
{
    if (net != NULL && !net->closing) {
        net->closing = true;
        close_lost(net);
        net_stop_listening(net);
        lws_context_destroy(net->context);
        uv_close((uv_handle_t *)&net->exchanges.sweep, NULL);
        uv_close((uv_handle_t *)&net->pending, NULL);
        if (has_tls(net)) {
            uv_close((uv_handle_t *)&net->tls.look, NULL);
        }
    }
}

bool net_lost(const struct net *net) { return net != NULL && net->lost; }

void net_finish(struct net *net)
{
    if (net != NULL && !net->lost) {
        /* After a foreign loop has run, the second call frees what the first only closed. */
        lws_context_destroy(net->context);
        tls_finish(&net->tls);
        free(net);
    }
}
