/* Base64 (RFC 4648, section 4), with padding. */
#ifndef CLIENT_BASE64_H
#define CLIENT_BASE64_H

#include "protocol/buffer.h"

/* Appends the text, or the bytes. False: no memory; decoding also: it is no such text. */
CRDT_CHECKED bool base64_encode(struct bytes bytes, struct buffer *text);
CRDT_CHECKED bool base64_decode(struct bytes text, struct buffer *bytes);

#endif
