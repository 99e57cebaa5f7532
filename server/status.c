#include "server/status.h"

#include <inttypes.h>
#include <stdio.h>

static void answer(struct loop *loop, const struct net_request *request, bool readiness)
{
    struct hub_stats stats;
    struct net_stats net;
    char text[512];
    hub_stats(loop->hub, &stats);
    net_stats(loop->net, &net);
    bool ready = !stats.read_only && !stats.draining;
    (void)snprintf(text, sizeof text,
                   "{\"status\":\"%s\",\"position\":%" PRIu64 ",\"connections\":%zu,"
                   "\"streams\":%zu,\"documents\":%zu,\"memory_bytes\":%zu,\"buffer_bytes\":%zu,"
                   "\"handshakes\":%zu,\"handshakes_cut\":%" PRIu64 ",\"overfull\":%" PRIu64
                   ",\"read_only\":%s}\n",
                   ready ? "ok" : (stats.read_only ? "read-only" : "draining"), stats.position,
                   stats.connections, stats.streams, stats.documents, stats.memory_bytes,
                   stats.answer_bytes + stats.held_bytes + net.gathered_bytes + net.unsent_bytes,
                   net.handshakes, net.handshakes_cut, net.overfull,
                   stats.read_only ? "true" : "false");
    struct net_answer reply = {
        .code = readiness && !ready ? 503 : 200,
        .type = "application/json",
        .body = bytes_of_text(text),
    };
    net_answer(loop->net, request->id, &reply);
}

void status_health(struct loop *loop, const struct net_request *request)
{
    answer(loop, request, false);
}

void status_ready(struct loop *loop, const struct net_request *request)
{
    answer(loop, request, true);
}
