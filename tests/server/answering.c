/*
 * A server that has nothing but net, for tests/e2e/answers.test.mjs: it answers bodies with
 * themselves, now or later, streams long answers, and says on stdout which requests are gone.
 * Given a certificate's file and its key's, it speaks TLS.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/net.h"

enum { LATER_MS = 100, PIECE_BYTES = 10000, REQUEST_BYTES = 1 << 20, BUFFER_BYTES = 4 << 20 };

static struct net *net;
static uv_loop_t loop;
static uv_signal_t terminate;

/* One answer that comes later, or in pieces. */
static struct pending {
    uv_timer_t timer;
    uint64_t id;
    uint8_t *body;
    size_t length;
    uint64_t pieces;
    bool on;
} pending[64];

static bool path_is(const struct net_request *request, const char *path)
{
    return request->path.length == strlen(path) &&
           memcmp(request->path.data, path, request->path.length) == 0;
}

static void answer(uint64_t id, struct bytes body)
{
    net_answer(net, id,
               &(struct net_answer){.code = 200, .type = "application/octet-stream", .body = body});
}

static void stop(struct pending *one)
{
    (void)uv_timer_stop(&one->timer);
    free(one->body);
    one->body = NULL;
    one->on = false;
}

static void on_timer(uv_timer_t *timer)
{
    struct pending *one = timer->data;
    answer(one->id, (struct bytes){one->body, one->length});
    stop(one);
}

static struct pending *begin(const struct net_request *request)
{
    struct pending *one = pending;
    while (one->on) {
        one++;
    }
    one->on = true;
    one->id = request->id;
    one->length = request->body.length;
    one->body = malloc(one->length + 1);
    if (one->body == NULL) {
        abort();
    }
    if (one->length > 0) {
        memcpy(one->body, request->body.data, one->length);
    }
    return one;
}

static void give(struct pending *one)
{
    static uint8_t piece[PIECE_BYTES];
    memset(piece, 'a' + (int)(one->pieces % 26), sizeof piece);
    bool last = --one->pieces == 0;
    net_answer_more(net, one->id, (struct bytes){piece, sizeof piece}, last);
    if (last) {
        stop(one);
    }
}

static void on_writable(void *context, uint64_t id)
{
    (void)context;
    for (size_t i = 0; i < 64; i++) {
        if (pending[i].on && pending[i].id == id && pending[i].pieces > 0) {
            give(&pending[i]);
            return;
        }
    }
}

static void on_gone(void *context, uint64_t id)
{
    (void)context;
    for (size_t i = 0; i < 64; i++) {
        if (pending[i].on && pending[i].id == id) {
            (void)printf("gone %" PRIu64 " with %" PRIu64 " to come\n", id, pending[i].pieces);
            stop(&pending[i]);
        }
    }
}

static void on_begins(void *context, const struct net_request *request)
{
    (void)context;
    if (path_is(request, "/early")) {
        net_answer_problem(net, request->id,
                           &(struct net_problem){
                               .status = 401, .code = "TOKEN_REQUIRED", .detail = "who is there?"});
    }
}

/* /stream?N: N pieces; /forever: one, and no more. */
static void stream(const struct net_request *request)
{
    struct pending *one = begin(request);
    struct net_answer head = {.code = 200, .type = "text/plain", .more = true};
    net_answer(net, request->id, &head);
    one->pieces =
        path_is(request, "/forever") ? 0 : strtoull((const char *)request->query.data, NULL, 10);
    if (one->pieces > 0) {
        give(one);
    }
}

static void on_request(void *context, const struct net_request *request)
{
    (void)context;
    if (path_is(request, "/stream") || path_is(request, "/forever")) {
        stream(request);
    } else if (path_is(request, "/later")) {
        struct pending *one = begin(request);
        (void)uv_timer_start(&one->timer, on_timer, LATER_MS, 0);
    } else if (path_is(request, "/never")) {
        (void)begin(request);
    } else if (path_is(request, "/echo")) {
        answer(request->id, request->body);
    } else {
        answer(request->id, request->path);
    }
}

static void on_event(void *context, const struct net_event *event)
{
    (void)context;
    (void)event;
}

static void on_answered(void *context, unsigned code, uint64_t us)
{
    (void)context;
    (void)code;
    (void)us;
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

int main(int count, char **values)
{
    char error[256];
    struct net_config config = {
        .loop = &loop,
        .address = "127.0.0.1",
        .loopback = true,
        .tls = {count == 3 ? values[1] : NULL, count == 3 ? values[2] : NULL},
        .message_bytes = REQUEST_BYTES,
        .connections_max = 100,
        .handshakes_max = 100,
        .requests_max = 8,
        .request_bytes = REQUEST_BYTES,
        .buffer_bytes = BUFFER_BYTES,
        .event = on_event,
        .answered = on_answered,
        .request_begins = on_begins,
        .request = on_request,
        .request_gone = on_gone,
        .request_writable = on_writable,
    };
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (uv_loop_init(&loop) != 0 || uv_signal_init(&loop, &terminate) != 0 ||
        uv_signal_start(&terminate, on_signal, SIGTERM) != 0) {
        return 1;
    }
    for (size_t i = 0; i < 64; i++) {
        (void)uv_timer_init(&loop, &pending[i].timer);
        pending[i].timer.data = &pending[i];
    }
    if (!net_open(&net, &config, error, sizeof error)) {
        (void)fprintf(stderr, "%s\n", error);
        return 1;
    }
    (void)printf("listening on http://127.0.0.1:%d/\n", net_port(net));
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    net_close(net);
    uv_close((uv_handle_t *)&terminate, NULL);
    for (size_t i = 0; i < 64; i++) {
        uv_close((uv_handle_t *)&pending[i].timer, NULL);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    net_finish(net);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
