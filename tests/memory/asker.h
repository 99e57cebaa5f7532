/* Asker: a connection that speaks in packets: an operator's calls, a document of its own for
 * presence, a fresh token, a full state. What is not answered is said again on the next one. */
#ifndef TESTS_MEMORY_ASKER_H
#define TESTS_MEMORY_ASKER_H

#include "tests/memory/machine.h"

struct asker {
    struct machine *machine;
    size_t line;    /* MACHINE_LINES: not connected */
    unsigned asked; /* packets said on this connection */
    bool done;
    uint64_t silent_ms;  /* since when nothing was heard */
    struct buffer heard; /* JSON, a packet on each line */
};

void asker_init(struct asker *asker, struct machine *machine);
void asker_finish(struct asker *asker);
/* Everything is to be asked again. */
void asker_begin(struct asker *asker);
void asker_leave(struct asker *asker);
bool asker_turn(struct asker *asker);
bool asker_is_done(const struct asker *asker);

#endif
