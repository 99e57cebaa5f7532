/* Answers: the head that all of them share, and their way out. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/net/problem.h"
#include "server/net/session.h"

enum {
    LINE_BYTES = 1024,
    PIECE_BYTES = 64 << 10,
    PIECES_AT_ONCE = 16, /* then others have their turn */
    WRITE_SECONDS = 15,  /* for the peer to take some of it */
    UNSENT_BYTES_FREE = 128 << 10,
    REQUEST_ID_BYTES = 64
};

static const char *title_of(unsigned code)
{
    static const struct {
        unsigned code;
        const char *title;
    } titles[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        if (titles[i].code == code) {
            return titles[i].title;
        }
    }
    return "Other";
}

static bool add(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text)) == PROTOCOL_OK;
}

static bool add_header(struct buffer *buffer, const char *name, const char *value)
{
    if (strpbrk(value, "\r\n") != NULL) {
        return true; /* it would be another header, or the end of the head */
    }
    return add(buffer, name) && add(buffer, ": ") && add(buffer, value) && add(buffer, "\r\n");
}

static bool add_length(struct buffer *buffer, size_t length)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%zu", length);
    return add_header(buffer, "content-length", text);
}

static bool names(const struct net_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strcasecmp(answer->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_common(struct buffer *buffer, const struct net_answer *answer)
{
    return (names(answer, "cache-control") || add_header(buffer, "cache-control", "no-cache")) &&
           add_header(buffer, "x-content-type-options", "nosniff") &&
           add_header(buffer, "content-security-policy",
                      "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
                      "frame-ancestors 'none'");
}

/* Without it a browser does not show an answer to a page of another origin. */
static bool add_origin(struct buffer *buffer, struct bytes origin)
{
    return origin.length == 0 ||
           (add(buffer, "access-control-allow-origin: ") &&
            buffer_append(buffer, origin.data, origin.length) == PROTOCOL_OK &&
            add(buffer, "\r\nvary: origin\r\n"));
}

static bool has_content(const struct net_answer *answer)
{
    return answer->code != 204 && answer->code != 304;
}

static bool add_head(struct exchange *exchange, const struct net_answer *answer, size_t length)
{
    struct buffer *buffer = &exchange->answer;
    char first[LINE_BYTES];
    (void)snprintf(first, sizeof first, "HTTP/1.1 %u %s\r\n", answer->code, title_of(answer->code));
    bool good = add(buffer, first) &&
                (answer->type == NULL || add_header(buffer, "content-type", answer->type));
    if (exchange->chunked) {
        good = good && add_header(buffer, "transfer-encoding", "chunked");
    } else if (!answer->more && has_content(answer)) {
        good = good && add_length(buffer, length);
    }
    for (size_t i = 0; i < answer->header_count; i++) {
        good = good && add_header(buffer, answer->headers[i].name, answer->headers[i].value);
    }
    return good && add_common(buffer, answer) && add_origin(buffer, exchange->origin) &&
           (!exchange->closes || add_header(buffer, "connection", "close")) && add(buffer, "\r\n");
}

static bool add_piece(struct exchange *exchange, struct bytes piece, bool last)
{
    struct buffer *buffer = &exchange->answer;
    char size[32];
    if (!exchange->chunked) {
        return buffer_append(buffer, piece.data, piece.length) == PROTOCOL_OK;
    }
    (void)snprintf(size, sizeof size, "%zx\r\n", piece.length);
    return (piece.length == 0 ||
            (add(buffer, size) && buffer_append(buffer, piece.data, piece.length) == PROTOCOL_OK &&
             add(buffer, "\r\n"))) &&
           (!last || add(buffer, "0\r\n\r\n"));
}

static bool is_head(const struct exchange *exchange)
{
    struct bytes method = exchange->head.method;
    return method.length == 4 && memcmp(method.data, "HEAD", 4) == 0;
}

/* False: no memory. */
static bool fill(struct exchange *exchange, const struct net_answer *answer, size_t length)
{
    bool bare = is_head(exchange) || !has_content(answer);
    bool old = !exchange->head.keeps_alive; /* or it wants the end of the connection for its end */
    exchange->closes = exchange->closes || old;
    exchange->answered = true;
    exchange->code = answer->code;
    exchange->chunked = answer->more && !old;
    exchange->more = answer->more && !bare;
    return add_head(exchange, answer, length) &&
           (bare || add_piece(exchange, answer->body, !answer->more));
}

void exchange_answer_page(struct net *net, struct exchange *exchange, const struct net_page *page)
{
    struct net_answer answer = {.code = 200, .type = page->type};
    size_t before = exchange->answer.capacity;
    bool good = fill(exchange, &answer, page->content.length);
    net->unsent += exchange->answer.capacity - before;
    exchange->closes = exchange->closes || !good;
    if (good && !is_head(exchange)) {
        exchange->page = page->content;
    }
}

static bool is_too_much(const struct net *net, const struct exchange *exchange)
{
    return net->unsent > net->config.buffer_bytes && exchange->answer.capacity > UNSENT_BYTES_FREE;
}

static void end_later(struct exchange *exchange)
{
    lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    lws_cancel_service(lws_get_context(exchange->wsi));
}

static void write_soon(struct net *net, struct exchange *exchange, size_t before, bool good)
{
    net->unsent += exchange->answer.capacity - before;
    if (!good || is_too_much(net, exchange)) {
        net->overfull++;
        end_later(exchange);
        return;
    }
    if (exchange->seconds == 0) {
        exchange->seconds = WRITE_SECONDS;
    }
    if (!exchange->inside) {
        lws_rx_flow_control(exchange->wsi, 1); /* or it does not hear that it may write */
        lws_callback_on_writable(exchange->wsi);
    }
}

void net_answer(struct net *net, uint64_t id, const struct net_answer *answer)
{
    struct exchange *exchange = exchange_find(net, id);
    if (exchange != NULL && !exchange->answered) {
        size_t before = exchange->answer.capacity;
        write_soon(net, exchange, before, fill(exchange, answer, answer->body.length));
    }
}

void net_answer_more(struct net *net, uint64_t id, struct bytes piece, bool last)
{
    struct exchange *exchange = exchange_find(net, id);
    if (exchange != NULL && exchange->more) {
        size_t before = exchange->answer.capacity;
        exchange->more = !last;
        write_soon(net, exchange, before, add_piece(exchange, piece, last));
    }
}

/* What the sender calls its request, if that is harmless in a header and in JSON; else our number.
 */
static void tell_request_id(const struct exchange *exchange, char id[REQUEST_ID_BYTES + 1])
{
    struct bytes given = head_value(&exchange->head, "x-request-id");
    bool good = given.length > 0 && given.length <= REQUEST_ID_BYTES;
    for (size_t i = 0; good && i < given.length; i++) {
        uint8_t byte = given.data[i];
        good = byte > ' ' && byte <= '~' && byte != '"' && byte != '\\';
    }
    (void)snprintf(id, REQUEST_ID_BYTES + 1, "request-%" PRIu64, exchange->id);
    if (good) {
        memcpy(id, given.data, given.length);
        id[given.length] = '\0';
    }
}

void net_answer_problem(struct net *net, uint64_t id, const struct net_problem *problem)
{
    char text[LINE_BYTES];
    char request_id[REQUEST_ID_BYTES + 1];
    struct exchange *exchange = exchange_find(net, id);
    if (exchange == NULL) {
        return;
    }
    tell_request_id(exchange, request_id);
    struct net_header headers[2] = {{"x-request-id", request_id}};
    int length = snprintf(text, sizeof text,
                          "{\"type\":\"urn:syncline:problem:%s\",\"title\":\"%s\","
                          "\"status\":%u,\"detail\":\"%s\",\"code\":\"%s\","
                          "\"request_id\":\"%s\"}\n",
                          problem->code, title_of(problem->status), problem->status,
                          problem->detail, problem->code, request_id);
    assert(length > 0 && (size_t)length < sizeof text);
    if (problem->header != NULL) {
        headers[1] = *problem->header;
    }
    struct net_answer answer = {
        .code = problem->status,
        .type = PROBLEM_TYPE,
        .headers = headers,
        .header_count = problem->header == NULL ? 1 : 2,
        .body = {(const uint8_t *)text, (size_t)length},
    };
    net_answer(net, id, &answer);
}

/* --- on their way --- */

static struct bytes next_piece(const struct exchange *exchange)
{
    struct bytes rest = {0};
    if (exchange->sent < exchange->answer.length) {
        rest = (struct bytes){exchange->answer.data + exchange->sent,
                              exchange->answer.length - exchange->sent};
    } else if (exchange->page.length > 0) {
        size_t sent = exchange->sent - exchange->answer.length;
        rest = (struct bytes){exchange->page.data + sent, exchange->page.length - sent};
    }
    rest.length = rest.length < PIECE_BYTES ? rest.length : PIECE_BYTES;
    return rest;
}

static bool is_gone(const struct exchange *exchange)
{
    return exchange->sent == exchange->answer.length + exchange->page.length &&
           !lws_partial_buffered(exchange->wsi);
}

static void forget_sent(struct net *net, struct exchange *exchange)
{
    net->unsent -= exchange->answer.capacity;
    buffer_finish(&exchange->answer);
    exchange->sent = 0;
    exchange->seconds = 0;
}

/* False: the connection is of no use any more. */
static bool write_pieces(struct exchange *exchange)
{
    for (int i = 0; i < PIECES_AT_ONCE && !lws_partial_buffered(exchange->wsi); i++) {
        struct bytes piece = next_piece(exchange);
        if (piece.length == 0) {
            return true;
        }
        unsigned char *data = (unsigned char *)(uintptr_t)piece.data;
        if (lws_write(exchange->wsi, data, piece.length, LWS_WRITE_RAW) < 0) {
            return false;
        }
        exchange->sent += piece.length;
        exchange->seconds = WRITE_SECONDS;
    }
    return true;
}

static int finish(struct net *net, struct exchange *exchange)
{
    struct lws *wsi = exchange->wsi;
    struct wire *wire = exchange->wire;
    bool closes = exchange->closes;
    bool waited = exchange->waits;
    exchange_destroy(net, exchange);
    lws_rx_flow_control(wsi, 1);
    if (closes) {
        return -1;
    }
    if (waited) {
        handshakes_add(&net->handshakes, wsi);
    }
    wire_next(wire);
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

/* Once, when its head goes out. */
static void tell_answered(const struct net *net, struct exchange *exchange)
{
    if (exchange->code != 0) {
        net->config.answered(net->config.context, exchange->code,
                             uv_hrtime() / 1000 - exchange->since_us);
        exchange->code = 0;
    }
}

void exchange_take_back(struct exchange *exchange)
{
    buffer_clear(&exchange->answer);
    exchange->answered = false;
    exchange->more = false;
    exchange->chunked = false;
}

int exchange_write(struct net *net, struct exchange *exchange)
{
    exchange->inside = false;
    tell_answered(net, exchange);
    if (!write_pieces(exchange)) {
        return -1;
    }
    if (!is_gone(exchange)) {
        lws_rx_flow_control(exchange->wsi, 1); /* or it does not hear that it may write */
        lws_callback_on_writable(exchange->wsi);
        return 0;
    }
    if (exchange->stage == EXCHANGE_SPARED) {
        return 0; /* the end of the body ends it */
    }
    if (!exchange->more) {
        return finish(net, exchange);
    }
    if (exchange->sent > 0) {
        forget_sent(net, exchange);
        exchange->emptied = true;
        lws_callback_on_writable(exchange->wsi); /* to be told so */
    }
    lws_rx_flow_control(exchange->wsi, exchange->emptied ? 1 : 0);
    return 0;
}
