#include "crdt/gset.h"

static bool keeps(struct bytes element)
{
    (void)element;
    return true;
}

static enum crdt_status join(struct crdt_field *field, const struct crdt_field *state,
                             const struct crdt_join *join)
{
    bool nested = ((const struct crdt_orset *)field)->nested;
    return crdt_orset_join_keeping(field, state, join, nested ? NULL : keeps);
}

const struct crdt_type crdt_gset = {
    .name = "g-set",
    CRDT_ORSET_OPERATIONS,
    .apply = crdt_orset_apply,
    .remove = crdt_orset_remove_seen,
    .join = join,
    .trim = crdt_orset_trim,
    .erase = crdt_orset_erase,
};
