/* The network: what is under way between the hub and its clients. */
#include "tests/simulation/host_network.h"

void host_end_wire(struct wire *wire)
{
    wire_clear(&wire->to_hub);
    wire->hub_is_there = false;
    wire->blocked = wire->paused = false;
    if (!wire->client_is_there) {
        wire_clear(&wire->to_client);
        *wire = (struct wire){0};
    }
}

size_t host_connect(struct host *host)
{
    size_t i = 0;
    while (i < HOST_WIRES && host->wires[i].connection != 0) {
        i++;
    }
    if (i < HOST_WIRES && host->hub != NULL) {
        struct wire *wire = &host->wires[i];
        *wire = (struct wire){
            .connection = ++host->connections, .client_is_there = true, .hub_is_there = true};
        host->happened[HAPPENED_RECONNECT]++;
        host_step(host,
                  (struct hub_event){.kind = EVENT_CONNECTED, .connection = wire->connection});
        return i;
    }
    return HOST_WIRES;
}

void host_say(struct host *host, size_t index, struct bytes message)
{
    if (host->wires[index].hub_is_there) {
        wire_push(&host->wires[index].to_hub, message);
    }
}

bool host_hear(struct host *host, size_t index, struct bytes *message)
{
    return wire_peek(&host->wires[index].to_client, message);
}

void host_heard(struct host *host, size_t index)
{
    struct wire *wire = &host->wires[index];
    wire_pop(&wire->to_client);
    if (wire->blocked && wire->hub_is_there && wire->to_client.bytes < WIRE_ROOM_BYTES / 2) {
        wire->blocked = false;
        host_step(host, (struct hub_event){.kind = EVENT_WRITABLE, .connection = wire->connection});
    }
}

void host_leave(struct host *host, size_t index, bool loses)
{
    struct wire *wire = &host->wires[index];
    if (loses) {
        wire_clear(&wire->to_hub);
    }
    wire->client_is_there = false;
    wire_clear(&wire->to_client);
    if (!wire->hub_is_there) {
        host_end_wire(wire);
    }
}

bool host_deliver(struct host *host, size_t index)
{
    struct wire *wire = &host->wires[index];
    struct bytes message;
    if (!wire->hub_is_there || (wire->paused && wire->client_is_there && !wire->closing)) {
        return false;
    }
    if (!wire->closing && !wire->paused && wire_peek(&wire->to_hub, &message)) {
        host_step(host, (struct hub_event){.kind = EVENT_RECEIVED,
                                           .connection = wire->connection,
                                           .bytes = message});
        wire_pop(&wire->to_hub);
        return true;
    }
    if (wire->client_is_there && !wire->closing) {
        return false;
    }
    host_step(host, (struct hub_event){.kind = EVENT_DISCONNECTED, .connection = wire->connection});
    host_end_wire(wire);
    return true;
}
