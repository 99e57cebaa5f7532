#include "server/net/session.h"

#include <stdlib.h>
#include <string.h>

static struct net_session **bucket_of(struct net *net, uint64_t id)
{
    return &net->buckets[id % SESSION_BUCKETS];
}

struct net_session *session_find(const struct net *net, uint64_t id)
{
    struct net_session *session = net->buckets[id % SESSION_BUCKETS];
    while (session != NULL && session->id != id) {
        session = session->next;
    }
    return session;
}

struct net_session *session_create(struct net *net, struct lws *wsi)
{
    struct net_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    struct net_session **bucket = bucket_of(net, ++net->last_id);
    session->id = net->last_id;
    session->wsi = wsi;
    session->next = *bucket;
    buffer_init(&session->message, net->config.message_bytes);
    *bucket = session;
    return session;
}

void session_destroy(struct net *net, struct net_session *session)
{
    struct net_session **at = bucket_of(net, session->id);
    while (*at != session) {
        at = &(*at)->next;
    }
    *at = session->next;
    buffer_finish(&session->message);
    free(session);
}

static int refuse(struct net_session *session, uint16_t code, const char *text)
{
    /* libwebsockets copies the text; that it wants to write to it is its header's mistake. */
    lws_close_reason(session->wsi, (enum lws_close_status)code, (unsigned char *)(uintptr_t)text,
                     strlen(text));
    return -1;
}

int session_receive(struct net *net, struct net_session *session, struct bytes piece)
{
    struct buffer *message = &session->message;
    if (session->close_code != 0) {
        return 0;
    }
    size_t room = message->limit - message->length;
    /* The frame says how much is to come: a message too long is refused at its first piece. */
    if (piece.length > room || lws_remaining_packet_payload(session->wsi) > room - piece.length) {
        return refuse(session, 1009, "the message is longer than the hub takes");
    }
    if (lws_is_first_fragment(session->wsi) && !lws_frame_is_binary(session->wsi)) {
        return refuse(session, 1003, "messages are binary");
    }
    bool whole =
        lws_is_final_fragment(session->wsi) && lws_remaining_packet_payload(session->wsi) == 0;
    struct net_event event = {.kind = NET_RECEIVED, .connection = session->id, .bytes = piece};
    if (!whole || message->length > 0) {
        if (buffer_append(message, piece.data, piece.length) != PROTOCOL_OK) {
            return refuse(session, 1013, "the hub is out of memory");
        }
        event.bytes = buffer_bytes(message);
    }
    if (whole) {
        net->config.event(net->config.context, &event);
        buffer_finish(message);
    }
    return 0; /* what the hub closes is closed when it has said why: in TIMER */
}
