/*
 * Tokens: JSON Web Tokens (RFC 7519) that an app's own server signs, and clients bring along.
 *
 * A key belongs to one algorithm, and a token is only ever checked by a key of the algorithm that
 * it names: no token is taken without a signature, and none that is signed with a public key as if
 * it were a secret (RFC 8725, 3.1).
 *
 * Claims   sub (text, 1 to LIMIT_PRINCIPAL_BYTES): the principal; required
 *          exp, nbf (numbers of seconds): optional; without exp it is good for as long as its key
 *          admin (true): the principal is an operator
 *          allow: what it may do (grants.h); without it, what the configuration says
 * Clocks   differ: TOKEN_LEEWAY_MS are added behind exp and before nbf.
 * Cost     up to a tenth of a millisecond for each key that has the token's algorithm and id.
 */
#ifndef SERVER_TOKENS_H
#define SERVER_TOKENS_H

#include "crdt/bytes.h"
#include "crdt/status.h"
#include "protocol/buffer.h"
#include "protocol/limits.h"
#include "server/grants.h"

#define TOKEN_STATUS_LIST(X)                                                                       \
    X(TOKEN_OK, "no error")                                                                        \
    X(TOKEN_MALFORMED, "it is no JSON Web Token")                                                  \
    X(TOKEN_NO_KEY, "no key has its algorithm and its id (kid)")                                   \
    X(TOKEN_FORGED, "its signature is not that of the key")                                        \
    X(TOKEN_NO_SUBJECT, "its claim sub is no text of 1 to 256 bytes")                              \
    X(TOKEN_NO_TIME, "its claim exp or nbf is no number of seconds")                               \
    X(TOKEN_BAD_ALLOW, "its claim allow is no object of patterns with lists of rights")            \
    X(TOKEN_NO_MEMORY, "there is no memory to look at it")                                         \
    X(TOKEN_EARLY, "it is not valid yet (nbf)")                                                    \
    X(TOKEN_EXPIRED, "it has expired (exp)")

enum token_status {
#define X(name, text) name,
    TOKEN_STATUS_LIST(X)
#undef X
};

#define X(name, text) +1
enum { TOKEN_STATUS_COUNT = 0 TOKEN_STATUS_LIST(X) };
#undef X

/* `TOKEN_OK` ... */
const char *token_status_name(enum token_status status);

const char *token_status_text(enum token_status status);

enum token_algorithm { TOKEN_HS256, TOKEN_RS256, TOKEN_ES256 };

/* "HS256" …; false: it is none of the three. */
const char *token_algorithm_name(enum token_algorithm algorithm);
CRDT_CHECKED bool token_algorithm_find(struct bytes name, enum token_algorithm *algorithm);

enum {
    TOKEN_LEEWAY_MS = 5000,
    TOKEN_KEYS_MAX = 16,         /* a token without an id is tried with each */
    TOKEN_KEY_BYTES_MAX = 16384, /* an RSA key of 16384 bits in PEM has 3 KiB */
    TOKEN_SECRET_BYTES_MIN = 32  /* RFC 7518, 3.2: as long as the hash */
};

struct token_key {
    char *id; /* the kid of its tokens; NULL: any */
    enum token_algorithm algorithm;
    struct buffer material; /* a secret, or a public key in PEM */
};

/* `{0}` is empty. */
struct token_keys {
    struct token_key *items;
    size_t length;
    size_t configured;   /* the first so many; those behind are of a set that may be read again */
    struct grants allow; /* for tokens that do not say; not given: the use of all documents */
};

/* What is wrong with a key's material, as the end of "…; expected"; NULL: nothing. */
const char *token_key_expected(enum token_algorithm algorithm, struct bytes material);

/* Moves the key behind the others. False: there is no memory, and it stays where it was. */
CRDT_CHECKED bool token_keys_add(struct token_keys *keys, struct token_key *key);

/* Those behind the configured ones are given up for those of `set`, which is empty then. False:
 * there is no memory, and nothing has changed. */
CRDT_CHECKED bool token_keys_replace(struct token_keys *keys, struct token_keys *set);

/* Takes an empty one too. */
void token_keys_finish(struct token_keys *keys);

struct token_claims {
    char subject[LIMIT_PRINCIPAL_BYTES + 1];
    uint64_t expires_ms; /* from then on it is refused, leeway included; UINT64_MAX: never */
    bool admin;
};

/* Pure: the same keys, token and time give the same answer. Without TOKEN_OK no claim is set. What
 * the token allows is appended to `grants` (server/hub/access.h). */
CRDT_CHECKED enum token_status token_verify(const struct token_keys *keys, struct bytes token,
                                            uint64_t now_ms, struct token_claims *claims,
                                            struct buffer *grants);

#endif
