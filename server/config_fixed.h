/* Keys that a running hub cannot change: their values are in the files it has open, the sockets it
 * listens on, and the tables that were made for so many. */
#ifndef SERVER_CONFIG_FIXED_H
#define SERVER_CONFIG_FIXED_H

#include "server/config.h"

/*
 * False: `next` differs from `now` in such keys. A line for each, with its place in the file at
 * `path`, was appended to `mistakes`.
 */
HUB_CHECKED bool config_check_fixed(const struct config *now, const struct config *next,
                                    const char *path, struct buffer *mistakes);

#endif
