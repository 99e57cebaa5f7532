/* Requests to leave HTTP: for our subprotocol of WebSocket, and nothing else. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/net/problem.h"
#include "server/net/session.h"

enum { REFUSAL_BYTES = 512 };

/* Says why where no request of ours is under way; -1, for libwebsockets to close. */
static int refuse(struct lws *wsi, const char *first_lines, const char *problem)
{
    unsigned char answer[LWS_PRE + REFUSAL_BYTES];
    int length = snprintf((char *)&answer[LWS_PRE], REFUSAL_BYTES,
                          "HTTP/1.1 %s\r\ncontent-type: " PROBLEM_TYPE "\r\n"
                          "content-length: %zu\r\nconnection: close\r\n\r\n%s",
                          first_lines, strlen(problem), problem);
    assert(length > 0 && length < REFUSAL_BYTES);
    (void)lws_write(wsi, &answer[LWS_PRE], (size_t)length, LWS_WRITE_RAW);
    return -1;
}

int upgrade_filter(const struct net *net, struct lws *wsi)
{
    /* Without a Sec-WebSocket-Protocol libwebsockets would take the first protocol. */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) <= 0) {
        return refuse(wsi, "400 Bad Request",
                      PROBLEM_TEXT("400", "Bad Request", "BAD_REQUEST",
                                   "ask for the subprotocol syncline.v1"));
    }
    if (!origin_allowed(net, wsi)) {
        return refuse(wsi, "403 Forbidden",
                      PROBLEM_TEXT("403", "Forbidden", "FOREIGN_ORIGIN", ORIGIN_REFUSED));
    }
    return 0;
}

/*
 * libwebsockets would speak HTTP/2, and WebSocket inside it, past all of this. To a protocol that
 * it does not know it has answered already, and `in` of the callback may be gone with the headers.
 */
int upgrade_confirm(struct lws *wsi)
{
    char protocol[16] = "";
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0 ||
        lws_hdr_copy(wsi, protocol, sizeof protocol, WSI_TOKEN_UPGRADE) < 0) {
        return -1;
    }
    if (strcasecmp(protocol, "h2c") == 0) {
        (void)lws_return_http_status(wsi, HTTP_STATUS_BAD_REQUEST, NULL);
    }
    return strcasecmp(protocol, "websocket") == 0 ? 0 : -1;
}

int upgrade_refuse_connect(struct lws *wsi)
{
    return refuse(wsi, "405 Method Not Allowed\r\nallow: " HTTP_METHODS,
                  PROBLEM_TEXT("405", "Method Not Allowed", "METHOD_NOT_ALLOWED",
                               "only " HTTP_METHODS " are answered here"));
}
