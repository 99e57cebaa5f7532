/* Target: whom a webhook tells, what, and how hard it tries, as the configuration says. */
#ifndef WEBHOOKS_TARGET_H
#define WEBHOOKS_TARGET_H

#include "server/webhooks/schedule.h"
#include "server/webhooks/sign.h"

enum { WEBHOOKS_MAX = 16, WEBHOOK_PATTERNS_MAX = 64 };

/* What the configuration says of a target. */
struct webhook_target {
    char *name;
    char *url;
    char **documents; /* names, or beginnings of names with `*` behind; one matches */
    size_t document_count;
    char *ca_file; /* NULL: the system's */
    struct webhook_secrets secrets;
    uint64_t timeout_ms;
    size_t body_bytes; /* of the changes in one body */
    bool from_beginning;
    struct schedule_limits limits;
};

struct webhook_targets {
    struct webhook_target *items;
    size_t length;
};

/* The defaults; the rest is empty. */
void webhook_target_init(struct webhook_target *target);
void webhook_target_finish(struct webhook_target *target);
void webhook_targets_finish(struct webhook_targets *targets);

/* A copy of all that is in `source`. False: no memory, and `*copy` is empty. */
CRDT_CHECKED bool webhook_targets_copy(struct webhook_targets *copy,
                                       const struct webhook_targets *source);

bool webhook_target_wants(const struct webhook_target *target, struct bytes document);

#endif
