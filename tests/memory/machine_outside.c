/* What others than clients ask of the hub: what stands in a document, and other schemas. */
#include <string.h>

#include "tests/memory/failing.h"
#include "tests/memory/machine_parts.h"

enum { ANSWER_TURNS = 10000, RELOAD_TURNS = 10000 };

bool machine_is_answered(const struct machine *machine)
{
    return machine->values_answered == machine->values_asked;
}

/* False: the hub has stopped, or refused. */
static bool ask_values(struct machine *machine, const char *name)
{
    unsigned stops = machine->stops;
    struct bytes document = {(const uint8_t *)name, strlen(name)};
    machine_step(machine, (struct hub_event){.kind = EVENT_VALUES,
                                             .request = ++machine->values_asked,
                                             .bytes = document,
                                             .whole = true,
                                             .limit = LIMIT_BODY_BYTES});
    while (!machine_is_answered(machine) && machine_turn(machine)) {
    }
    return machine->stops == stops && !machine->failed && machine_is_answered(machine) &&
           machine->values.length > 0;
}

void machine_values(struct machine *machine, const char *name, struct buffer *text)
{
    bool told = false;
    for (int i = 0; i < ANSWER_TURNS && !told && machine->violation[0] == '\0'; i++) {
        (void)machine_turn(machine);
        machine_pass(machine, 1);
        told = machine->hub != NULL && !machine->failed && machine_is_answered(machine) &&
               ask_values(machine, name);
    }
    if (!told || buffer_append(text, machine->values.data, machine->values.length) != PROTOCOL_OK ||
        buffer_append(text, "\n", 1) != PROTOCOL_OK) {
        machine_violation(machine, "nobody is told what stands in %s", name);
    }
}

/* False: the hub has stopped; or it does not settle. */
static bool settle(struct machine *machine, unsigned stops)
{
    for (int i = 0; i < RELOAD_TURNS && machine->stops == stops; i++) {
        if (machine->hub != NULL && !machine->failed && hub_settled(machine->hub)) {
            return true;
        }
        (void)machine_turn(machine);
        machine_pass(machine, 1);
    }
    if (machine->stops == stops) {
        machine_violation(machine, "the hub is held, and does not settle");
    }
    return false;
}

static bool declare_in_file(struct machine *machine, struct schema_set *next)
{
    unsigned stops = machine->stops;
    enum failing_room left = failing_enter(ROOM_STORAGE);
    machine->declared = DECLARED_NOT_YET;
    bool asked = storage_declare(machine->storage, next);
    (void)failing_enter(left);
    while (asked && machine->declared == DECLARED_NOT_YET && machine_turn(machine)) {
    }
    return asked && machine->stops == stops && machine->declared == DECLARED_YES;
}

/* As server/reload.c does it. False: not yet. */
static bool reload(struct machine *machine)
{
    unsigned stops = machine->stops;
    struct schema_set *next = &machine->schemas[1 - machine->current];
    struct hub_config config = machine->config;
    machine_step(machine, (struct hub_event){.kind = EVENT_SETTLE});
    if (!settle(machine, stops)) {
        return false;
    }
    machine->declare(next);
    if (!declare_in_file(machine, next) || !settle(machine, stops)) {
        bool stopped = machine->stops != stops; /* then they have gone, with the hub */
        if (!stopped) {
            schema_set_finish(next);
            *next = (struct schema_set){0};
            machine_step(machine, (struct hub_event){.kind = EVENT_GO_ON});
        }
        return stopped;
    }
    config.schemas = next;
    machine_step(machine, (struct hub_event){.kind = EVENT_RECONFIGURE, .config = &config});
    if (!machine->failed) {
        schema_set_finish(&machine->schemas[machine->current]);
        machine->schemas[machine->current] = (struct schema_set){0};
        machine->current = 1 - machine->current;
        machine->config.schemas = next;
    }
    return true;
}

void machine_reload(struct machine *machine, void (*declare)(struct schema_set *schemas))
{
    uint64_t failed;
    unsigned stops = machine->stops;
    machine->declare = declare;
    do {
        failed = failing_failed();
        if (machine->stops != stops || machine->hub == NULL || machine->failed || reload(machine)) {
            return;
        }
    } while (failing_failed() != failed);
    machine_violation(machine, "other schemas are not taken, though memory does not fail");
}
