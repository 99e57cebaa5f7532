#include "tests/bench/load/yjs.h"

#include "tests/bench/load/fail.h"

enum { COLLECTED = 0, DELETED = 1, VALUES = 8 };
enum { KIND = 31, NAMES_KEY = 32, HAS_RIGHT = 64, HAS_LEFT = 128 };
enum { TEXT = 119, INTEGER = 125 };

static uint8_t take_byte(struct bytes *left)
{
    if (left->length == 0) {
        fail("an update of Yjs ends too early");
    }
    left->length--;
    return *left->data++;
}

/* Seven bits a byte, the lowest first. */
static uint64_t take_number(struct bytes *left)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(left);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return value;
        }
    }
    fail("an update of Yjs holds a number that is too long");
}

static void skip_text(struct bytes *left)
{
    uint64_t length = take_number(left);
    if (length > left->length) {
        fail("an update of Yjs ends within a text");
    }
    left->data += length;
    left->length -= length;
}

static void skip_id(struct bytes *left)
{
    (void)take_number(left);
    (void)take_number(left);
}

/* Where the item stands: behind another, before another, or by the names of its map and key. */
static void skip_place(struct bytes *left, unsigned info)
{
    if ((info & HAS_LEFT) != 0) {
        skip_id(left);
    }
    if ((info & HAS_RIGHT) != 0) {
        skip_id(left);
    }
    if ((info & (HAS_LEFT | HAS_RIGHT)) != 0) {
        return;
    }
    if (take_number(left) != 1) {
        fail("an update of Yjs holds what is in no map");
    }
    skip_text(left);
    if ((info & NAMES_KEY) != 0) {
        skip_text(left);
    }
}

static uint64_t skip_values(struct bytes *left)
{
    uint64_t count = take_number(left);
    for (uint64_t i = 0; i < count; i++) {
        switch (take_byte(left)) {
        case TEXT:
            skip_text(left);
            break;
        case INTEGER:
            (void)take_number(left);
            break;
        default:
            fail("an update of Yjs holds a value of another kind");
        }
    }
    return count;
}

/* How many of its writer's edits one struct stands for. */
static uint64_t take_struct(struct bytes *left)
{
    unsigned info = take_byte(left);
    if ((info & KIND) == COLLECTED) {
        return take_number(left);
    }
    skip_place(left, info);
    switch (info & KIND) {
    case DELETED:
        return take_number(left);
    case VALUES:
        return skip_values(left);
    default:
        fail("an update of Yjs holds a struct of another kind");
    }
}

uint64_t yjs_count_edits(struct bytes update)
{
    (void)take_number(&update);
    uint64_t edits = 0;
    for (uint64_t blocks = take_number(&update); blocks > 0; blocks--) {
        uint64_t structs = take_number(&update);
        skip_id(&update); /* client and clock */
        for (; structs > 0; structs--) {
            edits += take_struct(&update);
        }
    }
    return edits;
}
