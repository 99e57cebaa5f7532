#include "server/config_exposure.h"

#include <stdio.h>
#include <string.h>

#include "server/config_net.h"
#include "server/config_values.h"

enum { LINE_BYTES = 1024 };

static const char no_tokens[] =
    "without \"tokens\" whoever reaches the hub may read and edit everything. Add \"tokens\", with "
    "keys, or listen on 127.0.0.1 or [::1]";

static const char no_tls[] = "without TLS tokens and documents travel in the clear. Add \"tls\", "
                             "or \"behind_proxy: true\" if "
                             "a proxy that has TLS stands in front and nobody else reaches the "
                             "hub, or listen on 127.0.0.1 or "
                             "[::1]";

static const char no_tls_inside[] = "it has no TLS, so tokens would travel in the clear. Listen "
                                    "there on 127.0.0.1 or [::1], or add "
                                    "\"behind_proxy: true\" if a proxy that has TLS, or a network "
                                    "of your own, is all that reaches it";

/* Why the address will not do; NULL: it will. */
static const char *mistake_of(const struct config *config, const struct config_address *address,
                              bool tls, const char *in_the_clear)
{
    if (address == NULL || config_address_is_loopback(address)) {
        return NULL;
    }
    if (config->keys.length == 0) {
        return no_tokens;
    }
    return tls || config->behind_proxy ? NULL : in_the_clear;
}

/* False: there was a mistake, which was appended as far as there is room. */
static bool check(struct buffer *mistakes, const char *path, const char *key,
                  const struct config_address *address, const char *mistake)
{
    char line[LINE_BYTES];
    if (mistake == NULL) {
        return true;
    }
    int length = snprintf(line, sizeof line,
                          "%s: %s: %s can be reached by others than this machine's users; %s\n",
                          path, key, address->host, mistake);
    if (length > 0 && buffer_append(mistakes, line, strlen(line)) != PROTOCOL_OK) {
        return false; /* there is enough to read */
    }
    return false;
}

bool config_check_exposure(const struct config *config, const char *path, struct buffer *mistakes)
{
    const struct config_address *internal = config_internal(config);
    bool tls = config->net.certificate.name != NULL;
    bool good = check(mistakes, path, "listen", &config->listen,
                      mistake_of(config, &config->listen, tls, no_tls));
    return check(mistakes, path, "internal", internal,
                 mistake_of(config, internal, false, no_tls_inside)) &&
           good;
}
