/* Whether what the configuration says may be reached by others than this machine's users. */
#ifndef SERVER_CONFIG_EXPOSURE_H
#define SERVER_CONFIG_EXPOSURE_H

#include "server/config.h"

/*
 * Without tokens everybody has all rights, so only the loopback address will do; and tokens that
 * travel in the clear are anybody's. Nothing is safe by accident: another address needs tokens, and
 * TLS or `behind_proxy: true`. So does the internal one, by which clients come in as well, and
 * which has no TLS. False: it lacks them; a line with the configuration's `path` was appended to
 * `mistakes` for each.
 */
HUB_CHECKED bool config_check_exposure(const struct config *config, const char *path,
                                       struct buffer *mistakes);

#endif
