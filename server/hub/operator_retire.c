/* An operator's call `retire`: the walk that retire.c makes now and then, at once. */
#include "server/hub/connections.h"
#include "server/hub/operator.h"
#include "server/hub/retire.h"
#include "server/hub/state.h"

enum { BUSY_RETRY_MS = 1000 };

void operator_retire(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    struct retire_call asked = {
        .connection = call->connection->id,
        .call = call->id,
        .idle_ms = operator_number(&call->values[0], hub->config.replica_ttl_ms),
        .dry = operator_number(&call->values[1], 0) == 1,
    };
    if (asked.idle_ms >= hub->now_ms) {
        operator_refuse(hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        "idle_ms reaches back before 1970.");
    } else if (hub->draining || hub->read_only) {
        operator_refuse(hub, call->connection, call->id, CODE_READ_ONLY,
                        "The hub cannot write now: try again when it can.");
    } else if (!retire_begin(hub, &asked)) {
        connection_error(hub, call->connection, call->id, CODE_BUSY, BUSY_RETRY_MS);
    }
}
