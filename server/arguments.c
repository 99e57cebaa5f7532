#include "server/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "server/config_values.h"

static bool refuse(struct config *config, struct buffer *mistakes, const char *text)
{
    config_finish(config);
    enum protocol_status told = buffer_append(mistakes, (const uint8_t *)text, strlen(text));
    (void)told; /* the first mistake of all fits */
    return false;
}

bool arguments_read_config(const struct arguments *arguments, struct config *config,
                           struct buffer *mistakes)
{
    if (!config_read(arguments->config, config, mistakes)) {
        return false;
    }
    if (arguments->data != NULL) {
        char *data = strdup(arguments->data);
        if (data == NULL) {
            return refuse(config, mistakes, "synclined: out of memory\n");
        }
        free(config->data);
        config->data = data;
    }
    if (arguments->listen != NULL) {
        struct bytes text = bytes_of_text(arguments->listen);
        if (!config_address_parse(text, &config->listen)) {
            return refuse(config, mistakes,
                          "synclined: --listen takes a numeric address and a port, such as "
                          "127.0.0.1:7962\n");
        }
    }
    return true;
}
