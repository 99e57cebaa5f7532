/* What the hub's tests share: one world, and what its clients say and are told. */
#ifndef TESTS_CLIENTS_H
#define TESTS_CLIENTS_H

#include "tests/support/world.h"

extern struct world world;

/* The fields of the schema `post`, as OPENED tells them. */
#define FIELDS                                                                                     \
    "[[0,\"likes\",\"g-counter\",{}],[1,\"stock\",\"pn-counter\",{}],"                             \
    "[2,\"tags\",\"or-set\",{\"of\":\"string\"}]]"

void clients_start(void);
void clients_finish(void);

/* OPEN; of post/1; and a DELTA that counts `likes` up to there. */
void open_document(uint64_t connection, int id, const char *name, unsigned replica);
void open_post(uint64_t connection, int id, unsigned replica);
void like(uint64_t connection, int stream, int seq, int up);

/* What the connection was told since it was last asked is exactly this; has that part; whatever. */
void expect(uint64_t connection, const char *transcript);
bool told(uint64_t connection, const char *part);
void skip(uint64_t connection);

/* Whether the answer has that part; else both are printed. */
bool tells(const char *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
