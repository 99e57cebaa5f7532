#include "crdt/context.h"

uint64_t crdt_context_seq(const struct crdt_context *context, crdt_replica_id replica)
{
    size_t low = 0;
    size_t high = context->length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (context->seen[middle].replica < replica) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < context->length && context->seen[low].replica == replica;
    return found ? context->seen[low].seq : 0;
}

bool crdt_context_covers(const struct crdt_context *context, const struct crdt_dot *dot)
{
    return dot->position <= context->position ||
           dot->seq <= crdt_context_seq(context, dot->replica);
}

bool crdt_update_covers(const struct crdt_update *update, const struct crdt_dot *dot)
{
    if (dot->replica == update->replica && dot->seq < update->first) {
        return true;
    }
    return crdt_context_covers(&update->context, dot);
}
