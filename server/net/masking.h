/*
 * Masking: a client's frames must be masked (RFC 6455, section 5.1), and libwebsockets 4.1.6 takes
 * them unmasked without a word, nor does its interface show the bit. So its reads are watched: this
 * file gives the program its own `recv`, which libwebsockets calls, and follows the frames' headers
 * through the bytes of each watched socket. An unmasked frame reads as the end of the connection,
 * after a close frame with code 1002.
 */
#ifndef NET_MASKING_H
#define NET_MASKING_H

/* Watches a socket that was just accepted. */
void masking_watch(int socket);

#endif
