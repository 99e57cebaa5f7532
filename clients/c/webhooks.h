/* The command `webhooks`: an operator's view of whom the hub tells what has changed. */
#ifndef CLIENT_WEBHOOKS_H
#define CLIENT_WEBHOOKS_H

#include "clients/c/link.h"

struct webhooks_options {
    char **words; /* `webhooks`, what to do, the target, ids */
    int word_count;
    uint64_t timeout_ms; /* of each call */
};

/* The exit code; prints a line of JSON for each target, or dead letter. */
int webhooks_run(struct link *link, const struct webhooks_options *options);

#endif
