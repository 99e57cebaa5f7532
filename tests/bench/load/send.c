/* What is sent, and when. */
#include "tests/bench/load/load.h"

static size_t under_way(const struct client *client)
{
    if (load.options.until_all) {
        return load.sent - load.everywhere;
    }
    return client->sent - client->acked;
}

static size_t due(const struct client *client)
{
    size_t left = client->plan->updates.length - client->sent;
    size_t wanted;
    if (load.options.rate > 0) {
        double elapsed = (double)(load.now_ns - load.send_ns) / 1e9;
        size_t until_now = (size_t)(elapsed * load.options.rate);
        wanted = until_now > client->sent ? until_now - client->sent : 0;
    } else {
        size_t busy = under_way(client);
        wanted = load.options.window > busy ? load.options.window - busy : 0;
    }
    return wanted < left ? wanted : left;
}

/* Whether an acknowledgement is what a client waits for before it says more: then nobody else need
 * be looked at, of whom there may be many thousands. */
static bool waits_for_acks(void) { return load.options.rate == 0 && !load.options.until_all; }

static void send_due(struct client *client)
{
    const struct frames *updates = &client->plan->updates;
    size_t count = due(client);
    if (count == 0) {
        return;
    }
    size_t start = frames_end(updates, client->sent);
    for (size_t i = 0; i < count; i++) {
        /* When it should have been sent: a generator that is late counts against the server. */
        size_t index = client->sent + i;
        client->sent_ns[index] =
            load.options.rate > 0
                ? load.send_ns + (uint64_t)((double)(index + 1) / load.options.rate * 1e9)
                : load.now_ns;
    }
    client->sent += count;
    load.sent += count;
    socket_send(&client->socket, updates->bytes + start, frames_end(updates, client->sent) - start);
}

void send_all_due(void)
{
    size_t writers = has_one_writer() ? 1 : load.plan.length;
    for (size_t i = 0; i < writers; i++) {
        if (load.clients[i].ready) {
            send_due(&load.clients[i]);
        }
    }
}

void send_next(struct client *client)
{
    bool begun = load.phase == PHASE_SEND || (load.phase == PHASE_JOIN && load.options.storm);
    if (waits_for_acks() && begun && client->ready) {
        send_due(client);
    }
}

void send_by_the_clock(void)
{
    if (!waits_for_acks()) {
        send_all_due();
    }
}
