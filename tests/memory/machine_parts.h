/* What the files of the machine have of each other; its life and its turns are in machine.c. */
#ifndef TESTS_MEMORY_MACHINE_PARTS_H
#define TESTS_MEMORY_MACHINE_PARTS_H

#include "tests/memory/machine.h"

enum { MACHINE_SOCKET_BYTES = 2048 }; /* that a socket takes before it is full */

/* --- machine_effects.c --- */

/* Tells the hub, or behind the step under way, and does what it then wants done. */
void machine_step(struct machine *machine, struct hub_event event);

/* --- machine_lines.c --- */

void machine_push(struct buffer *queue, struct bytes message);
/* Gives the hub the next message of the line, or its end; false: there is none. */
bool machine_deliver(struct machine *machine, struct machine_line *line);
/* The hub's end of the line is gone. */
void machine_cut(struct machine_line *line);

#endif
