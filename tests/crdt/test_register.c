/* Goal: an lww-register's clocks do what crdt/register.h says. Method: examples. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "crdt/register.h"

static struct crdt_change *change_of(uint8_t value, struct crdt_clock clock)
{
    struct crdt_change *change = crdt_lww_register.change_create(&crdt_lww_register);
    struct crdt_orset_change *set = (struct crdt_orset_change *)change;
    cr_assert(eq(int, crdt_lww_register_set(set, clock, (struct bytes){&value, 1}), CRDT_OK));
    return change;
}

/* As the next update of replica 1. */
static void apply(struct crdt_field *field, struct crdt_change *change, uint64_t seq)
{
    struct crdt_update update = {
        .first = seq, .last = seq, .position = seq, .ordered = true, .replica = 1};
    cr_assert(eq(int, crdt_lww_register.apply(field, NULL, change, &update), CRDT_OK));
    crdt_lww_register.change_destroy(change);
}

Test(lww_register, a_set_after_the_greatest_count_of_a_millisecond_wins)
{
    struct crdt_declaration declared = {.type = &crdt_lww_register};
    struct crdt_field *field = crdt_lww_register.create(&declared, 0);
    apply(field, change_of(1, (struct crdt_clock){.ms = 1000, .count = UINT32_MAX}), 1);
    struct crdt_change *later = change_of(2, (struct crdt_clock){0});
    cr_assert(eq(int, crdt_change_stamp(later, field, 1000), CRDT_OK));
    apply(field, later, 2);
    struct bytes value = crdt_lww_register_value(field);
    cr_assert(eq(sz, value.length, 1));
    cr_assert(eq(u8, value.data[0], 2));
    crdt_lww_register.destroy(field);
}
