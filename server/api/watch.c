/*
 * Watches: a document's values as server-sent events. A stream of the hub tells that something has
 * changed; the values are then asked for, those that changed since the last event. So a reader who
 * is slow gets what stands when there is room, never a backlog, and costs no copy of the document.
 *
 * An event's id is the journal's and the position: who comes back with it as Last-Event-ID is told
 * what changed since, or everything if the journal is another one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/state.h"

enum { ID_BYTES = 48 };

static const char retry[] = "retry: 2000\n";

static void id_format(const struct errand *errand, uint64_t position, char text[ID_BYTES])
{
    const uint8_t *journal = errand->journal.bytes;
    (void)snprintf(text, ID_BYTES, "%02x%02x%02x%02x-%" PRIu64, journal[0], journal[1], journal[2],
                   journal[3], position);
}

/* 0: nothing that was seen counts here. */
static uint64_t position_seen(const struct errand *errand)
{
    char text[ID_BYTES];
    const char *dash = strchr(errand->last_event, '-');
    uint64_t position = dash == NULL ? 0 : strtoull(dash + 1, NULL, 10);
    id_format(errand, position, text);
    return strcmp(text, errand->last_event) == 0 ? position : 0;
}

static size_t count_watches(const struct errand *errand)
{
    const struct table *table = &errand->api->by_connection;
    size_t count = 0;
    for (uint32_t i = 0; i < table->length; i++) {
        const struct errand *other = table->places[i].item;
        count += other->target.action == API_WATCH && !other->over &&
                 strcmp(other->principal, errand->principal) == 0;
    }
    return count;
}

static void ask(struct errand *errand)
{
    errand->watch.asking = true;
    errand->watch.changed = false;
    errand_call_values(errand, false, errand->watch.position);
}

void watch_begin(struct errand *errand)
{
    const struct api_config *config = &errand->api->config;
    bool somebody = errand->principal[0] != '\0';
    errand->api->watches++;
    errand->watch.counted = true;
    if (errand->api->watches > config->bounds.watches ||
        (somebody && count_watches(errand) > config->bounds.principal_watches)) {
        errand_refuse(errand, PROBLEM_TOO_MANY_WATCHES, NULL);
        return;
    }
    errand->watch.position = position_seen(errand);
    ask(errand);
}

/* --- events --- */

static void append(struct buffer *buffer, const char *text, bool *good)
{
    *good = *good && buffer_append(buffer, text, strlen(text)) == PROTOCOL_OK;
}

static void give(struct errand *errand, struct bytes piece, bool last)
{
    const struct api_config *config = &errand->api->config;
    errand->watch.full = true;
    if (errand->watch.begun) {
        config->answer_more(config->context, errand->id, piece, last);
        return;
    }
    struct net_header headers[] = {{"x-request-id", errand->request_id},
                                   {"x-accel-buffering", "no"}}; /* of nginx */
    struct net_answer answer = {.code = 200,
                                .type = "text/event-stream",
                                .headers = headers,
                                .header_count = sizeof headers / sizeof *headers,
                                .body = piece,
                                .more = true};
    errand->watch.begun = true;
    config->answer(config->context, errand->id, &answer);
}

/* `name` NULL: a message. The JSON has no line feed but its last. */
static bool write_event(struct buffer *buffer, const char *name, const char *id, struct bytes json)
{
    bool good = true;
    while (json.length > 0 && json.data[json.length - 1] == '\n') {
        json.length--;
    }
    if (id != NULL) {
        append(buffer, "id: ", &good);
        append(buffer, id, &good);
        append(buffer, "\n", &good);
    }
    if (name != NULL) {
        append(buffer, "event: ", &good);
        append(buffer, name, &good);
        append(buffer, "\n", &good);
    }
    append(buffer, "data: ", &good);
    good = good && buffer_append(buffer, json.data, json.length) == PROTOCOL_OK;
    append(buffer, "\n\n", &good);
    return good;
}

void watch_end(struct errand *errand, const char *event, struct bytes json)
{
    struct buffer buffer;
    buffer_init(&buffer, LIMIT_MESSAGE_BYTES);
    bool good = write_event(&buffer, event, NULL, json);
    give(errand, good ? buffer_bytes(&buffer) : (struct bytes){0}, true);
    errand_over(errand);
    buffer_finish(&buffer);
}

static void tell(struct errand *errand, struct bytes result, bool first)
{
    char id[ID_BYTES];
    uint64_t position = 0;
    struct buffer json;
    struct buffer event;
    bool good = true;
    buffer_init(&json, LIMIT_BODY_BYTES);
    buffer_init(&event, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&json);
    good = answer_write_values(errand, result, &writer, &position);
    id_format(errand, position, id);
    append(&event, first ? retry : "", &good);
    good = good && write_event(&event, NULL, id, buffer_bytes(&json));
    if (good) {
        errand->watch.position = position;
        give(errand, buffer_bytes(&event), false);
    } else {
        errand_refuse(errand, PROBLEM_NO_MEMORY, NULL);
    }
    buffer_finish(&json);
    buffer_finish(&event);
}

static void give_text(struct errand *errand, const char *text)
{
    give(errand, bytes_of_text(text), false);
}

static void go_on(struct errand *errand)
{
    struct api_watch *watch = &errand->watch;
    if (!errand->over && watch->changed && !watch->asking && !watch->full) {
        ask(errand);
    }
}

void watch_take_values(struct errand *errand, struct bytes result)
{
    struct reader reader;
    uint64_t position;
    struct api_watch *watch = &errand->watch;
    bool first = !watch->begun;
    size_t told = told_begin(result, &reader, &position);
    watch->asking = false;
    if (position < watch->position) { /* an id that this journal never gave */
        watch->position = 0;
        ask(errand);
        return;
    }
    if (told > 0) {
        tell(errand, result, first);
    } else if (first) {
        give_text(errand, "retry: 2000\n\n");
    }
    if (first && !errand->over) {
        errand->position = position;
        errand->replica = errand_make_replica(errand);
        errand_open(errand);
    }
    go_on(errand);
}

/* --- what the hub's stream says --- */

static bool is_goaway(const struct packet *packet)
{
    static const char name[] = "goaway";
    return packet->kind == PACKET_EVENT &&
           bytes_equal(packet->call.name, (struct bytes){(const uint8_t *)name, sizeof name - 1});
}

void watch_take_packet(struct errand *errand, const struct packet *packet)
{
    struct api_watch *watch = &errand->watch;
    bool told = packet->kind == PACKET_UPDATE || packet->kind == PACKET_SNAPSHOT;
    if (told && packet->content.to > watch->position) {
        watch->changed = true;
        go_on(errand);
    } else if (packet->kind == PACKET_PING && watch->begun && !watch->full) {
        give_text(errand, ": still here\n\n");
    } else if (is_goaway(packet)) {
        errand_refuse(errand, PROBLEM_UNAVAILABLE, "The hub stops; come back.");
    }
}

void watch_writable(struct errand *errand)
{
    errand->watch.full = false;
    go_on(errand);
}
