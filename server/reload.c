#include "server/reload.h"

#include <inttypes.h>
#include <stdlib.h>

#include "server/config_exposure.h"
#include "server/config_fixed.h"
#include "server/http_api.h"
#include "server/log.h"

enum { MISTAKES_BYTES = 64 << 10, SETTLE_MS = 10000, SETTLE_CHECK_MS = 5 };

static void drop_next(struct reload *reload)
{
    if (reload->next != NULL) {
        config_finish(reload->next);
        free(reload->next);
        reload->next = NULL;
    }
}

static void end(struct reload *reload, bool applied)
{
    drop_next(reload);
    reload->ended(reload->context, applied);
    if (reload->again) {
        reload->again = false;
        reload_ask(reload);
    }
}

static void refuse(struct reload *reload, const char *reason)
{
    log_event(
        LEVEL_ERROR, "reload-refused",
        LOG_FIELDS(log_sentence("reason", reason), log_sentence("hint", "nothing has changed")));
    end(reload, false);
}

/* --- what is to change --- */

static bool take_number(struct schema_field *field, const struct schema *now)
{
    struct bytes name = bytes_of_text(field->name);
    const struct schema_field *known = schema_field_by_name(now, name);
    if (known == NULL || !declaration_equal(&known->declared, &field->declared)) {
        return false;
    }
    field->number = known->number;
    field->since = known->since;
    return true;
}

/* Whether the documents stay as they are: the fields then have the numbers they had. */
static bool are_same(struct schema_set *next, const struct schema_set *now)
{
    if (next->length != now->length) {
        return false;
    }
    for (size_t i = 0; i < next->length; i++) {
        struct schema *schema = &next->schemas[i];
        struct bytes name = bytes_of_text(schema->name);
        const struct schema *known = schema_find(now, name);
        if (known == NULL || known->length != schema->length) {
            return false;
        }
        for (size_t k = 0; k < schema->length; k++) {
            if (!take_number(&schema->fields[k], known)) {
                return false;
            }
        }
        schema_sort(schema);
    }
    return true;
}

/* --- taking effect --- */

/* It could be read a moment ago. */
static void show_certificate(struct net *net)
{
    char error[256];
    if (!net_reload_tls(net, error, sizeof error)) {
        log_event(
            LEVEL_ERROR, "certificate-failed",
            LOG_FIELDS(log_sentence("reason", error), log_sentence("hint", "the old one stays")));
    }
}

static void apply(struct reload *reload)
{
    struct loop *loop = reload->loop;
    struct config *before = reload->config;
    struct config *next = reload->next;
    struct hub_config hub = config_hub(next);
    struct hub_event event = {.kind = EVENT_RECONFIGURE, .config = &hub};
    reload->next = NULL;
    reload->declared = false;
    reload->config = next;
    loop->keys = &next->keys;
    key_watch_log(buffer_bytes(&next->key_notes));
    key_watch_set(reload->key_watch, next->jwks.name, &next->keys);
    log_configure(&next->log);
    net_reconfigure(loop->net, &(struct net_settings){
                                   .message_bytes = next->hub.message_bytes,
                                   .request_bytes = next->request_bytes,
                                   .buffer_bytes = next->hub.buffer_bytes,
                                   .origins = (const char *const *)next->allowed_origins,
                                   .origin_count = next->allowed_origin_count,
                                   .tls = {next->net.certificate.name, next->net.key.name},
                               });
    show_certificate(loop->net);
    http_api_reconfigure(loop, next);
    webhooks_change_secrets(loop->webhooks, &next->webhooks);
    loop_step(loop, &event);
    config_finish(before);
    if (before != reload->first) {
        free(before);
    }
    log_event(LEVEL_INFO, "reloaded", NULL);
    end(reload, true);
}

static void go_on(struct reload *reload, const char *reason)
{
    struct hub_event event = {.kind = EVENT_GO_ON};
    loop_step(reload->loop, &event);
    refuse(reload, reason);
}

static void on_settling(uv_timer_t *timer);

static void on_declared(void *context, bool declared, const char *text)
{
    struct reload *reload = context;
    reload->declaring = false;
    if (!declared) {
        go_on(reload, text);
        return;
    }
    reload->declared = true; /* somebody may have asked for a document meanwhile */
    (void)uv_timer_start(&reload->timer, on_settling, 0, SETTLE_CHECK_MS);
}

static void on_settling(uv_timer_t *timer)
{
    struct reload *reload = timer->data;
    bool settled = hub_settled(reload->loop->hub);
    if (!settled && (reload->declared || reload->left_ms >= SETTLE_CHECK_MS)) {
        reload->left_ms -= reload->declared ? 0 : SETTLE_CHECK_MS;
        return;
    }
    (void)uv_timer_stop(timer);
    if (reload->declared) {
        apply(reload);
        return;
    }
    if (!settled) {
        go_on(reload, "the hub could not store what it has in time: is its disk failing?");
        return;
    }
    reload->declaring = storage_declare(reload->loop->storage, &reload->next->schemas);
    if (!reload->declaring) {
        go_on(reload, "out of memory");
    }
}

static void change_schemas(struct reload *reload)
{
    struct hub_event event = {.kind = EVENT_SETTLE};
    loop_step(reload->loop, &event);
    reload->left_ms = SETTLE_MS;
    (void)uv_timer_start(&reload->timer, on_settling, 0, SETTLE_CHECK_MS);
}

/* --- asking --- */

static bool read_next(struct reload *reload)
{
    struct buffer mistakes;
    buffer_init(&mistakes, MISTAKES_BYTES);
    bool good =
        arguments_read_config(reload->arguments, reload->next, &mistakes) &&
        config_check_exposure(reload->next, reload->arguments->config, &mistakes) &&
        config_check_fixed(reload->config, reload->next, reload->arguments->config, &mistakes);
    log_lines(LEVEL_ERROR, "reload-mistake", "mistake", buffer_bytes(&mistakes));
    buffer_finish(&mistakes);
    return good;
}

void reload_ask(struct reload *reload)
{
    if (reload->loop->failed) {
        return; /* the hub takes no step any more: it would go on with what is freed */
    }
    if (reload->next != NULL) {
        reload->again = true;
        return;
    }
    reload->begun(reload->context);
    reload->next = calloc(1, sizeof *reload->next);
    if (reload->next == NULL) {
        refuse(reload, "out of memory");
    } else if (!read_next(reload)) {
        refuse(reload, "the configuration has mistakes");
    } else if (are_same(&reload->next->schemas, &reload->config->schemas)) {
        apply(reload);
    } else {
        change_schemas(reload);
    }
}

bool reload_init(struct reload *reload, struct loop *loop, const struct arguments *arguments,
                 struct config *config)
{
    reload->loop = loop;
    reload->arguments = arguments;
    reload->config = config;
    reload->first = config;
    reload->timer.data = reload;
    loop->declared = on_declared;
    loop->declared_context = reload;
    return uv_timer_init(&loop->uv, &reload->timer) == 0;
}

void reload_stop(struct reload *reload)
{
    (void)uv_timer_stop(&reload->timer);
    reload->again = false;
    if (!reload->declaring) {
        drop_next(reload);
    }
}

void reload_close(struct reload *reload) { uv_close((uv_handle_t *)&reload->timer, NULL); }

void reload_finish(struct reload *reload)
{
    drop_next(reload);
    if (reload->config != reload->first) {
        config_finish(reload->first);
        *reload->first = *reload->config;
        free(reload->config);
        reload->config = reload->first;
    }
}
