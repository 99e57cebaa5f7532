/* What the command line says, and the configuration as it changes it: at the start, and at each
 * reload again. */
#ifndef SERVER_ARGUMENTS_H
#define SERVER_ARGUMENTS_H

#include "server/config.h"
#include "server/inherit.h"

struct arguments {
    const char *command;
    const char *config;
    const char *listen; /* in place of the configuration's; NULL: not given */
    const char *data;
    const char *from;           /* of `restore` */
    struct inherited inherited; /* where the service manager listens for it */
    bool take_over;             /* from the hub that has the database now */
};

/* `config_read` of the file, with what the command line changes. */
HUB_CHECKED bool arguments_read_config(const struct arguments *arguments, struct config *config,
                                       struct buffer *mistakes);

#endif
