/* The way out of a step: effects, and the arena that holds their bytes. */
#include "server/hub/effects.h"

#include <stdlib.h>

#include "protocol/rows.h"
#include "server/hub/state.h"

void hub_fail(struct hub *hub, enum hub_status status)
{
    if (hub->status == HUB_OK) {
        hub->status = status;
    }
}

struct hub_effect *effect_add(struct hub *hub, enum hub_effect_kind kind)
{
    /* After a failure the step's effects are void, so the last one may be written over. */
    static const size_t spare = 1;
    if (hub->effect_count + spare > hub->effect_capacity) {
        size_t capacity = hub->effect_capacity * 2;
        struct hub_effect *grown = realloc(hub->effects, capacity * sizeof *grown);
        if (grown == NULL) {
            hub_fail(hub, HUB_NO_MEMORY);
            hub->effect_count--;
        } else {
            hub->effects = grown;
            hub->effect_capacity = capacity;
        }
    }
    struct hub_effect *effect = &hub->effects[hub->effect_count++];
    *effect = (struct hub_effect){.kind = kind};
    return effect;
}

/* Until the step ends, an effect's `data` is an offset into the arena: the arena may move while it
 * grows. */
static void set_offset(struct hub_effect *effect, size_t start, size_t length)
{
    effect->bytes.data = (const uint8_t *)(uintptr_t)(start + 1);
    effect->bytes.length = length;
}

struct writer effect_begin(struct hub *hub, size_t *start)
{
    static const uint8_t headroom[HUB_HEADROOM];
    struct writer writer = writer_to(&hub->arena);
    write_raw(&writer, (struct bytes){headroom, sizeof headroom});
    *start = hub->arena.length;
    return writer;
}

void effect_end(struct hub *hub, struct writer *writer, size_t start, struct hub_effect *effect)
{
    if (writer->status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    set_offset(effect, start, hub->arena.length - start);
}

void effect_bytes(struct hub *hub, struct hub_effect *effect, struct bytes bytes)
{
    size_t start;
    struct writer writer = effect_begin(hub, &start);
    write_raw(&writer, bytes);
    effect_end(hub, &writer, start, effect);
}

struct hub_effect *effect_load(struct hub *hub, const struct row_request *rows)
{
    struct hub_effect *effect = effect_add(hub, EFFECT_LOAD);
    size_t start;
    struct writer writer = effect_begin(hub, &start);
    row_request_write(&writer, rows);
    effect_end(hub, &writer, start, effect);
    return effect;
}

void effects_clear(struct hub *hub)
{
    hub->effect_count = 0;
    hub->note_count = 0;
    buffer_clear(&hub->arena);
}

void effects_finish(struct hub *hub, struct hub_effects *effects)
{
    for (size_t i = 0; i < hub->effect_count; i++) {
        struct hub_effect *effect = &hub->effects[i];
        if (effect->bytes.data != NULL) {
            effect->bytes.data = hub->arena.data + ((uintptr_t)effect->bytes.data - 1);
        }
    }
    for (size_t i = 0; i < hub->note_count; i++) {
        struct hub_note *note = &hub->notes[i];
        if (note->document.data != NULL) {
            note->document.data = hub->arena.data + ((uintptr_t)note->document.data - 1);
        }
    }
    effects->notes = hub->notes;
    effects->note_count = hub->note_count;
    effects->items = hub->effects;
    effects->length = hub->effect_count;
}
