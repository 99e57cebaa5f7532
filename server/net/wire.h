/*
 * Wire: the bytes of each connection on their way to libwebsockets 4.1.6, which takes a client's
 * frames unmasked (RFC 6455, section 5.1, forbids it) and shows neither the bit nor a request's
 * target as it was sent. So this file gives the program its own `recv`, which libwebsockets calls,
 * and its own `SSL_read`. What it reads it reads in order and unchanged, but never past the end of
 * what is due: a request's head, its body, then nothing until the request is answered. So one
 * request at a time is under way, what belongs to it is known, and frames begin where they begin.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "crdt/bytes.h"

/* Only sockets below are watched; Linux gives a process no more, unless it is told to. */
enum { WIRE_SOCKETS_MAX = 1 << 20 };

struct wire;

typedef void wire_refuse(void *owner);

/* Watches a socket that was just accepted. NULL: no memory. */
struct wire *wire_open(int socket);

/* The socket is closed. Takes NULL. */
void wire_close(struct wire *wire);

/* The head of the request that libwebsockets has just read; empty: there is none. It stays until
 * the next may come. */
struct bytes wire_head(const struct wire *wire);

/* The request has a body of so many bytes. */
void wire_body(struct wire *wire, uint64_t length);

/* The request is answered, the next may come. */
void wire_next(struct wire *wire);

/* The connection is a WebSocket: `refuse` is called once, at the first unmasked frame. */
void wire_frames(struct wire *wire, wire_refuse *refuse, void *owner);

/* Reading goes on after a pause. */
void wire_resume(struct wire *wire);

/* The owner is gone, the socket not yet. */
void wire_release(struct wire *wire);

/*
 * Over TLS, bytes that OpenSSL has decrypted and that were not due, or not wanted yet: no event of
 * the socket will tell of them. Calls `service` with each socket that has some which are due now.
 * False: there are none any more.
 */
bool wire_serve_pending(void (*service)(void *context, int socket), void *context);

/* Called when there begin to be some. */
void wire_on_pending(void (*begin)(void *context), void *context);

#endif
