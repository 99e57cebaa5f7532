#include "server/config_exposure.h"

#include <stdio.h>
#include <string.h>

#include "server/config_values.h"

enum { LINE_BYTES = 1024 };

static bool append(struct buffer *mistakes, const char *path, const char *host, const char *text)
{
    char line[LINE_BYTES];
    int length = snprintf(line, sizeof line,
                          "%s: listen: %s can be reached by others than this "
                          "machine's users; %s\n",
                          path, host, text);
    if (length > 0 && buffer_append(mistakes, line, strlen(line)) != PROTOCOL_OK) {
        return false; /* there is enough to read */
    }
    return false;
}

bool config_check_exposure(const struct config *config, const char *path, struct buffer *mistakes)
{
    const char *host = config->listen.host;
    if (config_address_is_loopback(&config->listen)) {
        return true;
    }
    if (config->keys.length == 0) {
        return append(
            mistakes, path, host,
            "without \"tokens\" whoever reaches the hub may read and edit everything. Add "
            "\"tokens\", with keys, or listen on 127.0.0.1 or [::1]");
    }
    if (!config->behind_proxy && config->net.certificate.name == NULL) {
        return append(mistakes, path, host,
                      "without TLS tokens and documents travel in the clear. Add \"tls\", or "
                      "\"behind_proxy: true\" if a proxy that has TLS stands in front and nobody "
                      "else reaches the hub, or listen on 127.0.0.1 or [::1]");
    }
    return true;
}
