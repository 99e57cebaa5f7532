/* Public keys as numbers, and in PEM (RFC 7518, 6.2 and 6.3), through OpenSSL. */
#ifndef SERVER_JWK_PUBLIC_H
#define SERVER_JWK_PUBLIC_H

#include "crdt/bytes.h"
#include "crdt/status.h"
#include "protocol/buffer.h"

/* Appends the key in PEM. False: the numbers are no such key, or there is no memory. */
CRDT_CHECKED bool jwk_rsa_pem(struct bytes modulus, struct bytes exponent, struct buffer *pem);
CRDT_CHECKED bool jwk_p256_pem(struct bytes x, struct bytes y, struct buffer *pem);

#endif
