/* What comes: acknowledgements, deliveries, and how far everybody is. */
#include "tests/bench/load/fail.h"
#include "tests/bench/load/load.h"

static void marks_add(struct marks *marks, struct mark mark)
{
    if (marks->length == marks->capacity) {
        marks->capacity = marks->capacity * 2 + 1024;
        marks->items = reallocate(marks->items, marks->capacity * sizeof *marks->items);
    }
    marks->items[marks->length++] = mark;
}

static void take_ack(struct client *client, const struct heard_ack *ack)
{
    size_t streams = load.options.streams;
    size_t stream = streams == 1 ? 0 : (size_t)ack->stream - 1;
    size_t *rounds = &client->acked_rounds[stream];
    for (; *rounds < (size_t)ack->seq / load.options.edits; ++*rounds) {
        size_t index = *rounds * streams + stream;
        latencies_add(&load.ack_latencies, load.now_ns - client->sent_ns[index]);
        client->acked++;
        load.acked++;
    }
    if (streams > 1) {
        return;
    }
    uint64_t *last_position =
        &load.last_positions[(size_t)(client - load.clients) % load.options.groups];
    if (ack->position > *last_position) {
        *last_position = ack->position;
    }
    if (has_one_writer()) {
        marks_add(&load.positions, (struct mark){ack->position, client->acked});
    }
}

static void take_confirmed(struct client *client, size_t count)
{
    for (size_t i = 0; i < count && client->acked < client->sent; i++, load.acked++) {
        latencies_add(&load.ack_latencies, load.now_ns - client->sent_ns[client->acked++]);
    }
}

static void make_ready(struct client *client)
{
    client->ready = true;
    load.ready++;
    load.connecting--;
}

static void note_reached(const struct client *client, const struct heard *heard)
{
    uint64_t *reached = &load.reached[client - load.clients];
    uint64_t before = *reached;
    *reached = heard->position != 0 ? heard->position : before + heard->updates;
    if (before == load.lowest && *reached > before && is_subscriber(client)) {
        load.at_lowest--;
    }
}

void on_frame(void *context, struct bytes payload)
{
    struct client *client = context;
    struct heard *heard = &load.heard;
    dialect_hear(load.plan.dialect, payload, heard);
    load.messages++;
    load.bytes += payload.length;
    load.refused += heard->refused;
    for (size_t i = 0; i < heard->ack_length; i++) {
        take_ack(client, &heard->acks[i]);
    }
    take_confirmed(client, heard->confirmed);
    if (heard->answer_length > 0) {
        uint8_t head[14];
        socket_send(&client->socket, head, frame_head(head, heard->answer_length));
        socket_send(&client->socket, heard->answer, heard->answer_length);
    }
    note_reached(client, heard);
    client->joined += heard->joined;
    /* The hub answers with WELCOME and an OPENED for each document. */
    int answers = load.plan.dialect == DIALECT_SYNCLINE ? (int)load.options.streams + 1 : 1;
    if (!client->ready && client->joined >= answers) {
        make_ready(client);
    }
    send_next(client);
}

void on_opened(void *context)
{
    struct client *client = context;
    const struct frames *join = &client->plan->join;
    socket_send(&client->socket, join->bytes, frames_end(join, join->length));
    if (load.plan.dialect == DIALECT_COUNT) {
        make_ready(client);
    }
}

bool naps(const struct client *client)
{
    return load.options.nap_ns > 0 && client->plan->updates.length == 0;
}

void fall_asleep(struct client *client)
{
    if (naps(client) && load.phase >= PHASE_SEND &&
        load.reached[client - load.clients] >= client->goal) {
        client->wakes_ns = load.now_ns + load.options.nap_ns;
        socket_sleep(&client->socket, true);
    }
}

void wake_those_due(void)
{
    for (size_t i = 0; load.options.nap_ns > 0 && i < load.plan.length; i++) {
        struct client *client = &load.clients[i];
        if (client->socket.asleep && load.now_ns >= client->wakes_ns) {
            client->goal = load.last_positions[i % load.options.groups];
            socket_sleep(&client->socket, false);
        }
    }
}

void find_lowest(void)
{
    load.lowest = UINT64_MAX;
    for (size_t i = 0; i < load.plan.length; i++) {
        uint64_t reached = load.reached[i];
        if (is_subscriber(&load.clients[i]) && reached <= load.lowest) {
            load.at_lowest = reached < load.lowest ? 1 : load.at_lowest + 1;
            load.lowest = reached;
        }
    }
}

static void note_everywhere(size_t updates)
{
    const struct client *writer = &load.clients[0];
    for (; load.everywhere < updates; load.everywhere++) {
        latencies_add(&load.all_latencies, load.now_ns - writer->sent_ns[load.everywhere]);
    }
}

void follow(void)
{
    if (load.plan.dialect == DIALECT_SYNCLINE && !has_one_writer()) {
        return; /* positions tell what all have */
    }
    if (load.at_lowest == 0) {
        find_lowest();
    }
    if (!has_one_writer() || load.phase < PHASE_SEND) {
        return;
    }
    if (load.plan.dialect != DIALECT_SYNCLINE) {
        size_t lowest = (size_t)load.lowest / load.options.edits;
        note_everywhere(lowest < load.sent ? lowest : load.sent);
        return;
    }
    while (load.told < load.positions.length &&
           load.positions.items[load.told].position <= load.lowest) {
        note_everywhere((size_t)load.positions.items[load.told++].value);
    }
}
