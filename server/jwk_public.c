#include "server/jwk_public.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

enum { COORDINATE_BYTES = 32, POINT_BYTES = 1 + 2 * COORDINATE_BYTES };

/* NULL: the numbers are no public key. */
static EVP_PKEY *make(const char *kind, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

static bool is_on_curve(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool is = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return is;
}

/* The form that the two must have. OpenSSL's own check of a public key looks for primes, too, which
 * for 16 keys of 16384 bits takes a minute, of the hub's only loop. */
static bool is_rsa(const BIGNUM *n, const BIGNUM *e)
{
    return BN_is_odd(n) == 1 && BN_is_odd(e) == 1 && BN_is_one(e) == 0 && BN_cmp(e, n) < 0;
}

/* NULL: it was none, and false. */
static bool write_pem(EVP_PKEY *key, struct buffer *pem)
{
    char *data = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio != NULL && key != NULL && PEM_write_bio_PUBKEY(bio, key) == 1;
    long length = written ? BIO_get_mem_data(bio, &data) : 0;
    written = length > 0 && buffer_append(pem, data, (size_t)length) == PROTOCOL_OK;
    BIO_free(bio);
    ERR_clear_error(); /* of this thread: nobody else's to find */
    return written;
}

bool jwk_rsa_pem(struct bytes modulus, struct bytes exponent, struct buffer *pem)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.length, NULL);
    BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.length, NULL);
    OSSL_PARAM *params = NULL;
    if (builder != NULL && n != NULL && e != NULL && is_rsa(n, e) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        params = OSSL_PARAM_BLD_to_param(builder);
    }
    EVP_PKEY *key = make("RSA", params);
    bool written = write_pem(key, pem);
    EVP_PKEY_free(key);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return written;
}

bool jwk_p256_pem(struct bytes x, struct bytes y, struct buffer *pem)
{
    static char group[] = "prime256v1";
    uint8_t point[POINT_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    if (x.length != COORDINATE_BYTES || y.length != COORDINATE_BYTES) {
        return false;
    }
    memcpy(point + 1, x.data, COORDINATE_BYTES);
    memcpy(point + 1 + COORDINATE_BYTES, y.data, COORDINATE_BYTES);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = make("EC", params);
    bool written = write_pem(is_on_curve(key) ? key : NULL, pem);
    EVP_PKEY_free(key);
    return written;
}
