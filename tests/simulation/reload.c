#include "tests/simulation/reload.h"

#include <string.h>

#include "tests/simulation/memory.h"

static struct schema_set *next_of(struct host *host)
{
    return &host->schemas[host->config.schemas == &host->schemas[0] ? 1 : 0];
}

static void give_up(struct host *host)
{
    host->reload = RELOAD_NONE;
    host_step(host, (struct hub_event){.kind = EVENT_GO_ON});
}

static void declare(struct host *host)
{
    bool before = memory_inside(true);
    bool asked = storage_declare(host->storage, next_of(host));
    (void)memory_inside(before);
    host->reload = RELOAD_DECLARING;
    if (!asked) {
        give_up(host);
    }
}

static void apply(struct host *host)
{
    struct schema_set *before = host->config.schemas;
    host->config.schemas = next_of(host);
    host->reload = RELOAD_NONE;
    host->happened[HAPPENED_RELOAD]++;
    host_step(host, (struct hub_event){.kind = EVENT_RECONFIGURE, .config = &host->config});
    schema_set_finish(before);
}

void reload_begin(struct host *host)
{
    if (host->hub == NULL || host->reload != RELOAD_NONE) {
        return;
    }
    host->longer = !host->longer;
    schema_set_finish(next_of(host));
    host->declare(next_of(host), host->longer);
    host->reload = RELOAD_SETTLING;
    host_step(host, (struct hub_event){.kind = EVENT_SETTLE});
}

void reload_go_on(struct host *host)
{
    bool waits = host->reload == RELOAD_SETTLING || host->reload == RELOAD_DECLARED;
    if (!waits || host->failed || !hub_settled(host->hub)) {
        return;
    }
    if (host->reload == RELOAD_SETTLING) {
        declare(host);
    } else {
        apply(host);
    }
}

void reload_declared(struct host *host, const struct storage_completion *completion)
{
    if (completion->kind == STORAGE_DECLARED) {
        host->reload = RELOAD_DECLARED;
        reload_go_on(host);
        return;
    }
    if (strstr(completion->text, "(SQLite ") == NULL) { /* whose reason is a disk, or memory */
        host_violation(host, "other schemas are refused: %.150s", completion->text);
    }
    host_tell(host, "other schemas are refused: %s", completion->text);
    host->longer = !host->longer;
    give_up(host);
}
