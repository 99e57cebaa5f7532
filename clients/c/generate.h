/* The command `generate`: code from the schemas of a configuration, or of a running hub. */
#ifndef CLIENT_GENERATE_H
#define CLIENT_GENERATE_H

#include "clients/c/link.h"

struct generate_options {
    const char *language; /* "typescript" */
    const char *config;   /* the file with the schemas; NULL: the link's hub is asked */
    const char *output;   /* NULL: standard output */
    uint64_t timeout_ms;
};

/* The exit code; what is wrong is said on standard error. */
int generate(struct link *link, const struct generate_options *options);

#endif
