/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key of the same principal
 * counts once. Its row is durable before the update, and names the replica that the update goes
 * under: from then on the ledger tells whether it has counted, whoever tries it again, and after
 * whatever crash.
 */
#include <openssl/sha.h>
#include <string.h>

#include "protocol/writer.h"
#include "server/api/state.h"
#include "server/storage/storage.h"

_Static_assert(LIMIT_DIGEST_BYTES == SHA256_DIGEST_LENGTH, "SHA-256");

/* A structured field's string is quoted (RFC 8941); most senders leave the quotes out. */
static bool take_text(struct bytes header, char key[LIMIT_IDEMPOTENCY_KEY_BYTES + 1])
{
    bool quoted =
        header.length >= 2 && header.data[0] == '"' && header.data[header.length - 1] == '"';
    if (quoted) {
        header = (struct bytes){header.data + 1, header.length - 2};
    }
    if (header.length == 0 || header.length > LIMIT_IDEMPOTENCY_KEY_BYTES) {
        return false;
    }
    for (size_t i = 0; i < header.length; i++) {
        uint8_t byte = header.data[i];
        if (byte <= ' ' || byte > '~' || byte == '"' || byte == '\\') {
            return false;
        }
    }
    memcpy(key, header.data, header.length);
    key[header.length] = '\0';
    return true;
}

static void digest_part(struct buffer *text, struct bytes part, bool *good)
{
    uint64_t length = part.length;
    *good = *good && buffer_append(text, &length, sizeof length) == PROTOCOL_OK &&
            buffer_append(text, part.data, part.length) == PROTOCOL_OK;
}

/* Of method, path, query and body, each behind its length. */
static bool take_digest(struct errand *errand, const struct net_request *request)
{
    struct buffer text;
    bool good = true;
    buffer_init(&text, SIZE_MAX / 2);
    digest_part(&text, request->method, &good);
    digest_part(&text, request->path, &good);
    digest_part(&text, request->query, &good);
    digest_part(&text, request->body, &good);
    good = good && SHA256(text.data, text.length, errand->digest) != NULL;
    buffer_finish(&text);
    return good;
}

/* OpenSSL makes itself ready at its first use, and for lack of memory then never would again. */
bool key_prepare(void)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    return SHA256((const uint8_t *)"", 0, digest) != NULL;
}

enum api_problem key_take(struct errand *errand, const struct net_request *request)
{
    if (request->idempotency_key.length == 0) {
        return PROBLEM_NONE;
    }
    if (!take_text(request->idempotency_key, errand->key)) {
        return PROBLEM_BAD_KEY;
    }
    return take_digest(errand, request) ? PROBLEM_NONE : PROBLEM_NO_MEMORY;
}

static bool is_under_way(const struct errand *errand)
{
    const struct table *table = &errand->api->by_connection;
    for (uint32_t i = 0; i < table->length; i++) {
        const struct errand *other = table->places[i].item;
        if (other != errand && !other->over && other->stage >= STAGE_CLAIM &&
            other->stage <= STAGE_RESULT && strcmp(other->key, errand->key) == 0 &&
            strcmp(other->principal, errand->principal) == 0) {
            return true;
        }
    }
    return false;
}

void key_claim(struct errand *errand)
{
    const struct api_config *config = &errand->api->config;
    uint64_t now_ms = config->now_ms(config->context);
    struct buffer buffer;
    if (is_under_way(errand)) {
        errand_refuse(errand, PROBLEM_KEY_IN_USE, NULL);
        return;
    }
    errand->stage = STAGE_CLAIM;
    buffer_init(&buffer, LIMIT_MESSAGE_BYTES);
    struct writer writer = writer_to(&buffer);
    write_array(&writer, 7);
    write_bin(&writer, bytes_of_text(errand->principal));
    write_bin(&writer, bytes_of_text(errand->key));
    write_bin(&writer, (struct bytes){errand->digest, sizeof errand->digest});
    write_bin(&writer, replica_id_bytes(&errand->replica));
    write_uint(&writer, now_ms);
    write_uint(&writer, now_ms > config->bounds.key_ms ? now_ms - config->bounds.key_ms : 0);
    write_uint(&writer, config->bounds.principal_keys);
    if (writer.status != PROTOCOL_OK ||
        !config->claim(config->context, errand->connection, buffer_bytes(&buffer))) {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    buffer_finish(&buffer);
}

void key_claimed(struct errand *errand, struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    (void)read_tuple(&reader, 2);
    enum storage_claim verdict = (enum storage_claim)read_uint(&reader);
    struct replica_id replica;
    if (errand->stage != STAGE_CLAIM) {
        return;
    }
    if (!replica_id_from_bytes(read_bin(&reader, REPLICA_BYTES), &replica)) {
        errand_refuse(errand, PROBLEM_UNAVAILABLE, "The key could not be written.");
        return;
    }
    switch (verdict) {
    case CLAIM_KNOWN:
    case CLAIM_NEW:
        errand->replica = replica;
        errand_open(errand);
        return;
    case CLAIM_OTHER:
        errand_refuse(errand, PROBLEM_KEY_REUSED, NULL);
        return;
    case CLAIM_FULL:
        errand_refuse(errand, PROBLEM_TOO_MANY_KEYS, NULL);
        return;
    }
}
