/*
 * Latencies: from an update's arrival, and from its commit, to the moment at which an UPDATE that
 * tells of it was given to a subscriber's socket.
 *
 * A document notes the first update that its streams were not woken for, and a stream the first one
 * that it was woken for: what is told late, since its client is slow or one of a crowd, counts by
 * the oldest of what is told. All that one step sends of one arrival is one entry, so a thousand
 * subscribers cost a thousand increments.
 */
#include "server/hub/sent.h"

#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/histogram.h"
#include "server/hub/list.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

void batch_arrived(struct hub *hub, const struct batch *batch)
{
    for (size_t i = 0; i < batch->length; i++) {
        const struct batch_origin *origin = &batch->origins[i];
        if (origin->received_us != 0 && origin->document->arrival.received_us == 0) {
            origin->document->arrival = (struct arrival){origin->received_us, hub->now_us};
        }
    }
}

void batch_forgotten(const struct batch *batch)
{
    for (size_t i = 0; i < batch->length; i++) {
        struct document *document = batch->origins[i].document;
        if (!list_linked(&document->touched)) {
            document->arrival = (struct arrival){0};
        }
    }
}

void stream_arrive(struct stream *stream)
{
    if (stream->arrival.received_us == 0) {
        stream->arrival = stream->document->arrival;
    }
}

static void count(struct hub_counters *counters, const struct sent *sent, uint64_t now_us)
{
    /* A clock that two threads read may differ by a little. */
    uint64_t published_us =
        now_us > sent->arrival.durable_us ? now_us - sent->arrival.durable_us : 0;
    uint64_t whole_us = now_us > sent->arrival.received_us ? now_us - sent->arrival.received_us : 0;
    histogram_add(&counters->publish_us, published_us, sent->count);
    histogram_add(&counters->end_to_end_us, whole_us, sent->count);
}

void hub_sent(struct hub *hub, uint64_t now_us)
{
    for (size_t i = 0; i < hub->sent_length; i++) {
        count(&hub->counters, &hub->sent[i], now_us);
    }
    hub->sent_length = 0;
}

static void add(struct hub *hub, const struct arrival *arrival)
{
    struct sent *last = hub->sent_length == 0 ? NULL : &hub->sent[hub->sent_length - 1];
    if (last != NULL && last->arrival.received_us == arrival->received_us &&
        last->arrival.durable_us == arrival->durable_us) {
        last->count++;
        return;
    }
    if (hub->sent_length == SENT_MAX) {
        hub_sent(hub, hub->now_us);
    }
    hub->sent[hub->sent_length++] = (struct sent){*arrival, 1};
}

void stream_sent(struct hub *hub, struct stream *stream, bool news)
{
    /* The writer's own stream is not woken with the rest, but before them. */
    const struct arrival *arrival =
        stream->arrival.received_us != 0 ? &stream->arrival : &stream->document->arrival;
    if (news && arrival->received_us != 0) {
        add(hub, arrival);
    }
    stream->arrival = (struct arrival){0};
}
