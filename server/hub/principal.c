/* Principals, and the rates of connections, principals and the hub (rate.h). */
#include "server/hub/principal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/connections.h"
#include "server/hub/effects.h"
#include "server/hub/state.h"
#include "server/hub/table.h"

bool principal_matches(const void *item, const void *key)
{
    return bytes_equal(((const struct principal *)item)->name, *(const struct bytes *)key);
}

static uint64_t hash_of(const struct hub *hub, struct bytes name)
{
    return bytes_hash(name, hub->config.seed);
}

void principal_init(struct connection *connection)
{
    connection->principal = &connection->alone;
    connection->alone.connections = 1;
}

static struct principal *create(struct hub *hub, struct bytes name)
{
    struct principal *principal = calloc(1, sizeof *principal + name.length);
    if (principal == NULL || !table_add(&hub->principals, hash_of(hub, name), principal)) {
        free(principal);
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    uint8_t *copy = (uint8_t *)(principal + 1);
    memcpy(copy, name.data, name.length);
    principal->name = (struct bytes){copy, name.length};
    return principal;
}

bool principal_join(struct hub *hub, struct connection *connection)
{
    struct bytes name = buffer_bytes(&connection->token.principal);
    struct principal *principal = table_find(&hub->principals, hash_of(hub, name), &name);
    assert(connection->principal == &connection->alone && connection->alone.streams == 0);
    if (principal == NULL) {
        principal = create(hub, name);
    } else if (principal->connections >= hub->config.principal_connections) {
        limit_hit(hub, connection, HUB_LIMIT_PRINCIPAL_CONNECTIONS);
        return false;
    }
    if (principal != NULL) { /* or the step has failed */
        principal->connections++;
        connection->principal = principal;
    }
    return true;
}

void principal_leave(struct hub *hub, struct connection *connection)
{
    struct principal *principal = connection->principal;
    connection->principal = &connection->alone;
    if (principal != &connection->alone && --principal->connections == 0) {
        assert(principal->streams == 0);
        table_remove(&hub->principals, hash_of(hub, principal->name), principal);
        free(principal);
    }
}

/* --- rates --- */

static bool limits(const struct hub_rates *rates)
{
    return rates->updates.amount > 0 || rates->bytes.amount > 0;
}

static void note_active(struct hub *hub, struct principal *principal)
{
    struct activity *activity = &hub->activity;
    uint64_t second = hub->now_ms / 1000 + 1;
    if (second != activity->second) {
        activity->before = second == activity->second + 1 ? activity->now : 0;
        activity->now = 0;
        activity->second = second;
    }
    activity->now += principal->second != second;
    principal->second = second;
}

/* What of the hub's rates is used up, as far as it is this principal's to use. */
static unsigned take_share(struct hub *hub, struct principal *principal, double updates,
                           double bytes)
{
    const struct hub_rates *rates = &hub->config.hub_rates;
    struct activity *activity = &hub->activity;
    size_t active = activity->now > activity->before ? activity->now : activity->before;
    meter_take(&hub->meter, rates, 1, hub->now_ms, updates, bytes);
    double part = fair_part_move(&activity->fair, &hub->meter, rates, active, hub->now_ms);
    meter_take(&principal->share, rates, part, hub->now_ms, updates, bytes);
    return meter_debt(&principal->share, rates);
}

static void tell_limit(struct hub *hub, const struct connection *connection, unsigned debt,
                       enum hub_limit updates, enum hub_limit bytes)
{
    if ((debt & DEBT_UPDATES) != 0) {
        limit_hit(hub, connection, updates);
    }
    if ((debt & DEBT_BYTES) != 0) {
        limit_hit(hub, connection, bytes);
    }
}

void rates_spend(struct hub *hub, struct connection *connection, size_t packets, size_t bytes)
{
    const struct hub_config *config = &hub->config;
    struct principal *principal = connection->principal;
    double updates = (double)packets;
    unsigned shared = DEBT_NONE;
    unsigned together = DEBT_NONE;
    meter_take(&connection->meter, &config->connection_rates, 1, hub->now_ms, updates,
               (double)bytes);
    unsigned own = meter_debt(&connection->meter, &config->connection_rates);
    if (limits(&config->principal_rates)) {
        meter_take(&principal->own, &config->principal_rates, 1, hub->now_ms, updates,
                   (double)bytes);
        together = meter_debt(&principal->own, &config->principal_rates);
    }
    if (limits(&config->hub_rates)) {
        if (packets > 0 && connection->greeted) { /* before, it may be another's */
            note_active(hub, principal);
        }
        shared = take_share(hub, principal, updates, (double)bytes);
    }
    if ((own | together | shared) == DEBT_NONE) {
        connection_resume(hub, connection, PAUSE_RATE);
    } else if ((connection->paused & PAUSE_RATE) == 0) {
        tell_limit(hub, connection, own, HUB_LIMIT_UPDATES, HUB_LIMIT_BYTES);
        tell_limit(hub, connection, together, HUB_LIMIT_PRINCIPAL_UPDATES,
                   HUB_LIMIT_PRINCIPAL_BYTES);
        tell_limit(hub, connection, shared, HUB_LIMIT_HUB_UPDATES, HUB_LIMIT_HUB_BYTES);
        connection_pause(hub, connection, PAUSE_RATE);
        connections_sweep_by(hub, hub->now_ms); /* which looks whether it is paid */
    }
}
