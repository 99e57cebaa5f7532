/* HTTP on the same port: the pages, /health and /ready, and who may open a socket. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/session.h"

enum { HEADER_BYTES = 1024, ORIGIN_BYTES = 512 };

/* What is still to be written of an answer, kept by libwebsockets with the request. */
struct http_request {
    const struct net_page *page;
    size_t sent;
    bool head_only;
    struct net_status status;
};

/* Numbers, or what the machine itself calls so: no name server is asked. Cuts off the port. */
static bool is_local(char *host)
{
    static const char suffix[] = ".localhost";
    struct in_addr four;
    host[strcspn(host, ":")] = '\0';
    size_t length = strlen(host);
    return host[0] == '[' || inet_pton(AF_INET, host, &four) == 1 ||
           strcmp(host, "localhost") == 0 ||
           (length >= sizeof suffix && strcmp(host + length - (sizeof suffix - 1), suffix) == 0);
}

/*
 * Whoever owns a name can let it lead to this machine (DNS rebinding): their page, loaded from
 * their server before, is then of the same origin as the hub. Where no other machine reaches the
 * port, such a name cannot be the hub's. What comes by a proxy has the proxy's port, or none.
 */
static bool is_rebound(const struct net *net, char *host)
{
    const char *colon = strrchr(host, ':');
    const char *port = colon == NULL || strchr(colon, ']') != NULL ? "80" : colon + 1;
    return net->config.loopback && atoi(port) == listener_port(&net->listener) && !is_local(host);
}

bool origin_allowed(const struct net *net, struct lws *wsi)
{
    char origin[ORIGIN_BYTES];
    char host[ORIGIN_BYTES];
    int length = lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN);
    if (length <= 0) {
        return true; /* not a browser */
    }
    if (lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN) < 0) {
        return false;
    }
    for (size_t i = 0; i < net->config.origin_count; i++) {
        const char *allowed = net->config.origins[i];
        if (strcmp(allowed, "*") == 0 || strcmp(allowed, origin) == 0) {
            return true;
        }
    }
    const char *authority = strstr(origin, "://");
    return authority != NULL && lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) > 0 &&
           strcmp(authority + 3, host) == 0 && !is_rebound(net, host);
}

static int add(struct lws *wsi, const char *name, const char *value, unsigned char **at,
               unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), at, end);
}

static int answer_head(struct lws *wsi, unsigned code, const char *type, size_t length)
{
    unsigned char buffer[LWS_PRE + HEADER_BYTES];
    unsigned char *start = &buffer[LWS_PRE];
    unsigned char *at = start;
    unsigned char *end = &buffer[sizeof buffer - 1];
    if (lws_add_http_common_headers(wsi, code, type, length, &at, end) != 0 ||
        add(wsi, "cache-control:", "no-cache", &at, end) != 0 ||
        add(wsi, "x-content-type-options:", "nosniff", &at, end) != 0 ||
        add(wsi, "content-security-policy:",
            "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
            "frame-ancestors 'none'",
            &at, end) != 0 ||
        (code == HTTP_STATUS_METHOD_NOT_ALLOWED &&
         add(wsi, "allow:", HTTP_METHODS, &at, end) != 0) ||
        lws_finalize_write_http_header(wsi, start, &at, end) != 0) {
        return -1;
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int answer_status(struct lws *wsi, struct http_request *request)
{
    return answer_head(wsi, request->status.code, "application/json", strlen(request->status.text));
}

static int answer_error(struct lws *wsi, struct http_request *request, unsigned code,
                        const char *text)
{
    request->status.code = code;
    (void)snprintf(request->status.text, sizeof request->status.text, "%s\n", text);
    return answer_head(wsi, code, "text/plain", strlen(request->status.text));
}

static int complete(struct lws *wsi) { return lws_http_transaction_completed(wsi) != 0 ? -1 : 0; }

static struct bytes body_of(const struct http_request *request)
{
    if (request->page != NULL) {
        return request->page->content;
    }
    return (struct bytes){(const uint8_t *)request->status.text, strlen(request->status.text)};
}

static int write_body(struct lws *wsi, struct http_request *request)
{
    unsigned char buffer[LWS_PRE + 4096];
    struct bytes body = body_of(request);
    size_t left = body.length - request->sent;
    size_t length = left < 4096 ? left : 4096;
    bool last = length == left;
    memcpy(&buffer[LWS_PRE], body.data + request->sent, length);
    if (lws_write(wsi, &buffer[LWS_PRE], length, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)length) {
        return -1;
    }
    request->sent += length;
    if (!last) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    return complete(wsi);
}

/* And closes: libwebsockets would read a body before it lets us write, and masking.h wants none. */
static int refuse(struct lws *wsi, struct http_request *request, unsigned code, const char *text)
{
    if (answer_error(wsi, request, code, text) == 0 && !request->head_only) {
        (void)write_body(wsi, request);
    }
    return -1;
}

static bool has_body(struct lws *wsi)
{
    char length[8] = "";
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        return true;
    }
    return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
           (lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH) < 0 ||
            strcmp(length, "0") != 0);
}

static int begin(struct net *net, struct lws *wsi, struct http_request *request)
{
    char path[256];
    bool head_only = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    enum lws_token_indexes target = head_only ? WSI_TOKEN_HEAD_URI : WSI_TOKEN_GET_URI;
    *request = (struct http_request){.head_only = head_only};
    if (lws_hdr_total_length(wsi, target) <= 0) {
        return refuse(wsi, request, HTTP_STATUS_METHOD_NOT_ALLOWED,
                      "only " HTTP_METHODS " are answered here");
    }
    if (has_body(wsi)) {
        return refuse(wsi, request, HTTP_STATUS_BAD_REQUEST, "a request has no body here");
    }
    if (lws_hdr_copy(wsi, path, sizeof path, target) < 0) {
        path[0] = '\0'; /* longer than any of ours */
    }
    if (strcmp(path, "/health") == 0 || strcmp(path, "/ready") == 0) {
        net->config.status(net->config.context, path, &request->status);
        return answer_status(wsi, request);
    }
    for (size_t i = 0; i < net->config.page_count; i++) {
        const struct net_page *page = &net->config.pages[i];
        if (strcmp(path, page->path) == 0) {
            request->page = page;
            return answer_head(wsi, 200, page->type, page->content.length);
        }
    }
    return answer_error(wsi, request, 404, "there is nothing at this path");
}

int http_handle(struct net *net, struct lws *wsi, enum lws_callback_reasons reason, void *user)
{
    _Static_assert(sizeof(struct http_request) <= 1024, "as announced to libwebsockets");
    if (reason == LWS_CALLBACK_HTTP) {
        return user == NULL ? -1 : begin(net, wsi, user);
    }
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE && user != NULL) {
        const struct http_request *request = user;
        return request->head_only ? complete(wsi) : write_body(wsi, user);
    }
    return lws_callback_http_dummy(wsi, reason, user, NULL, 0);
}
