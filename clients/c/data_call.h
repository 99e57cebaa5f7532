/* What the commands of data.h share: a call of the hub, and its answer. */
#ifndef CLIENT_DATA_CALL_H
#define CLIENT_DATA_CALL_H

#include "clients/c/data.h"

enum { DATA_USAGE = 2, DATA_UNDECLARED = 3, DATA_PARAMETERS_BYTES = 1 << 24 };

struct data_call {
    const char *method;
    struct bytes parameters; /* raw; empty: none */
    /* Each piece of the answer's transfer; NULL: there is none. False: it cannot be kept. */
    bool (*taken)(void *context, struct bytes bytes);
    void *context;
    struct buffer *answer; /* the RESULT's value */
    uint64_t timeout_ms;
    bool waits;             /* the hub works for long: while it is there, it may be silent */
    bool passes_undeclared; /* a document of a schema that the hub does not know is no failure */
};

/* Says it, with `detail` unless that is empty, and answers the code. */
int data_fail(int code, const char *what, const char *detail);

/* Makes the call and waits until its answer is whole; where the hub has no room now, again when it
 * says, for `timeout_ms` at most. The exit code; or DATA_UNDECLARED, if the call passes that. */
int data_ask(struct link *link, const struct data_call *call);

/* The pair of that name, in a raw map; no bytes: there is none. */
struct bytes data_pair(struct bytes map, const char *name);
uint64_t data_number(struct bytes map, const char *name);

int data_backup(struct link *link, const struct data_options *options);
int data_export(struct link *link, const struct data_options *options);
int data_erase(struct link *link, const struct data_options *options);
int data_retire(struct link *link, const struct data_options *options);
int data_import(struct link *link, const struct data_options *options);

#endif
