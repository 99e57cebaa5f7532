/*
 * A script of appends, stores, loads and trims on a storage, and a list of what was answered, which
 * is the oracle for what the file must hold afterwards. For tests of machines that fail: a check
 * that fails ends the process and tells which failure it was.
 */
#ifndef TESTS_STORAGE_SCRIPT_H
#define TESTS_STORAGE_SCRIPT_H

#include "tests/storage/faulty_sqlite.h"
#include "tests/storage/fixture.h"

enum { SCRIPT_POSITIONS = 64 };

/* What was asked and answered. */
struct script {
    struct fixture fixture;
    bool appended[SCRIPT_POSITIONS]; /* by position */
    int batches[SCRIPT_POSITIONS];
    int next_batch;
    uint64_t last;
    uint64_t trimmed;
    uint64_t stored; /* position of the document's last store that was acknowledged; 0: none */
    uint64_t tried;  /* and of the last one that was asked */
};

/* Which failure is under way, for the message. */
extern long script_n;

#define CHECK(good) script_check((good), #good, __FILE__, __LINE__)
void script_check(bool good, const char *what, const char *file, int line);

/* Each asks and waits. False: the machine has refused, with a reason. */
bool script_append_two(struct script *script);
bool script_store(struct script *script, uint64_t position);
/* The document "post/1", which must be as it was stored. */
bool script_load(struct script *script);

/* Rounds of all of these. */
void script_play(struct script *script);

/*
 * Opens, and reads the journal: each batch that was acknowledged and not trimmed, once. `killed`:
 * the process that played may have left more, as the last. Or false, where the machine has refused;
 * `error` says why.
 */
bool script_replay(struct script *script, bool killed, char error[STORAGE_ERROR_BYTES]);
/* The same; nothing may fail. */
void script_check_journal(struct script *script, bool killed);

/* In memory that processes share, so that what a dead one was told is known. */
struct script *script_share(void);
void script_unshare(struct script *script);

/*
 * Plays in another process: two sessions with a stop in between, so that death may come while the
 * log is moved into the file, at the n-th such call; then death, if it has not come before. True:
 * it has come before.
 */
bool script_play_and_die(struct script *script, enum faulty_call call, long n);

#endif
