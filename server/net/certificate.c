#include "server/net/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct certificate {
    X509 *own;
    STACK_OF(X509) * chain; /* above it */
    EVP_PKEY *key;
};

void certificate_free(struct certificate *certificate)
{
    if (certificate != NULL) {
        X509_free(certificate->own);
        sk_X509_pop_free(certificate->chain, X509_free);
        EVP_PKEY_free(certificate->key);
        free(certificate);
    }
}

static bool fail(struct certificate_fault *fault, bool of_key, const char *file, const char *why)
{
    fault->of_key = of_key;
    (void)snprintf(fault->text, sizeof fault->text, "%s: %s", file, why);
    return false;
}

/* The passphrase that is tried: without one OpenSSL asks on the terminal. */
static char no_passphrase[] = "";

static bool read_chain(struct certificate *certificate, FILE *file, const char *path,
                       struct certificate_fault *fault)
{
    X509 *next;
    certificate->own = PEM_read_X509(file, NULL, NULL, no_passphrase);
    if (certificate->own == NULL) {
        return fail(fault, false, path, "no certificate in PEM (-----BEGIN CERTIFICATE-----)");
    }
    certificate->chain = sk_X509_new_null();
    while (certificate->chain != NULL &&
           (next = PEM_read_X509(file, NULL, NULL, no_passphrase)) != NULL) {
        if (sk_X509_push(certificate->chain, next) == 0) {
            X509_free(next);
            return fail(fault, false, path, "out of memory");
        }
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    return certificate->chain != NULL && at_end
               ? true
               : fail(fault, false, path, "a certificate behind the first is broken");
}

static bool read_key(struct certificate *certificate, FILE *file, const char *path,
                     struct certificate_fault *fault)
{
    certificate->key = PEM_read_PrivateKey(file, NULL, NULL, no_passphrase);
    if (certificate->key == NULL) {
        return fail(fault, true, path,
                    "no private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)");
    }
    if (X509_check_private_key(certificate->own, certificate->key) != 1) {
        return fail(fault, true, path, "the key does not belong to the certificate");
    }
    return true;
}

typedef bool read_part(struct certificate *certificate, FILE *file, const char *path,
                       struct certificate_fault *fault);

static bool read_file(struct certificate *certificate, const char *path, bool of_key,
                      read_part *part, struct certificate_fault *fault)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fail(fault, of_key, path, strerror(errno));
    }
    bool good = part(certificate, file, path, fault);
    (void)fclose(file);
    return good;
}

struct certificate *certificate_read(const struct certificate_files *files,
                                     struct certificate_fault *fault)
{
    struct certificate *certificate = calloc(1, sizeof *certificate);
    if (certificate == NULL) {
        (void)fail(fault, false, files->certificate, "out of memory");
        return NULL;
    }
    bool good = read_file(certificate, files->certificate, false, read_chain, fault) &&
                read_file(certificate, files->key, true, read_key, fault);
    ERR_clear_error();
    if (!good) {
        certificate_free(certificate);
        return NULL;
    }
    return certificate;
}

static void tell(const ASN1_TIME *time, const char *what, char *text, size_t size)
{
    struct tm when = {0};
    char date[32] = "an unknown time";
    if (ASN1_TIME_to_tm(time, &when) == 1) {
        (void)strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &when);
    }
    (void)snprintf(text, size, "the certificate %s %s; clients will refuse it", what, date);
}

bool certificate_is_stale(const struct certificate *certificate, char *text, size_t size)
{
    const ASN1_TIME *end = X509_get0_notAfter(certificate->own);
    const ASN1_TIME *start = X509_get0_notBefore(certificate->own);
    if (X509_cmp_current_time(end) < 0) {
        tell(end, "has expired on", text, size);
        return true;
    }
    if (X509_cmp_current_time(start) > 0) {
        tell(start, "is not valid before", text, size);
        return true;
    }
    return false;
}

int64_t certificate_expires_s(const struct certificate *certificate)
{
    struct tm when = {0};
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate->own), &when) == 1 ? timegm(&when) : 0;
}

bool certificate_show(const struct certificate *certificate, struct ssl_st *ssl)
{
    return SSL_use_cert_and_key(ssl, certificate->own, certificate->key, certificate->chain, 1) ==
           1;
}
