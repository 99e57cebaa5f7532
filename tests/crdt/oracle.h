/*
 * Oracle: what a field must show, from the types' definitions alone: all edits ever made, and which
 * of the others each had seen. It shares nothing with the implementation.
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "tests/crdt/replicas.h"

enum { ORACLE_KEYS = 4 };

struct oracle_edit {
    const char *keys[ORACLE_KEYS]; /* the path into maps */
    size_t key_count;
    bool removes_key; /* the last of them */
    const char *verb;
    const char *value;
    uint64_t now_ms;
    uint64_t ms; /* of an lww-register's clock */
    uint64_t count;
    bool effective; /* a 2P-set's remove of what was seen */
};

struct oracle {
    const char *type;
    const char *options;
    char leaf[32]; /* the type below all maps */
    bool disable_wins;
    size_t depth;                         /* how many maps stand in each other */
    struct oracle_edit edits[DELTAS_MAX]; /* by the delta's number */
};

void oracle_init(struct oracle *oracle, const char *type, const char *options,
                 const struct declaration *declared);

/* One of the type's verbs; whether its values are amounts. */
const char *oracle_verb(const struct oracle *oracle, size_t random);
bool oracle_counts(const struct oracle *oracle);

/* Makes the edit at a replica and takes note of it. */
void oracle_make(struct oracle *oracle, struct replicas *replicas, size_t at,
                 const struct oracle_edit *edit);

/* The value as JSON. */
void oracle_value(const struct oracle *oracle, const struct replicas *replicas, char *text,
                  size_t bytes);

#endif
