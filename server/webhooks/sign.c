#include "server/webhooks/sign.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

enum { HASH_BYTES = 32, ID_HASH_BYTES = 16 };

static const char prefix[] = "whsec_";

/* OpenSSL counts what pads the last three bytes. */
static bool parse_one(const char *text, size_t length, struct webhook_secret *secret)
{
    uint8_t decoded[WEBHOOK_SECRET_BYTES_MAX + 3];
    size_t skip = sizeof prefix - 1;
    if (length <= skip || strncmp(text, prefix, skip) != 0 || (length - skip) % 4 != 0 ||
        (length - skip) / 4 * 3 > sizeof decoded) {
        return false;
    }
    size_t padding = (size_t)(text[length - 1] == '=') + (size_t)(text[length - 2] == '=');
    int bytes = EVP_DecodeBlock(decoded, (const uint8_t *)text + skip, (int)(length - skip));
    if (bytes < 0 || (size_t)bytes < padding + WEBHOOK_SECRET_BYTES_MIN ||
        (size_t)bytes - padding > WEBHOOK_SECRET_BYTES_MAX) {
        return false;
    }
    secret->length = (size_t)bytes - padding;
    memcpy(secret->bytes, decoded, secret->length);
    return true;
}

bool webhook_secrets_parse(struct bytes text, struct webhook_secrets *secrets)
{
    char copy[WEBHOOK_SECRET_TEXT_BYTES];
    *secrets = (struct webhook_secrets){.length = 0};
    if (text.length >= sizeof copy || memchr(text.data, 0, text.length) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    char *rest = copy;
    for (char *word; (word = strtok_r(rest, " \t\r\n", &rest)) != NULL;) {
        if (secrets->length == WEBHOOK_SECRETS_MAX ||
            !parse_one(word, strlen(word), &secrets->items[secrets->length])) {
            return false;
        }
        secrets->length++;
    }
    return secrets->length > 0;
}

bool webhook_sign(const struct webhook_secret *secret, const struct webhook_message *message,
                  char signature[WEBHOOK_SIGNATURE_BYTES])
{
    char head[WEBHOOK_ID_BYTES + 24];
    uint8_t hash[EVP_MAX_MD_SIZE];
    size_t length = 0;
    (void)snprintf(head, sizeof head, "%s.%" PRIu64 ".", message->id, message->timestamp);
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = algorithm == NULL ? NULL : EVP_MAC_CTX_new(algorithm);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                     OSSL_PARAM_construct_end()};
    bool good = mac != NULL && EVP_MAC_init(mac, secret->bytes, secret->length, parameters) == 1 &&
                EVP_MAC_update(mac, (const uint8_t *)head, strlen(head)) == 1 &&
                EVP_MAC_update(mac, message->body.data, message->body.length) == 1 &&
                EVP_MAC_final(mac, hash, &length, sizeof hash) == 1 && length == HASH_BYTES;
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(algorithm);
    if (good) {
        static const char version[] = "v1,";
        memcpy(signature, version, sizeof version);
        (void)EVP_EncodeBlock((uint8_t *)signature + sizeof version - 1, hash, HASH_BYTES);
    }
    return good;
}

bool webhook_id(struct bytes journal, const char *target, struct bytes document,
                const uint64_t positions[2], char id[WEBHOOK_ID_BYTES])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char numbers[48];
    (void)snprintf(numbers, sizeof numbers, "%" PRIu64 ".%" PRIu64, positions[0], positions[1]);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, journal.data, journal.length) == 1 &&
                EVP_DigestUpdate(digest, target, strlen(target) + 1) == 1 &&
                EVP_DigestUpdate(digest, document.data, document.length) == 1 &&
                EVP_DigestUpdate(digest, "", 1) == 1 &&
                EVP_DigestUpdate(digest, numbers, strlen(numbers)) == 1 &&
                EVP_DigestFinal_ex(digest, hash, NULL) == 1;
    EVP_MD_CTX_free(digest);
    if (good) {
        (void)snprintf(id, WEBHOOK_ID_BYTES, "msg_");
        for (size_t i = 0; i < ID_HASH_BYTES; i++) {
            (void)snprintf(id + 4 + 2 * i, 3, "%02x", hash[i]);
        }
    }
    return good;
}
