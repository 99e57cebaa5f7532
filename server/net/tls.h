/*
 * TLS on the public address: what libwebsockets' context of OpenSSL is told, and the certificate,
 * which is read again when its files change: handshakes from then on get the new one.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <sys/stat.h>
#include <uv.h>

#include "server/net/certificate.h"

struct tls {
    struct certificate_files files;
    struct certificate *certificate; /* NULL: no TLS */
    struct timespec told[2];         /* when the files were changed last, as far as it is read */
    struct timespec seen[2];         /* and as of the last look */
    uint64_t done;                   /* handshakes */
    uint64_t failed;
    uv_timer_t look;
    void (*reloaded)(void *context, const char *error); /* NULL: it went well */
    void *context;
};

/* Reads the certificate. False: `error` holds a sentence. The timer is to be closed either way. */
CRDT_CHECKED bool tls_open(struct tls *tls, uv_loop_t *loop, char *error, size_t size);

/* Starts to look at the files. */
void tls_start(struct tls *tls);

/* Reads the files again. False: as it was, and `error` holds a sentence. */
CRDT_CHECKED bool tls_reload(struct tls *tls, char *error, size_t size);

/* Sets up a context of OpenSSL (`struct ssl_ctx_st` is its SSL_CTX). */
struct ssl_ctx_st;
CRDT_CHECKED bool tls_set_up(struct tls *tls, struct ssl_ctx_st *context);

/* No handshake is to come. */
void tls_finish(struct tls *tls);

#endif
