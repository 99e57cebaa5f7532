/*
 * A storage in a folder of its own, which disappears with the fixture, and the questions that tests
 * ask of it. A failure ends the process with a sentence and the status 1, so that the same helpers
 * serve tests, forked children and plain programs.
 */
#ifndef TESTS_STORAGE_FIXTURE_H
#define TESTS_STORAGE_FIXTURE_H

#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "protocol/rows.h"
#include "server/storage/storage.h"

struct fixture {
    char folder[64];
    char path[96]; /* of the data file */
    struct schema_set schemas;
    struct storage *storage;
    sem_t woken;
    atomic_uint wakes; /* how often, ever */
    bool relaxed;
};

/* Ends the process unless `good`. */
#define REQUIRE(good) fixture_require((good), #good, __FILE__, __LINE__)
void fixture_require(bool good, const char *what, const char *file, int line);

/* A new folder, and the schema `post` with likes (g-counter), stock (pn-counter), tags (or-set). */
void fixture_init(struct fixture *fixture);
/* Closes what is open and removes the folder. */
void fixture_finish(struct fixture *fixture);

/* A field of `type` in `schema`, which is made if it is new. */
void fixture_declare(struct fixture *fixture, const char *schema, const char *field,
                     const char *type, enum element_of of);
void fixture_forget_schemas(struct fixture *fixture);

/* Opens without starting the threads. False: `error` says why. */
bool fixture_try_open(struct fixture *fixture, char error[STORAGE_ERROR_BYTES]);
/* Opens and starts. */
void fixture_open(struct fixture *fixture);
void fixture_start(struct fixture *fixture);
/* A clean stop. */
void fixture_close(struct fixture *fixture);

/* The next completion, within ten seconds. */
void fixture_wait(struct fixture *fixture, struct storage_completion *completion);

/* Each asks and waits; they answer what the completion's kind says. */
bool fixture_append(struct fixture *fixture, struct bytes batch, uint64_t *position);
bool fixture_store(struct fixture *fixture, struct bytes rows);
bool fixture_store_rows(struct fixture *fixture, const struct row *rows, size_t length);
/* `rows` is to be freed with free(). */
bool fixture_load(struct fixture *fixture, const char *name, struct bytes *rows, char *text);
/* The request's number is 77; what the completion held before is released. */
void fixture_ask(struct fixture *fixture, const struct row_request *request,
                 struct storage_completion *completion);

/* Runs SQL on a connection of its own, as any tool would, and answers the first column of the first
 * row, or "". Valid until the next call. */
const char *fixture_sql(const struct fixture *fixture, const char *sql);

/* Appends the rows as a store takes them. */
void fixture_write_rows(struct buffer *buffer, const struct row *rows, size_t length);

struct bytes fixture_text(const char *text);

/* Replica number n, always the same. */
struct replica_id fixture_replica(unsigned number);

/* Runs `body` in a process of its own; answers its status, -1: it was killed. */
int fixture_fork(void (*body)(struct fixture *fixture), struct fixture *fixture);

#endif
