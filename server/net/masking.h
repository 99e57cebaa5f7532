/*
 * Masking: a client's frames must be masked (RFC 6455, section 5.1), and libwebsockets 4.1.6 takes
 * them unmasked without a word, nor does its interface show the bit. So its reads are watched: this
 * file gives the program its own `recv`, which libwebsockets calls, and follows the frames' headers
 * through the bytes of each watched socket. It changes nothing that is read: whoever owns the
 * socket's WebSocket is told before libwebsockets gets the bytes, and refuses them.
 *
 * What follows a request is not known to be frames before libwebsockets has taken the request, and
 * may have come with it; so it is followed as if, and counts from `masking_claim` on. A request
 * with a body would look like a frame: its connection must not live on to open a WebSocket.
 */
#ifndef NET_MASKING_H
#define NET_MASKING_H

#include <stdbool.h>

/* Only sockets below are watched; Linux gives a process no more, unless it is told to. */
enum { MASKING_SOCKETS_MAX = 1 << 20 };

typedef void masking_refuse(void *owner);

/* Watches a socket that was just accepted. */
void masking_watch(int socket);

/*
 * The socket's WebSocket is open: `refuse` is called once, at the first unmasked frame. False:
 * there was one already, and it will not be called.
 */
bool masking_claim(int socket, masking_refuse *refuse, void *owner);

/* The owner is gone, the socket not yet. */
void masking_release(int socket);

#endif
