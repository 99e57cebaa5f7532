/*
 * HTTP out: POST by libcurl on the loop, without waiting. Names are looked up by a thread of
 * libcurl's; nothing else leaves the loop's. Certificates are checked, redirects are not followed,
 * proxies of the environment are not used, and an answer's body is dropped, all of it after
 * HTTP_ANSWER_BYTES.
 */
#ifndef WEBHOOKS_HTTP_H
#define WEBHOOKS_HTTP_H

#include <stdbool.h>
#include <uv.h>

#include "crdt/bytes.h"
#include "crdt/status.h"

enum { HTTP_ANSWER_BYTES = 64 << 10, HTTP_HEADERS_MAX = 8 };

struct http;
struct http_post;

struct http_result {
    unsigned status;         /* 0: there was no answer */
    const char *error;       /* why not; "" if there was one */
    uint64_t retry_after_ms; /* 0: not said */
};

/* Called from the loop; `post` is gone then. */
typedef void http_done(void *context, const struct http_result *result);

struct http_request {
    const char *url;
    const char *ca_file;                   /* NULL: the system's */
    const char *headers[HTTP_HEADERS_MAX]; /* `Name: value`; NULL behind the last */
    struct bytes body;                     /* borrowed until the end */
    uint64_t timeout_ms;                   /* for all of it */
    http_done *done;
    void *context;
};

/* NULL: no memory, or no libcurl. */
struct http *http_open(uv_loop_t *loop);
/* Ends what is under way without a word, and closes the handles; the loop must run until they are
 * closed. Takes NULL. */
void http_close(struct http *http);
void http_finish(struct http *http);

/* NULL: no memory. */
struct http_post *http_post(struct http *http, const struct http_request *request);

#endif
