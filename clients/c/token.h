/* Tokens of the command line: one for a connection comes from a file, and one for trials is made
 * with the hub's secret. */
#ifndef CLIENT_TOKEN_H
#define CLIENT_TOKEN_H

#include "crdt/status.h"
#include "protocol/buffer.h"

enum { TOKEN_TEXT_BYTES = 256 };

/* Appends the file's text, without the line end behind it. False: `error` holds a sentence. */
CRDT_CHECKED bool token_read(const char *path, struct buffer *text, char error[TOKEN_TEXT_BYTES]);

/* What a token is to say. */
struct token_wish {
    const char *secret_file; /* of the hub's key of HS256 */
    const char *subject;
    const char *life;  /* 90s, 30m, 1h or 7d */
    const char *allow; /* what it grants, as "notes/{sub}:read,write"; NULL: not said */
    bool admin;
};

/* The token, NUL-terminated, to be freed by the caller; NULL: `error` holds a sentence. Pure but
 * for the file: `now_s` is when the token's life begins, in seconds since 1970. */
char *token_make(const struct token_wish *wish, uint64_t now_s, char error[TOKEN_TEXT_BYTES]);

#endif
