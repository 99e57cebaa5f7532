#include "clients/c/transport.h"

#include <libwebsockets.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/limits.h"

enum { HOST_BYTES = 256, RECEIVE_BYTES = 16 << 10, QUEUE_BYTES = 64 << 20 };

struct transport {
    struct transport_handler handler;
    struct lws_context *context;
    struct lws *wsi;
    lws_sorted_usec_list_t turn;
    char host[HOST_BYTES];
    char path[HOST_BYTES];
    int port;
    bool secure;
    bool open;
    char distrust[160]; /* why the hub's certificate is not believed; empty: it is */
    struct buffer received;
    struct buffer queue;   /* messages, each behind its length */
    struct buffer sending; /* one message with LWS_PRE before it */
};

static void lost(struct transport *transport, const char *reason)
{
    bool was = transport->wsi != NULL;
    transport->wsi = NULL;
    transport->open = false;
    buffer_clear(&transport->received);
    buffer_clear(&transport->queue);
    if (was) {
        transport->handler.closed(transport->handler.context, reason);
    }
}

static int receive(struct transport *transport, struct lws *wsi, struct bytes piece)
{
    if (buffer_append(&transport->received, piece.data, piece.length) != PROTOCOL_OK) {
        return -1;
    }
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0) {
        return 0;
    }
    transport->handler.received(transport->handler.context, buffer_bytes(&transport->received));
    buffer_clear(&transport->received);
    return transport->wsi == NULL ? -1 : 0;
}

/* One message of the queue; what is left waits for the next call. */
static int send_next(struct transport *transport, struct lws *wsi)
{
    static const uint8_t headroom[LWS_PRE];
    struct buffer *queue = &transport->queue;
    size_t length;
    if (queue->length == 0 || lws_partial_buffered(wsi)) {
        return 0;
    }
    memcpy(&length, queue->data, sizeof length);
    buffer_clear(&transport->sending);
    if (buffer_append(&transport->sending, headroom, sizeof headroom) != PROTOCOL_OK ||
        buffer_append(&transport->sending, queue->data + sizeof length, length) != PROTOCOL_OK) {
        return -1;
    }
    size_t used = sizeof length + length;
    queue->length -= used;
    memmove(queue->data, queue->data + used, queue->length);
    if (lws_write(wsi, transport->sending.data + LWS_PRE, length, LWS_WRITE_BINARY) < 0) {
        return -1;
    }
    if (queue->length > 0) {
        lws_callback_on_writable(wsi);
    }
    return 0;
}

static void note_distrust(struct transport *transport, X509_STORE_CTX *verified)
{
    (void)snprintf(transport->distrust, sizeof transport->distrust,
                   "its certificate is not trusted, %s (--ca-file names an authority to trust)",
                   X509_verify_cert_error_string(X509_STORE_CTX_get_error(verified)));
}

static const char *why_not(const struct transport *transport, const char *reason)
{
    if (transport->distrust[0] != '\0') {
        return transport->distrust;
    }
    return reason == NULL ? "no connection" : reason;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t length)
{
    struct transport *transport = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        transport->open = true;
        transport->handler.opened(transport->handler.context);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(transport, wsi, (struct bytes){in, length});
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return send_next(transport, wsi);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        lost(transport, why_not(transport, in));
        return 0;
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
        if (length == 0) { /* OpenSSL has refused it, and goes on to do so */
            note_distrust(transport, user);
        }
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        lost(transport, "the connection was closed");
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "syncline.v1", .callback = on_event, .rx_buffer_size = RECEIVE_BYTES},
    {0},
};

