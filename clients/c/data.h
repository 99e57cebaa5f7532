/* The commands of an operator who moves, keeps or erases data of a running hub (docs/data.md). */
#ifndef CLIENT_DATA_H
#define CLIENT_DATA_H

#include "clients/c/link.h"

struct data_options {
    char **words; /* the command, and what follows it */
    int count;
    uint64_t timeout_ms; /* how long the hub may be silent */
    const char *idle;    /* of retire; NULL: not given */
    bool dry_run;
};

/* Whether there is such a command. */
bool data_is_command(const char *name);

/* The exit code; what is wrong is said on standard error. */
int data_run(struct link *link, const struct data_options *options);

#endif
