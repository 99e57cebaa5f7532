/* Asker: a connection that speaks in packets: an operator's calls, documents of its own for
 * presence and to be erased, a fresh token, a full state. What is not answered, or is refused for
 * the moment, is said again on the next one; a refusal for good would be for want of memory. */
#ifndef TESTS_MEMORY_ASKER_H
#define TESTS_MEMORY_ASKER_H

#include "tests/memory/machine.h"

struct asker {
    struct machine *machine;
    size_t line;    /* MACHINE_LINES: not connected */
    unsigned asked; /* packets said on this connection */
    bool done;
    int round;
    uint64_t silent_ms;  /* since when nothing was heard */
    struct buffer heard; /* JSON, a packet on each line */
};

void asker_init(struct asker *asker, struct machine *machine);
void asker_finish(struct asker *asker);
/* Everything is to be asked again, and some of it of other documents. */
void asker_begin(struct asker *asker, int round);
void asker_leave(struct asker *asker);
bool asker_turn(struct asker *asker);
bool asker_is_done(const struct asker *asker);

#endif
