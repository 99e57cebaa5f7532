/* What the tests of an operator's calls share: a world whose hub answers them. */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include "tests/support/world.h"

extern struct world world;

void calls_start(void);
void calls_finish(void);

/* Sends a call and answers what came back, without its packet's head; borrowed until the next. */
const char *call(uint64_t connection, const char *method, const char *parameters);

/* An id that was not used before. */
int calls_id(void);

/* Whether the answer has that part; else both are printed. */
bool tells(const char *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* OPEN, and a DELTA that counts one more of `likes`. */
void open_document(uint64_t connection, int id, const char *name, unsigned replica);
void like(uint64_t connection, int stream, int seq, int up);

#endif
