/*
 * Signatures by the Standard Webhooks specification (standardwebhooks.com): HMAC-SHA256 of
 * `id.timestamp.body`, so that a receiver knows who sent what, and when.
 */
#ifndef WEBHOOKS_SIGN_H
#define WEBHOOKS_SIGN_H

#include <stdbool.h>

#include "crdt/bytes.h"
#include "crdt/status.h"

enum {
    WEBHOOK_SECRET_BYTES_MIN = 24, /* as the specification recommends */
    WEBHOOK_SECRET_BYTES_MAX = 64,
    WEBHOOK_SECRETS_MAX = 4,
    WEBHOOK_SECRET_TEXT_BYTES = 1024, /* of them all, as they are written */
    WEBHOOK_SIGNATURE_BYTES = 48,     /* `v1,` and 32 bytes in base64, with the NUL */
    WEBHOOK_ID_BYTES = 40             /* `msg_` and 32 digits, with the NUL */
};

struct webhook_secret {
    uint8_t bytes[WEBHOOK_SECRET_BYTES_MAX];
    size_t length;
};

/* More than one while a secret is changed: each signs. */
struct webhook_secrets {
    struct webhook_secret items[WEBHOOK_SECRETS_MAX];
    size_t length;
};

/* `whsec_` and base64, one to four of them with white space between. False: they are not of this
 * form, too short or too long. */
CRDT_CHECKED bool webhook_secrets_parse(struct bytes text, struct webhook_secrets *secrets);

/* What is signed: the bodies of one delivery and its repeats have one id. */
struct webhook_message {
    const char *id;
    uint64_t timestamp; /* seconds since 1970 */
    struct bytes body;
};

/* `v1,` and the signature. False: no memory. */
CRDT_CHECKED bool webhook_sign(const struct webhook_secret *secret,
                               const struct webhook_message *message,
                               char signature[WEBHOOK_SIGNATURE_BYTES]);

/* The id of what is told of a document between two positions: whoever is told twice sees that.
 * False: no memory. */
CRDT_CHECKED bool webhook_id(struct bytes journal, const char *target, struct bytes document,
                             const uint64_t positions[2], char id[WEBHOOK_ID_BYTES]);

#endif
