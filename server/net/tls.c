#include "server/net/tls.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 2000 };

static void look_at(const struct tls *tls, struct timespec times[2])
{
    const char *const paths[2] = {tls->files.certificate, tls->files.key};
    for (size_t i = 0; i < 2; i++) {
        struct stat file;
        times[i] = stat(paths[i], &file) == 0 ? file.st_mtim : (struct timespec){0};
    }
}

static bool is_same(const struct timespec a[2], const struct timespec b[2])
{
    return a[0].tv_sec == b[0].tv_sec && a[0].tv_nsec == b[0].tv_nsec &&
           a[1].tv_sec == b[1].tv_sec && a[1].tv_nsec == b[1].tv_nsec;
}

bool tls_reload(struct tls *tls, char *error, size_t size)
{
    struct certificate_fault fault;
    look_at(tls, tls->told);
    struct certificate *certificate = certificate_read(&tls->files, &fault);
    if (certificate == NULL) {
        (void)snprintf(error, size, "%s", fault.text);
        return false;
    }
    certificate_free(tls->certificate); /* handshakes under way have theirs */
    tls->certificate = certificate;
    return true;
}

/* Two files are written one after the other: they are read when they have not changed for a while.
 */
static void on_look(uv_timer_t *timer)
{
    struct tls *tls = timer->data;
    char error[sizeof((struct certificate_fault *)NULL)->text];
    struct timespec now[2];
    look_at(tls, now);
    bool settled = is_same(now, tls->seen);
    memcpy(tls->seen, now, sizeof now);
    if (settled && !is_same(now, tls->told)) {
        bool good = tls_reload(tls, error, sizeof error);
        tls->reloaded(tls->context, good ? NULL : error);
    }
}

bool tls_open(struct tls *tls, uv_loop_t *loop, char *error, size_t size)
{
    (void)uv_timer_init(loop, &tls->look); /* never fails */
    tls->look.data = tls;
    bool good = tls_reload(tls, error, size);
    memcpy(tls->seen, tls->told, sizeof tls->seen);
    return good;
}

void tls_start(struct tls *tls)
{
    (void)uv_timer_start(&tls->look, on_look, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)&tls->look);
}

static int on_handshake(SSL *ssl, void *tls)
{
    return certificate_show(((const struct tls *)tls)->certificate, ssl) ? 1 : 0;
}

/* An exit is the end of the handshake, or a wait for more of it: unless there is no more to come.
 */
static void on_progress(const SSL *ssl, int where, int result)
{
    struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    bool waits = result < 0 && !SSL_want_nothing(ssl) && BIO_should_retry(SSL_get_rbio(ssl));
    if (where == SSL_CB_HANDSHAKE_DONE) {
        tls->done++;
    } else if (where == SSL_CB_ACCEPT_EXIT && result <= 0 && !waits) {
        tls->failed++;
    }
}

/* Of what OpenSSL offers, that with forward secrecy and authenticated encryption. */
bool tls_set_up(struct tls *tls, struct ssl_ctx_st *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_tlsext_servername_callback(context, NULL); /* names lead to no other host here */
    SSL_CTX_set_cert_cb(context, on_handshake, tls);
    SSL_CTX_set_app_data(context, tls);
    SSL_CTX_set_info_callback(context, on_progress);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

void tls_finish(struct tls *tls)
{
    certificate_free(tls->certificate);
    tls->certificate = NULL;
}
