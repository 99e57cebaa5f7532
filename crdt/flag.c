#include "crdt/flag.h"

static const uint8_t entries[] = {CRDT_FLAG_DISABLED, CRDT_FLAG_ENABLED};

static struct bytes entry_of(bool enabled) { return (struct bytes){&entries[enabled ? 1 : 0], 1}; }

enum crdt_status crdt_flag_set(struct crdt_orset_change *change, bool enabled)
{
    crdt_orset_clear(change);
    return crdt_orset_add(change, entry_of(enabled));
}

bool crdt_flag_value(const struct crdt_field *field)
{
    const struct crdt_orset *flag = (const struct crdt_orset *)field;
    bool disabled = crdt_orset_contains(flag, entry_of(false));
    return crdt_orset_contains(flag, entry_of(true)) && !(flag->disable_wins && disabled);
}

const struct crdt_type crdt_flag = {
    .name = "flag",
    CRDT_ORSET_OPERATIONS,
    .apply = crdt_orset_apply_whole,
    .remove = crdt_orset_remove_seen_whole,
    .join = crdt_orset_join_whole,
};
