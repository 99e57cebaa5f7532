#include "server/config_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config_values.h"
#include "server/net/certificate.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const struct config_address internal_default = {.host = "127.0.0.1", .port = 7963};

const struct config_address *config_internal(const struct config *config)
{
    switch (config->net.internal_kind) {
    case INTERNAL_OFF:
        return NULL;
    case INTERNAL_ADDRESS:
        return &config->net.internal;
    case INTERNAL_AUTO:
        return config_address_is_loopback(&config->listen) ? NULL : &internal_default;
    }
    return NULL;
}

void config_parse_internal(struct yaml_value value, struct config *config)
{
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    if (given && text.length == 3 && memcmp(text.data, "off", 3) == 0) {
        config->net.internal_kind = INTERNAL_OFF;
    } else if (given && config_address_parse(text, &config->net.internal)) {
        config->net.internal_kind = INTERNAL_ADDRESS;
    } else {
        yaml_mistake(value,
                     "%s; expected an address and a port, such as \"127.0.0.1:7963\", or off",
                     yaml_show(value).text);
    }
}

static void read_path(struct yaml_value value, const char *expected, struct config_source *source)
{
    struct bytes text;
    source->line = value.line;
    source->column = value.column;
    if (!yaml_text(value, &text) || text.length == 0 || memchr(text.data, 0, text.length) != NULL) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected);
    } else if ((source->name = config_text_copy(text)) == NULL) {
        yaml_mistake(value, "no memory for a path; expected some");
    }
}

static void read_certificate(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    read_path(value, "the path of the certificate's file",
              &((struct config *)target)->net.certificate);
}

static void read_key(struct yaml_value value, const struct yaml_key *key, void *target)
{
    (void)key;
    read_path(value, "the path of the key's file", &((struct config *)target)->net.key);
}

void config_parse_tls(struct yaml_value value, struct config *config)
{
    static const struct yaml_key keys[] = {
        {"certificate_file", read_certificate, 0, "the path of the certificate's file", 0, 0},
        {"key_file", read_key, 0, "the path of the key's file", 0, 0},
    };
    yaml_read_keys(value, keys, COUNT_OF(keys), "certificate_file and key_file", config);
}

bool config_read_tls(struct config *config, yaml_report *report, void *context)
{
    const struct config_net *net = &config->net;
    struct certificate_files files = {net->certificate.name, net->key.name};
    struct certificate_fault fault;
    if (files.certificate == NULL) {
        return true;
    }
    struct certificate *certificate = certificate_read(&files, &fault);
    if (certificate == NULL) {
        const struct config_source *source = fault.of_key ? &net->key : &net->certificate;
        char mistake[sizeof fault.text + 64];
        (void)snprintf(mistake, sizeof mistake, "%s; expected %s", fault.text,
                       fault.of_key ? "the certificate's private key" : "a certificate");
        report(source->line, source->column, mistake, context);
        return false;
    }
    (void)certificate_is_stale(certificate, config->net.warning, sizeof config->net.warning);
    certificate_free(certificate);
    return true;
}

void config_finish_net(struct config *config)
{
    free(config->net.certificate.name);
    free(config->net.key.name);
}
