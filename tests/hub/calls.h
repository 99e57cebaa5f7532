/* What the tests of an operator's calls share: a world whose hub answers them. */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include "tests/hub/clients.h"

void calls_start(void); /* ended by clients_finish */

/* Sends a call and answers what came back, without its packet's head; borrowed until the next. */
const char *call(uint64_t connection, const char *method, const char *parameters);

/* An id that was not used before. */
int calls_id(void);

#endif
