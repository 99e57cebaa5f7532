/*
 * Keys of tokens from a JSON Web Key Set (RFC 7517), as identity providers publish them: RSA and
 * P-256 public keys, and secrets (oct). Keys for another use, or of a kind that signs no token
 * here, are passed over, as section 5 has it, and told; a set with one that is malformed, or that
 * has private members, is no set.
 */
#ifndef SERVER_JWKS_H
#define SERVER_JWKS_H

#include "crdt/bytes.h"
#include "crdt/status.h"
#include "protocol/buffer.h"
#include "server/tokens.h"

enum {
    JWKS_BYTES_MAX = 256 << 10,
    JWKS_MEMBERS_MAX = 100, /* of which no more than TOKEN_KEYS_MAX are used */
    JWKS_TEXT_BYTES = 512
};

/*
 * Reads the set into `keys`, which is empty. What is passed over is appended to `notes`, a line
 * each, as far as there is room. False: it is no set of which a key can be used; `error` says why,
 * as a part of a sentence, and `keys` is empty.
 */
CRDT_CHECKED bool jwks_parse(struct bytes text, struct token_keys *keys, struct buffer *notes,
                             char error[JWKS_TEXT_BYTES]);

/* The same of a file. */
CRDT_CHECKED bool jwks_read(const char *path, struct token_keys *keys, struct buffer *notes,
                            char error[JWKS_TEXT_BYTES]);

#endif