static bool parse_url(struct transport *transport, const char *url)
{
    char copy[2 * HOST_BYTES];
    const char *scheme;
    const char *host;
    const char *path;
    if (strlen(url) >= sizeof copy) {
        return false;
    }
    memcpy(copy, url, strlen(url) + 1);
    if (lws_parse_uri(copy, &scheme, &host, &transport->port, &path) != 0 ||
        (strcmp(scheme, "ws") != 0 && strcmp(scheme, "wss") != 0) || strlen(host) >= HOST_BYTES ||
        strlen(path) + 2 >= HOST_BYTES) {
        return false;
    }
    transport->secure = strcmp(scheme, "wss") == 0;
    memcpy(transport->host, host, strlen(host) + 1);
    transport->path[0] = '/';
    memcpy(transport->path + 1, path, strlen(path) + 1);
    return true;
}

struct transport *transport_create(const char *url, const char *ca_file,
                                   const struct transport_handler *handler, const char **error)
{
    struct transport *transport = calloc(1, sizeof *transport);
    *error = "out of memory";
    if (transport == NULL) {
        return NULL;
    }
    transport->handler = *handler;
    buffer_init(&transport->received, LIMIT_BODY_BYTES);
    buffer_init(&transport->queue, QUEUE_BYTES);
    buffer_init(&transport->sending, QUEUE_BYTES);
    if (!parse_url(transport, url)) {
        *error = "the hub's address is not of the form ws://host:port/ or wss://host:port/";
        free(transport);
        return NULL;
    }
    if (ca_file != NULL && access(ca_file, R_OK) != 0) {
        *error = "the file that --ca-file names cannot be read";
        free(transport);
        return NULL;
    }
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .user = transport,
        .gid = (int)-1,
        .uid = (int)-1,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .client_ssl_ca_filepath = ca_file,
    };
    if (ca_file != NULL) {
        info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS; /* this one alone */
    }
    if (!transport->secure) {
        info.options = 0;
    }
    transport->context = lws_create_context(&info);
    if (transport->context == NULL) {
        free(transport);
        return NULL;
    }
    return transport;
}

void transport_destroy(struct transport *transport)
{
    if (transport != NULL) {
        transport->wsi = NULL;
        lws_context_destroy(transport->context);
        buffer_finish(&transport->received);
        buffer_finish(&transport->queue);
        buffer_finish(&transport->sending);
        free(transport);
    }
}

void transport_connect(struct transport *transport)
{
    struct lws_client_connect_info info = {
        .context = transport->context,
        .address = transport->host,
        .port = transport->port,
        .path = transport->path,
        .host = transport->host,
        .protocol = protocols[0].name,
        .local_protocol_name = protocols[0].name,
        .alpn = "http/1.1",
        .ssl_connection = transport->secure ? LCCSCF_USE_SSL : 0,
        .pwsi = &transport->wsi,
    };
    transport->open = false;
    transport->distrust[0] = '\0';
    if (lws_client_connect_via_info(&info) == NULL && transport->wsi != NULL) {
        lost(transport, "no connection");
    }
}

bool transport_connected(const struct transport *transport) { return transport->open; }

void transport_close(struct transport *transport)
{
    if (transport->wsi != NULL) {
        lws_set_timeout(transport->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
}

bool transport_send(struct transport *transport, struct bytes message)
{
    if (!transport->open || message.length == 0) {
        return true; /* sent again when the connection is back */
    }
    size_t before = transport->queue.length;
    if (buffer_append(&transport->queue, &message.length, sizeof message.length) != PROTOCOL_OK ||
        buffer_append(&transport->queue, message.data, message.length) != PROTOCOL_OK) {
        transport->queue.length = before;
        return false;
    }
    lws_callback_on_writable(transport->wsi);
    return true;
}

static void on_turn(lws_sorted_usec_list_t *turn) { (void)turn; /* the wait is over */ }

void transport_run(struct transport *transport, int milliseconds)
{
    /* libwebsockets ignores its timeout argument: a timer of its own is what ends the wait. */
    lws_sul_schedule(transport->context, 0, &transport->turn, on_turn,
                     (lws_usec_t)milliseconds * 1000);
    (void)lws_service(transport->context, 0);
    lws_sul_schedule(transport->context, 0, &transport->turn, on_turn, LWS_SET_TIMER_USEC_CANCEL);
}
