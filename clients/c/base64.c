#include "clients/c/base64.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_encode(struct bytes bytes, struct buffer *text)
{
    for (size_t i = 0; i < bytes.length; i += 3) {
        size_t count = bytes.length - i < 3 ? bytes.length - i : 3;
        uint32_t bits = 0;
        char group[4];
        for (size_t k = 0; k < 3; k++) {
            bits = bits << 8 | (k < count ? bytes.data[i + k] : 0U);
        }
        for (size_t k = 0; k < 4; k++) {
            group[k] = k <= count ? letters[bits >> (18 - 6 * k) & 63] : '=';
        }
        if (buffer_append(text, group, sizeof group) != PROTOCOL_OK) {
            return false;
        }
    }
    return true;
}

/* 64: none. */
static uint32_t value_of(uint8_t letter)
{
    const char *at = letter == '\0' ? NULL : strchr(letters, letter);
    return at == NULL ? 64 : (uint32_t)(at - letters);
}

/* How many bytes the group stands for; 0: none. */
static size_t decode_group(const uint8_t *group, bool last, uint8_t bytes[3])
{
    size_t count = 4;
    uint32_t bits = 0;
    while (last && count > 2 && group[count - 1] == '=') {
        count--;
    }
    for (size_t k = 0; k < 4; k++) {
        uint32_t value = k < count ? value_of(group[k]) : 0;
        if (value > 63) {
            return 0;
        }
        bits = bits << 6 | value;
    }
    for (size_t k = 0; k < 3; k++) {
        bytes[k] = (uint8_t)(bits >> (16 - 8 * k));
    }
    return count - 1;
}

bool base64_decode(struct bytes text, struct buffer *bytes)
{
    if (text.length % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.length; i += 4) {
        uint8_t group[3];
        size_t length = decode_group(text.data + i, i + 4 == text.length, group);
        if (length == 0 || buffer_append(bytes, group, length) != PROTOCOL_OK) {
            return false;
        }
    }
    return true;
}
