#include "server/config_values.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    enum config_unit unit;
    const char *name;
    uint64_t factor;
};

/* Descending within a kind: the first that divides a number is the one to write it in. */
static const struct unit units[] = {
    {UNIT_SIZE, "GiB", (uint64_t)1 << 30},
    {UNIT_SIZE, "MiB", (uint64_t)1 << 20},
    {UNIT_SIZE, "KiB", (uint64_t)1 << 10},
    {UNIT_TIME, "d", (uint64_t)24 * 60 * 60 * 1000},
    {UNIT_TIME, "h", (uint64_t)60 * 60 * 1000},
    {UNIT_TIME, "m", (uint64_t)60 * 1000},
    {UNIT_TIME, "s", 1000},
};

enum { UNITS = sizeof units / sizeof *units };

static bool text_is(struct bytes text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.data, expected, text.length) == 0;
}

static struct bytes text_from(struct bytes text, size_t start)
{
    return (struct bytes){text.data + start, text.length - start};
}

/* The length of the digits at the start; 0: none, or too many. */
static size_t read_digits(struct bytes text, uint64_t *number)
{
    size_t i = 0;
    *number = 0;
    while (i < text.length && text.data[i] >= '0' && text.data[i] <= '9') {
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (*number > (UINT64_MAX - digit) / 10) {
            return 0;
        }
        *number = *number * 10 + digit;
        i++;
    }
    return i;
}

static bool factor_of(struct bytes name, enum config_unit unit, uint64_t *factor)
{
    if (name.length == 0 && unit != UNIT_TIME) {
        *factor = 1;
        return true;
    }
    for (size_t i = 0; i < UNITS; i++) {
        if (units[i].unit == unit && text_is(name, units[i].name)) {
            *factor = units[i].factor;
            return true;
        }
    }
    return false;
}

bool config_number_parse(struct bytes text, enum config_unit unit, uint64_t *number)
{
    uint64_t digits = 0;
    uint64_t factor = 0;
    size_t end = read_digits(text, &digits);
    if (end == 0) {
        return false;
    }
    if (end + 1 < text.length && text.data[end] == ' ') {
        end++;
    }
    if (!factor_of(text_from(text, end), unit, &factor) || digits > UINT64_MAX / factor) {
        return false;
    }
    *number = digits * factor;
    return true;
}

struct config_number_text config_number_format(uint64_t number, enum config_unit unit)
{
    struct config_number_text result;
    for (size_t i = 0; i < UNITS; i++) {
        if (units[i].unit == unit && number > 0 && number % units[i].factor == 0) {
            (void)snprintf(result.text, sizeof result.text, "%" PRIu64 "%s%s",
                           number / units[i].factor, unit == UNIT_SIZE ? " " : "", units[i].name);
            return result;
        }
    }
    (void)snprintf(result.text, sizeof result.text, "%" PRIu64, number);
    return result;
}

static bool port_parse(struct bytes text, uint16_t *port)
{
    uint64_t number = 0;
    if (read_digits(text, &number) != text.length || text.length == 0 || number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)number;
    return true;
}

/* Where the port starts, behind the last colon; 0: nowhere. */
static size_t port_start(struct bytes text)
{
    size_t i = text.length;
    while (i > 0 && text.data[i - 1] != ':') {
        i--;
    }
    return i;
}

bool config_address_parse(struct bytes text, struct config_address *address)
{
    struct config_address parsed = {0};
    size_t start = port_start(text);
    if (start < 2 || !port_parse(text_from(text, start), &parsed.port)) {
        return false;
    }
    struct bytes host = {text.data, start - 1};
    bool brackets = host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
    if (brackets) {
        host = (struct bytes){host.data + 1, host.length - 2};
    }
    if (host.length >= sizeof parsed.host) {
        return false;
    }
    memcpy(parsed.host, host.data, host.length);
    uint8_t binary[sizeof(struct in6_addr)];
    if (inet_pton(brackets ? AF_INET6 : AF_INET, parsed.host, binary) != 1) {
        return false;
    }
    *address = parsed;
    return true;
}

bool config_address_is_loopback(const struct config_address *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address->host, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return inet_pton(AF_INET6, address->host, &six) == 1 &&
           (IN6_IS_ADDR_LOOPBACK(&six) ||
            (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == IN_LOOPBACKNET));
}

char *config_text_copy(struct bytes text)
{
    char *copy = malloc(text.length + 1);
    if (copy != NULL) {
        memcpy(copy, text.data, text.length);
        copy[text.length] = '\0';
    }
    return copy;
}

/* Lower case without a path, since browsers send it so and it is compared byte by byte. */
bool config_origin_valid(struct bytes text)
{
    if (text_is(text, "*")) {
        return true;
    }
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-:[]";
    size_t start = 0;
    if (text.length > 8 && memcmp(text.data, "https://", 8) == 0) {
        start = 8;
    } else if (text.length > 7 && memcmp(text.data, "http://", 7) == 0) {
        start = 7;
    }
    for (size_t i = start; i < text.length; i++) {
        if (memchr(allowed, text.data[i], sizeof allowed - 1) == NULL) {
            return false;
        }
    }
    return start > 0;
}
