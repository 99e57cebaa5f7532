/* Transport: one WebSocket to the hub, by libwebsockets. Whoever uses it turns the crank with
 * `transport_run`. */
#ifndef CLIENT_TRANSPORT_H
#define CLIENT_TRANSPORT_H

#include "protocol/buffer.h"

struct transport;

/* Called from within `transport_run`. */
struct transport_handler {
    void (*opened)(void *context);
    void (*received)(void *context, struct bytes message);
    void (*closed)(void *context, const char *reason); /* also when it could not be opened */
    void *context;
};

/*
 * `url`: ws://host:port/path or wss://host:port/path; over TLS the hub has to show a certificate
 * for that host by an authority of the system's, or of `ca_file` (PEM) alone if that is not NULL.
 * NULL: `error` names what is wrong with them, or no memory.
 */
struct transport *transport_create(const char *url, const char *ca_file,
                                   const struct transport_handler *handler, const char **error);
void transport_destroy(struct transport *transport);

/* Begins to connect; `opened` or `closed` follows. */
void transport_connect(struct transport *transport);
bool transport_connected(const struct transport *transport);
void transport_close(struct transport *transport);

/* Queues one message. False: no memory. */
CRDT_CHECKED bool transport_send(struct transport *transport, struct bytes message);

/* Serves the socket for about that long, or until something happened. */
void transport_run(struct transport *transport, int milliseconds);

#endif
