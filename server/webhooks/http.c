#include "server/webhooks/http.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { CONNECTIONS_KEPT = 64, CONNECT_MS = 10000, RETRY_AFTER_S_MAX = 1000000 };

struct http_post {
    struct http_post *next;
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    size_t answer_bytes;
    bool lost; /* for want of memory libcurl hears no more of it */
    http_done *done;
    void *context;
    char error[CURL_ERROR_SIZE];
};

struct http {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi; /* NULL: there was no memory to begin again */
    struct http_post *posts;
    struct watch *watches;
};

/* One of libcurl's sockets. */
struct watch {
    uv_poll_t poll;
    struct watch *next;
    struct http *http;
    curl_socket_t socket;
};

/* --- posts --- */

static void destroy(struct http_post *post)
{
    struct http_post **at = &post->http->posts;
    while (*at != NULL && *at != post) {
        at = &(*at)->next;
    }
    if (*at == post) {
        *at = post->next;
        (void)curl_multi_remove_handle(post->http->multi, post->easy);
    }
    curl_easy_cleanup(post->easy);
    curl_slist_free_all(post->headers);
    free(post);
}

/* What was cut off for its length has been answered. */
static void finish(struct http_post *post, CURLcode code)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    (void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && status > 0);
    const char *why = post->error[0] == '\0' ? curl_easy_strerror(code) : post->error;
    if (retry_after_s > RETRY_AFTER_S_MAX) {
        retry_after_s = RETRY_AFTER_S_MAX;
    }
    struct http_result result = {
        .status = answered ? (unsigned)status : 0,
        .error = answered ? "" : why,
        .retry_after_ms = answered && retry_after_s > 0 ? (uint64_t)retry_after_s * 1000 : 0};
    post->done(post->context, &result);
    destroy(post);
}

static void end_lost(struct http *http)
{
    struct http_post *post = http->posts;
    while (post != NULL) {
        if (post->lost) {
            post->done(post->context,
                       &(struct http_result){.error = curl_easy_strerror(CURLE_OUT_OF_MEMORY)});
            destroy(post);
            post = http->posts;
        } else {
            post = post->next;
        }
    }
}

static void take_finished(struct http *http)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        void *post = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &post) == CURLE_OK) {
            finish(post, code);
        }
    }
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is libcurl's */
static size_t on_answer(char *data, size_t size, size_t count, void *context)
{
    struct http_post *post = context;
    (void)data;
    post->answer_bytes += size * count;
    return post->answer_bytes > HTTP_ANSWER_BYTES ? 0 : size * count;
}

/* --- libcurl on the loop --- */

static void act(struct http *http, curl_socket_t socket, int flags);

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    act(watch->http, watch->socket, flags);
}

static void on_timer(uv_timer_t *timer) { act(timer->data, CURL_SOCKET_TIMEOUT, 0); }

/* Never from inside: libcurl must not be called back by it. */
static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
    struct http *http = context;
    (void)multi;
    if (timeout_ms < 0) {
        (void)uv_timer_stop(&http->timer);
    } else {
        (void)uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void free_watch(uv_handle_t *handle) { free(handle->data); }

static struct watch *watch_open(struct http *http, curl_socket_t socket)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || uv_poll_init_socket(http->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->http = http;
    watch->socket = socket;
    watch->next = http->watches;
    http->watches = watch;
    (void)curl_multi_assign(http->multi, socket, watch);
    return watch;
}

static void watch_close(struct watch *watch)
{
    struct watch **at = &watch->http->watches;
    while (*at != watch) {
        at = &(*at)->next;
    }
    *at = watch->next;
    (void)uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, free_watch);
}

/* Not by an error from the callback: after one libcurl (7.88) takes no posts until all others have
 * ended, and lets those that nothing is heard of wait for ever. */
