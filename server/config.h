/*
 * Configuration: the YAML file an operator writes, as the values the rooms of the server take.
 * docs/config.md lists every key.
 *
 * All mistakes are told at once, one line for each: `file:line:column: what was found; expected
 * what`. A configuration with a mistake is not used at all.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>

#include "protocol/buffer.h"
#include "protocol/schema.h"
#include "server/hub/hub.h"
#include "server/log.h"
#include "server/tokens.h"
#include "server/webhooks/target.h"

/* Whether operators' calls are answered, and the console with them. */
enum config_console { CONSOLE_AUTO, CONSOLE_ON, CONSOLE_OFF };

struct config_address {
    char host[INET6_ADDRSTRLEN]; /* a number's text, without brackets */
    uint16_t port;               /* 0: the system chooses one */
};

/* Bounds of the HTTP API. */
struct config_api {
    size_t watches_max;           /* at once */
    size_t principal_watches_max; /* of one principal */
    size_t principal_keys_max;    /* Idempotency-Keys that are remembered of one principal */
    uint64_t key_ms;              /* how long */
};

/* Where a key's material comes from. */
struct config_source {
    char *name; /* of a file, or of a variable of the environment */
    bool environment;
    int line; /* of the configuration */
    int column;
};

enum config_internal { INTERNAL_AUTO, INTERNAL_OFF, INTERNAL_ADDRESS };

/* See config_net.h. */
struct config_net {
    enum config_internal internal_kind;
    struct config_address internal;   /* INTERNAL_ADDRESS */
    struct config_source certificate; /* of TLS on `listen`; no name: none */
    struct config_source key;
    char warning[160]; /* what is good, and will not work; empty: nothing */
};

/* Where a webhook's secret comes from, and where the configuration names its documents. */
struct config_webhook {
    struct config_source secret;
    int line;
    int column;
};

/* Owns its strings, keys and schemas. `{0}` is empty. */
struct config {
    struct config_address listen;
    bool behind_proxy; /* one that has TLS, and through which alone others reach `listen` */
    char *data;        /* path of the database, as written: relative to the working directory */
    char **allowed_origins; /* NULL-terminated; NULL: none but the hub's own pages */
    size_t allowed_origin_count;
    enum config_console console;
    struct config_net net;
    size_t handshakes_max;
    size_t requests_max;  /* HTTP requests that wait for their answer */
    size_t request_bytes; /* the body of one */
    struct log_config log;
    struct config_api api;
    uint64_t drain_ms;                      /* how long the end may take */
    struct token_keys keys;                 /* `config_parse` leaves their material empty */
    struct config_source *sources;          /* of each key that is configured */
    struct config_source jwks;              /* of a set of more keys; no name: none */
    struct buffer key_notes;                /* which of its keys are passed over, a line each */
    struct webhook_targets webhooks;        /* `config_parse` leaves their secrets empty */
    struct config_webhook *webhook_sources; /* of each */
    struct schema_set schemas;              /* fields without numbers: the storage gives them */
    struct hub_config hub;                  /* without schemas, journal, position and seed */
};

/*
 * Reads a configuration from `text`; `filename` is only named in the mistakes, which are
 * appended to `mistakes`, each with its line feed, as far as the buffer's limit allows. False:
 * there are some, and `*config` is empty.
 */
HUB_CHECKED bool config_parse(struct bytes text, const char *filename, struct config *config,
                              struct buffer *mistakes);

/* The same for a file; the material of its keys is read too. */
HUB_CHECKED bool config_read(const char *path, struct config *config, struct buffer *mistakes);

/* The address for operators; NULL: there is none. If `internal` says nothing there is one where
 * others than this machine's users reach `listen`. */
const struct config_address *config_internal(const struct config *config);

/* What `console` comes to on `listen`: auto means for hubs whose tokens say who is an operator,
 * or that only this machine can reach and that have no other address for it. */
bool config_allows_console(const struct config *config);

/* And on the internal address: auto means if the tokens say it, or only this machine reaches
 * it. */
bool config_allows_console_inside(const struct config *config);

/* `config->hub` with what the rest of the configuration says of it, at the start and at each
 * reload: all but what the database knows, and the seed. Borrows the schemas. */
struct hub_config config_hub(struct config *config);

/* Takes an empty one too. */
void config_finish(struct config *config);

#endif
