#include "tests/crdt/replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/bounded.h"

static void require(bool good)
{
    if (!good) {
        (void)fputs("replicas: out of memory, or a test's own mistake\n", stderr);
        abort();
    }
}

static struct crdt_context context_of(const struct crdt_seen *seen, size_t length)
{
    return (struct crdt_context){.seen = seen, .length = length};
}

void replicas_init(struct replicas *replicas, struct declaration *declared, size_t length)
{
    *replicas = (struct replicas){.length = length, .declared = *declared};
    *declared = (struct declaration){0};
    for (size_t i = 0; i < length; i++) {
        struct replica *replica = &replicas->replica[i];
        replica->field = replicas->declared.crdt.type->create(&replicas->declared.crdt, i);
        require(replica->field != NULL);
        for (size_t k = 0; k < length; k++) {
            replica->seen[k].replica = (crdt_replica_id)k;
        }
    }
}

void replicas_finish(struct replicas *replicas)
{
    const struct crdt_type *type = replicas->declared.crdt.type;
    for (size_t i = 0; i < replicas->length; i++) {
        type->destroy(replicas->replica[i].field);
    }
    for (size_t i = 0; i < replicas->delta_count; i++) {
        type->change_destroy(replicas->deltas[i].change);
    }
    declaration_finish(&replicas->declared);
}

static struct crdt_update update_of(struct replicas *replicas, const struct replica_delta *delta)
{
    return (struct crdt_update){.first = delta->first,
                                .last = delta->last,
                                .position = ++replicas->step,
                                .context = context_of(delta->seen, replicas->length),
                                .replica = delta->replica};
}

static void apply(struct replicas *replicas, struct replica *replica,
                  const struct replica_delta *delta)
{
    struct crdt_update update = update_of(replicas, delta);
    replica->seen[delta->replica].seq = delta->last;
    struct crdt_entry *entry = &replica->entries[delta->replica];
    if (crdt_field_check(replica->field, entry, delta->change, &update) != CRDT_OK) {
        crdt_entry_spend(entry, delta->change); /* rejected alone */
        return;
    }
    require(replica->field->type->apply(replica->field, &replica->entries[delta->replica],
                                        delta->change, &update) == CRDT_OK);
    replica->seen[delta->replica].seq = delta->last;
}

size_t replicas_edit(struct replicas *replicas, size_t at, const struct edit *edit, uint64_t now_ms)
{
    struct replica *replica = &replicas->replica[at];
    require(replicas->delta_count < DELTAS_MAX);
    struct replica_delta *delta = &replicas->deltas[replicas->delta_count];
    struct crdt_entry entry = replica->entries[at];
    const struct crdt_type *type = replica->field->type;
    delta->change = type->change_create(type);
    delta->replica = (crdt_replica_id)at;
    delta->first = replica->seen[at].seq + 1;
    delta->last = delta->first;
    memcpy(delta->seen, replica->seen, sizeof delta->seen);
    struct edit_place place = {.declared = &replicas->declared,
                               .view = replica->field,
                               .lease = {(const uint8_t *)"lease", 5},
                               .change = delta->change,
                               .entry = &entry};
    if (!edit_apply(edit, &place)) {
        (void)fprintf(stderr, "replicas: no edit %s %s\n", edit->verb,
                      edit->length == 0 ? "" : edit->values[edit->length - 1]);
        abort();
    }
    require(delta->change != NULL &&
            crdt_change_stamp(delta->change, replica->field, now_ms) == CRDT_OK);
    struct crdt_update update = update_of(replicas, delta);
    if (crdt_field_check(replica->field, &replica->entries[at], delta->change, &update) !=
        CRDT_OK) {
        type->change_destroy(delta->change);
        return SIZE_MAX;
    }
    apply(replicas, replica, delta);
    return replicas->delta_count++;
}

/* The hub's rule: the next of its replica, and nothing it had seen is missing. */
static bool is_next(const struct replicas *replicas, const struct replica *replica,
                    const struct replica_delta *delta)
{
    bool next = delta->first == replica->seen[delta->replica].seq + 1;
    for (size_t i = 0; i < replicas->length; i++) {
        next = next && (i == delta->replica || delta->seen[i].seq <= replica->seen[i].seq);
    }
    return next;
}

static bool deliver_waiting(struct replicas *replicas, struct replica *replica)
{
    for (size_t i = 0; i < replicas->delta_count; i++) {
        const struct replica_delta *delta = &replicas->deltas[i];
        if (!replica->waiting[i]) {
            continue;
        }
        if (delta->last <= replica->seen[delta->replica].seq) {
            replica->waiting[i] = false;
        } else if (is_next(replicas, replica, delta)) {
            replica->waiting[i] = false;
            apply(replicas, replica, delta);
            return true;
        }
    }
    return false;
}

void replicas_deliver(struct replicas *replicas, size_t delta, size_t to)
{
    struct replica *replica = &replicas->replica[to];
    replica->waiting[delta] = true;
    while (deliver_waiting(replicas, replica)) {
    }
}

static struct crdt_entry *entry_of(void *context, crdt_replica_id replica)
{
    return &((struct replica *)context)->entries[replica];
}

/* A counter's full state names every replica's entry; a set's is the set. */
static struct crdt_field *state_of(const struct replicas *replicas, const struct replica *replica)
{
    const struct crdt_type *type = replica->field->type;
    struct crdt_field *state = type->copy(replica->field);
    bool counter = type == &crdt_gcounter || type == &crdt_pncounter || type == &crdt_bounded;
    require(state != NULL);
    for (size_t i = 0; counter && i < replicas->length; i++) {
        require(crdt_counter_put_entry((struct crdt_counter *)state, (crdt_replica_id)i,
                                       replica->entries[i]) == CRDT_OK);
    }
    return state;
}

void replicas_merge(struct replicas *replicas, size_t from, size_t into)
{
    const struct replica *source = &replicas->replica[from];
    struct replica *target = &replicas->replica[into];
    struct crdt_seen before[REPLICAS_MAX];
    memcpy(before, target->seen, sizeof before);
    struct crdt_join join = {.source = context_of(source->seen, replicas->length),
                             .target = context_of(before, replicas->length),
                             .position = ++replicas->step,
                             .entry_of = entry_of,
                             .context = target};
    struct crdt_field *state = state_of(replicas, source);
    require(target->field->type->join(target->field, state, &join) == CRDT_OK);
    state->type->destroy(state);
    for (size_t i = 0; i < replicas->length; i++) {
        uint64_t seq = source->seen[i].seq;
        target->seen[i].seq = seq > target->seen[i].seq ? seq : target->seen[i].seq;
    }
    while (deliver_waiting(replicas, target)) {
    }
}

char *replicas_value(const struct replicas *replicas, size_t at)
{
    struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    struct writer writer = writer_to(&text);
    replicas->declared.codec->write_json(&writer, replicas->replica[at].field);
    write_raw(&writer, (struct bytes){(const uint8_t *)"", 1});
    require(writer.status == PROTOCOL_OK);
    return (char *)text.data;
}
