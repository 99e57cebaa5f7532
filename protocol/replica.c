#include "protocol/replica.h"

#include <string.h>

struct replica_id replica_id_make(uint64_t now_ms, const uint8_t random[REPLICA_BYTES])
{
    struct replica_id id;
    memcpy(id.bytes, random, REPLICA_BYTES);
    for (size_t i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    }
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

bool replica_id_from_bytes(struct bytes bytes, struct replica_id *id)
{
    if (bytes.length != REPLICA_BYTES || bytes.data[6] >> 4 != 7 || bytes.data[8] >> 6 != 2) {
        return false;
    }
    memcpy(id->bytes, bytes.data, REPLICA_BYTES);
    return true;
}

uint64_t replica_id_time_ms(const struct replica_id *id)
{
    uint64_t time_ms = 0;
    for (size_t i = 0; i < 6; i++) {
        time_ms = time_ms << 8 | id->bytes[i];
    }
    return time_ms;
}

bool replica_id_equal(const struct replica_id *a, const struct replica_id *b)
{
    return memcmp(a->bytes, b->bytes, REPLICA_BYTES) == 0;
}

struct bytes replica_id_bytes(const struct replica_id *id)
{
    return (struct bytes){id->bytes, REPLICA_BYTES};
}

void replica_id_format(const struct replica_id *id, char text[37])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < REPLICA_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = digits[id->bytes[i] >> 4];
        text[at++] = digits[id->bytes[i] & 0x0f];
    }
    text[at] = '\0';
}