static void give_up(CURL *easy)
{
    void *found = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &found) == CURLE_OK && found != NULL) {
        struct http_post *post = found;
        post->lost = true;
    }
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *own)
{
    struct http *http = context;
    struct watch *watch = own;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            (void)curl_multi_assign(http->multi, socket, NULL);
            watch_close(watch);
        }
        return 0;
    }
    watch = watch == NULL ? watch_open(http, socket) : watch;
    int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    if (watch == NULL || uv_poll_start(&watch->poll, events, on_ready) != 0) {
        give_up(easy);
    }
    return 0;
}

static void multi_open(struct http *http)
{
    http->multi = curl_multi_init();
    if (http->multi != NULL) {
        (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
        (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
        (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
        (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    }
}

/* With all connections. Posts stay, and hear nothing any more. */
static void multi_close(struct http *http)
{
    (void)uv_timer_stop(&http->timer);
    if (http->multi == NULL) {
        return;
    }
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, (curl_socket_callback)NULL);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, (curl_multi_timer_callback)NULL);
    while (http->watches != NULL) {
        watch_close(http->watches);
    }
    for (struct http_post *post = http->posts; post != NULL; post = post->next) {
        (void)curl_multi_remove_handle(http->multi, post->easy);
        post->lost = true;
    }
    (void)curl_multi_cleanup(http->multi);
    http->multi = NULL;
}

/* What fails had no memory for one of the posts, and libcurl (7.88) does not say for which. It may
 * have left a table without places then, and divides by their number when it next looks there. */
static void act(struct http *http, curl_socket_t socket, int flags)
{
    int running = 0;
    bool good = curl_multi_socket_action(http->multi, socket, flags, &running) == CURLM_OK;
    take_finished(http);
    if (!good) {
        multi_close(http);
        multi_open(http);
    }
    end_lost(http);
}

struct http *http_open(uv_loop_t *loop)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return NULL;
    }
    http->loop = loop;
    multi_open(http);
    if (http->multi == NULL || uv_timer_init(loop, &http->timer) != 0) {
        (void)curl_multi_cleanup(http->multi);
        curl_global_cleanup();
        free(http);
        return NULL;
    }
    http->timer.data = http;
    return http;
}

void http_close(struct http *http)
{
    if (http == NULL) {
        return;
    }
    multi_close(http);
    while (http->posts != NULL) {
        destroy(http->posts);
    }
    uv_close((uv_handle_t *)&http->timer, NULL);
}

void http_finish(struct http *http)
{
    if (http != NULL) {
        curl_global_cleanup();
        free(http);
    }
}

/* --- a post --- */

static bool add_headers(struct http_post *post, const struct http_request *request)
{
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++) {
        struct curl_slist *grown = curl_slist_append(post->headers, request->headers[i]);
        if (grown == NULL) {
            return false;
        }
        post->headers = grown;
    }
    return true;
}

/* QUICK_EXIT: libcurl asks name servers in a thread, for which it would wait, with all of the loop,
 * when a post's time is up or the hub stops. The thread ends by itself. */
static bool set_up(struct http_post *post, const struct http_request *request)
{
    CURL *easy = post->easy;
    long timeout_ms = (long)request->timeout_ms;
    long connect_ms = timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS;
    return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)request->body.data) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, post) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, post->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, post) == CURLE_OK &&
           (request->ca_file == NULL ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file) == CURLE_OK);
}

struct http_post *http_post(struct http *http, const struct http_request *request)
{
    if (http->multi == NULL) {
        multi_open(http);
    }
    struct http_post *post = http->multi == NULL ? NULL : calloc(1, sizeof *post);
    if (post == NULL) {
        return NULL;
    }
    *post = (struct http_post){
        .http = http, .easy = curl_easy_init(), .done = request->done, .context = request->context};
    if (post->easy == NULL || !add_headers(post, request) || !set_up(post, request) ||
        curl_multi_add_handle(http->multi, post->easy) != CURLM_OK) {
        destroy(post);
        return NULL;
    }
    post->next = http->posts;
    http->posts = post;
    return post;
}
