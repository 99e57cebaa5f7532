/* The written forms of single values: pure, and without YAML. */
#ifndef SERVER_CONFIG_VALUES_H
#define SERVER_CONFIG_VALUES_H

#include "crdt/bytes.h"
#include "server/config.h"

/* What comes of writing a number with or without a unit. */
enum config_unit {
    UNIT_NONE, /* 20000 */
    UNIT_SIZE, /* in bytes: 65536, 64 KiB, 1MiB, 2 GiB */
    UNIT_TIME  /* in milliseconds: 30s, 5m, 12h, 90d; never without a unit */
};

/* False: not of this form, or beyond UINT64_MAX. */
bool config_number_parse(struct bytes text, enum config_unit unit, uint64_t *number);

struct config_number_text {
    char text[32];
};

/* In the greatest unit that leaves no rest: `1 MiB`, `90d`, `20000`. */
struct config_number_text config_number_format(uint64_t number, enum config_unit unit);

/* `127.0.0.1:7962` or `[::1]:7962`: numeric, since what a name stands for may change. */
bool config_address_parse(struct bytes text, struct config_address *address);

/* 127.0.0.0/8, ::1, and the former as IPv6 writes it. */
bool config_address_is_loopback(const struct config_address *address);

/* With a NUL behind it, for the caller to free; NULL: no memory. */
char *config_text_copy(struct bytes text);

/* What a browser sends as Origin: `https://example.com`, `http://localhost:8080`; `*`: any. */
bool config_origin_valid(struct bytes text);

#endif
