#include "server/net/session.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLOSE_SECONDS = 10 };

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

static void give_up(void *session)
{
    session_close(session, 1013, "messages that take less long need the room");
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
    session->socket = lws_get_socket_fd(wsi);
    session->next = *bucket;
    buffer_init(&session->message.bytes, net->config.message_bytes);
    session->message.give_up = give_up;
    session->message.owner = session;
    *bucket = session;
    return session;
}

void session_drop_message(struct net *net, struct net_session *session)
{
    gathering_drop(&net->gatherings, &session->message);
}

void session_sent(struct net *net, struct net_session *session)
{
    net->unsent -= session->unsent;
    session->unsent = 0;
}

void session_destroy(struct net *net, struct net_session *session)
{
    struct net_session **at = bucket_of(net, session->id);
    while (*at != session) {
        at = &(*at)->next;
    }
    *at = session->next;
    session_drop_message(net, session);
    session_sent(net, session);
    free(session);
}

void session_wake(struct net_session *session)
{
    lws_cancel_service(lws_get_context(session->wsi));
}

void session_pause(struct net_session *session, bool paused)
{
    lws_rx_flow_control(session->wsi, paused ? 0 : 1);
    if (!paused) {
        wire_resume(handshakes_wire(session->wsi));
    }
}

void session_close(struct net_session *session, uint16_t code, const char *text)
{
    if (session->close_code != 0) {
        return;
    }
    session->close_code = code;
    session->close_text = text;
    session_drop_message(net_of(session->wsi), session);
    session_pause(session, false); /* or the peer's answer to the close would not be read */
    lws_set_timeout(session->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_SECONDS);
    lws_set_timer_usecs(session->wsi, 1);
    session_wake(session);
}

void session_receive(struct net *net, struct net_session *session, struct bytes piece)
{
    struct buffer *message = &session->message.bytes;
    if (session->close_code != 0) {
        return;
    }
    /* The frame says how much is to come: a message too long is refused at its first piece. */
    size_t room = message->limit - message->length;
    size_t to_come = lws_remaining_packet_payload(session->wsi);
    if (!lws_frame_is_binary(session->wsi)) {
        session_close(session, 1003, "messages are binary");
        return;
    }
    if (piece.length > room || to_come > room - piece.length) {
        net->too_long++;
        session_close(session, 1009, "the message is longer than the hub takes");
        return;
    }
    bool whole = lws_is_final_fragment(session->wsi) && to_come == 0;
    struct net_event event = {.kind = NET_RECEIVED, .connection = session->id, .bytes = piece};
    if (!whole || message->length > 0) {
        if (!gathering_add(&net->gatherings, &session->message, piece)) {
            session_close(session, 1013, "the hub is out of memory");
        }
        event.bytes = buffer_bytes(message);
    }
    if (whole && session->close_code == 0) {
        net->config.event(net->config.context, &event);
        session_drop_message(net, session);
    }
}
