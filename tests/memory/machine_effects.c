/* What the hub wants done, and what it is told, one after the other. */
#include <stdlib.h>
#include <string.h>

#include "server/hub/access.h"
#include "tests/memory/failing.h"
#include "tests/memory/machine_parts.h"

enum { VALUES_BYTES = 4096 };

static const uint8_t nil[] = {0xc0};

struct machine_event {
    struct machine_event *next;
    struct hub_event event;
    uint8_t bytes[];
};

static struct machine_line *line_of(struct machine *machine, uint64_t connection)
{
    for (size_t i = 0; i < MACHINE_LINES; i++) {
        if (machine->lines[i].connection == connection && machine->lines[i].hub_is_there) {
            return &machine->lines[i];
        }
    }
    return NULL;
}

static void send(struct machine *machine, struct machine_line *line,
                 const struct hub_effect *effect)
{
    if (line->blocked || line->closing) {
        machine_violation(machine, "the hub sends to a line that takes no more");
    }
    machine_push(&line->to_client, effect->bytes);
    if (line->to_client.length > MACHINE_SOCKET_BYTES) {
        line->blocked = true;
        machine_step(machine,
                     (struct hub_event){.kind = EVENT_BLOCKED, .connection = line->connection});
    }
}

/* A token is its principal's name; that of an operator begins with "admin". */
static void verify(struct machine *machine, const struct hub_effect *effect)
{
    static const uint8_t everything[] = {0x93, 0xa0, 0xc3, ACCESS_USE}; /* a grant to all names */
    machine_step(machine, (struct hub_event){.kind = EVENT_VERIFIED,
                                             .connection = effect->connection,
                                             .request = effect->request,
                                             .bytes = effect->bytes,
                                             .verdict = VERDICT_ACCEPTED,
                                             .grants = {everything, sizeof everything},
                                             .expires_ms = UINT64_MAX,
                                             .admin = effect->bytes.length >= 5 &&
                                                      memcmp(effect->bytes.data, "admin", 5) == 0});
}

static bool ask(struct machine *machine, const struct hub_effect *effect)
{
    bool asked = true;
    enum failing_room left = failing_enter(ROOM_STORAGE);
    if (effect->kind == EFFECT_APPEND) {
        asked = storage_append(machine->storage, effect->bytes, machine->now_ms);
    } else if (effect->kind == EFFECT_STORE) {
        asked = storage_store(machine->storage, effect->bytes);
    } else if (effect->kind == EFFECT_LOAD) {
        asked = storage_load(machine->storage, effect->request, effect->bytes);
    } else if (effect->kind == EFFECT_SCRUB) {
        asked = storage_scrub(machine->storage, effect->request, effect->position);
    } else {
        storage_trim(machine->storage, effect->position);
    }
    (void)failing_enter(left);
    return asked;
}

/* Who asks too early, or while memory fails, is refused. */
static void take_values(struct machine *machine, const struct hub_effect *effect)
{
    bool refused = effect->code != 0;
    uint8_t first = effect->truncated ? '[' : '{';
    machine->values_answered++;
    if (effect->request == 0 || effect->request > machine->values_asked) {
        machine_violation(machine, "values that nobody has asked for");
    } else if (refused && failing_failed() == 0) {
        machine_violation(machine, "values are refused with code %d", effect->code);
    } else if (!refused && (effect->bytes.length < 2 || effect->bytes.data[0] != first)) {
        machine_violation(machine, "values that are none: %.*s", (int)effect->bytes.length,
                          (const char *)effect->bytes.data);
    }
    buffer_clear(&machine->values);
    if (!refused &&
        buffer_append(&machine->values, effect->bytes.data, effect->bytes.length) != PROTOCOL_OK) {
        abort();
    }
}

static void perform(struct machine *machine, const struct hub_effect *effect)
{
    struct machine_line *line = line_of(machine, effect->connection);
    switch (effect->kind) {
    case EFFECT_NONE:
        return;
    case EFFECT_CHANGED:
        machine_step(machine, (struct hub_event){.kind = EVENT_VALUES,
                                                 .request = ++machine->values_asked,
                                                 .bytes = effect->bytes,
                                                 .position = effect->position - 1,
                                                 .limit = VALUES_BYTES});
        return;
    case EFFECT_VALUES:
        take_values(machine, effect);
        return;
    case EFFECT_ASK:
        machine_step(machine, (struct hub_event){.kind = EVENT_ANSWER,
                                                 .request = effect->request,
                                                 .bytes = {nil, sizeof nil}});
        return;
    case EFFECT_SEND:
        if (line != NULL) {
            send(machine, line, effect);
        }
        return;
    case EFFECT_CLOSE:
        if (line != NULL) {
            line->closing = true;
        }
        return;
    case EFFECT_PAUSE:
    case EFFECT_RESUME:
        if (line != NULL) {
            line->paused = effect->kind == EFFECT_PAUSE;
        }
        return;
    case EFFECT_APPEND:
    case EFFECT_STORE:
    case EFFECT_LOAD:
    case EFFECT_TRIM:
    case EFFECT_SCRUB:
        machine->failed = machine->failed || !ask(machine, effect);
        return;
    case EFFECT_VERIFY:
        verify(machine, effect);
        return;
    case EFFECT_DAMAGED:
        machine_violation(machine, "the rows of %.*s make no sense", (int)effect->bytes.length,
                          (const char *)effect->bytes.data);
        return;
    }
}

/* --- events --- */

static void take(struct machine *machine, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = machine->now_ms;
    enum failing_room left = failing_enter(ROOM_HUB);
    enum hub_status status = hub_step(machine->hub, &event, &effects);
    (void)failing_enter(left);
    if (status != HUB_OK) {
        machine->failed = true;
        if (status != HUB_NO_MEMORY || failing_failed() == 0) {
            machine_violation(machine, "the hub fails: %s", hub_status_text(status));
        }
        return;
    }
    for (size_t i = 0; i < effects.length && !machine->failed; i++) {
        perform(machine, &effects.items[i]);
    }
    machine->more = effects.more;
    machine->wake_ms = effects.wake_ms;
}

/* A socket that is full is told of before all else, as in server/loop.c. */
static void queue(struct machine *machine, const struct hub_event *event)
{
    struct machine_event *queued = malloc(sizeof *queued + event->bytes.length);
    if (queued == NULL) {
        abort();
    }
    *queued = (struct machine_event){.event = *event};
    if (event->bytes.length > 0) {
        memcpy(queued->bytes, event->bytes.data, event->bytes.length);
    }
    queued->event.bytes.data = queued->bytes;
    if (event->kind == EVENT_BLOCKED || machine->first == NULL) {
        queued->next = machine->first;
        machine->last = machine->first == NULL ? queued : machine->last;
        machine->first = queued;
        return;
    }
    machine->last->next = queued;
    machine->last = queued;
}

void machine_step(struct machine *machine, struct hub_event event)
{
    queue(machine, &event);
    if (machine->stepping) {
        return;
    }
    machine->stepping = true;
    while (machine->first != NULL) {
        struct machine_event *taken = machine->first;
        machine->first = taken->next;
        machine->last = machine->first == NULL ? NULL : machine->last;
        if (!machine->failed && machine->hub != NULL) {
            take(machine, taken->event);
        }
        free(taken);
    }
    machine->stepping = false;
}
