/* Certificate: what the hub shows of itself over TLS, and its key, as OpenSSL keeps them. */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crdt/status.h"

struct certificate;

struct certificate_files {
    const char *certificate; /* PEM: the hub's own first, then those between it and the root */
    const char *key;         /* PEM, without a passphrase */
};

struct certificate_fault {
    bool of_key; /* it is the key's file */
    char text[256];
};

/* NULL: the fault's text is a sentence. */
CRDT_CHECKED struct certificate *certificate_read(const struct certificate_files *files,
                                                  struct certificate_fault *fault);
/* Takes NULL. */
void certificate_free(struct certificate *certificate);

/* Whether clients will refuse it by the time of day; `text` is then a sentence. */
bool certificate_is_stale(const struct certificate *certificate, char *text, size_t size);

/* When that begins: seconds since 1970. */
int64_t certificate_expires_s(const struct certificate *certificate);

/* Shows it to the peer of a handshake that is under way (`struct ssl_st` is OpenSSL's SSL). */
struct ssl_st;
bool certificate_show(const struct certificate *certificate, struct ssl_st *ssl);

#endif
