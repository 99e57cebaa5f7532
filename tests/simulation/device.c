#include "tests/simulation/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/edits.h"
#include "crdt/counter.h"
#include "tests/support/declared.h"

static const char document_name[] = "all/1";

enum { SKEWS = 5, SKEW_MS = 30000, WORDS_MAX = 6 };

/* In the order of history_write. */
static const struct {
    const char *name;
    const char *type;
    const char *options;
} fields[] = {
    {"likes", "g-counter", "{}"},
    {"points", "pn-counter", "{}"},
    {"stock", "bounded-counter", "{\"min\":0,\"max\":20}" /* HISTORY_STOCK_MAX */},
    {"seen", "g-set", "{\"of\":\"int\"}"},
    {"tags", "or-set", "{\"of\":\"string\"}"},
    {"cart", "map", "{\"of\":[\"pn-counter\",{}]}"},
    {"name", "lww-register", "{\"of\":\"string\"}"},
    {"note", "mv-register", "{\"of\":\"any\"}"},
    {"open", "flag", "{\"wins\":\"disable\"}"},
};

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void device_declare(struct schema_set *schemas)
{
    struct schema *schema = schema_set_add(schemas, text_bytes("all"));
    for (size_t i = 0; schema != NULL && i < sizeof fields / sizeof *fields; i++) {
        struct schema_field *added = schema_add_field(schema, text_bytes(fields[i].name));
        if (added == NULL) {
            abort();
        }
        added->declared = declared(fields[i].type, fields[i].options);
    }
}

static struct replica_id mint(const struct device *device, struct random *random)
{
    uint8_t bytes[REPLICA_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)random_next(random);
    }
    return replica_id_make(device->host->now_ms, bytes);
}

static void begin(struct device *device, struct random *random)
{
    struct replica_id replica = mint(device, random);
    session_init(&device->session, document_name, &replica);
    device->wire = HOST_WIRES;
    device->resend_ms = 0;
    device->welcomed = false;
}

void device_init(struct device *device, unsigned number, struct host *host, struct history *history,
                 struct random *random)
{
    *device = (struct device){.number = number, .host = host, .history = history};
    device->skew_ms = ((int64_t)random_below(random, SKEWS) - SKEWS / 2) * SKEW_MS;
    buffer_init(&device->saved, LIMIT_BODY_BYTES);
    buffer_init(&device->older, LIMIT_BODY_BYTES);
    buffer_init(&device->message, LIMIT_BODY_BYTES);
    begin(device, random);
}

void device_finish(struct device *device)
{
    device_leave(device, false);
    session_finish(&device->session);
    buffer_finish(&device->saved);
    buffer_finish(&device->older);
    buffer_finish(&device->message);
}

/* --- the store --- */

static void copy(struct buffer *to, const struct buffer *from)
{
    buffer_clear(to);
    if (from->length > 0 && buffer_append(to, from->data, from->length) != PROTOCOL_OK) {
        abort();
    }
}

static void save(struct device *device)
{
    device->unsaved = false;
    if (device->session.declared) {
        buffer_clear(&device->saved);
        struct writer writer = writer_to(&device->saved);
        session_save(&device->session, &writer);
    }
}

static void load(struct device *device, const struct buffer *saved, struct random *random)
{
    device_leave(device, false);
    session_finish(&device->session);
    begin(device, random);
    device->likes = device->unsaved ? 0 : device->likes; /* some that were shown were not saved */
    device->unsaved = false;
    if (saved->length > 0 && session_load(&device->session, buffer_bytes(saved)) != SESSION_OK) {
        host_violation(device->host, "device %u cannot load what it has saved", device->number);
    }
}

void device_restart(struct device *device, struct random *random)
{
    load(device, &device->saved, random);
}

void device_remember(struct device *device) { copy(&device->older, &device->saved); }

void device_roll_back(struct device *device, struct random *random)
{
    copy(&device->saved, &device->older);
    load(device, &device->saved, random);
    device->likes = 0; /* what was shown may be gone with what was saved */
}

void device_copy(struct device *device, const struct device *other, struct random *random)
{
    copy(&device->saved, &other->saved);
    load(device, &device->saved, random);
    device->likes = 0;
}

/* --- edits --- */

static size_t split(char *text, const char **words)
{
    size_t length = 0;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        words[length++] = word;
    }
    return length;
}

/* Field and words, as on a command line; false: the edit was not possible. */
static bool make(struct device *device, const char *text)
{
    char line[128];
    const char *words[WORDS_MAX] = {0};
    (void)snprintf(line, sizeof line, "%s", text);
    size_t length = split(line, words);
    const struct edit edit = {.verb = words[1], .values = words + 2, .length = length - 2};
    session_set_time(&device->session, (uint64_t)((int64_t)device->host->now_ms + device->skew_ms));
    enum session_status status = session_edit(&device->session, words[0], &edit);
    if (status != SESSION_OK && status != SESSION_OUT_OF_BOUNDS) {
        host_violation(device->host, "device %u: %s: %s", device->number, text,
                       session_status_text(status));
    }
    return status == SESSION_OK;
}

static struct history_edit plan(const struct device *device, struct random *random, char *text,
                                size_t size)
{
    struct history_edit edit = {.kind = (enum history_kind)random_below(random, HISTORY_OTHER + 3)};
    int64_t sign = random_once_in(random, 2) ? -1 : 1;
    edit.amount = (int64_t)random_below(random, 5) + 1;
    edit.element = 0;
    switch (edit.kind) {
    case HISTORY_LIKES:
        (void)snprintf(text, size, "likes increment %" PRId64, edit.amount);
        return edit;
    case HISTORY_POINTS:
    case HISTORY_STOCK:
        (void)snprintf(text, size, "%s %s %" PRId64,
                       edit.kind == HISTORY_STOCK ? "stock" : "points",
                       sign < 0 ? "decrement" : "increment", edit.amount);
        edit.amount *= sign;
        return edit;
    case HISTORY_SEEN:
        edit.element = device->history->length + 1;
        (void)snprintf(text, size, "seen add %" PRIu64, edit.element);
        return edit;
    case HISTORY_TAG:
    case HISTORY_UNTAG:
        edit.element = random_below(random, HISTORY_TAGS);
        (void)snprintf(text, size, "tags %s t%" PRIu64, edit.kind == HISTORY_TAG ? "add" : "remove",
                       edit.element);
        return edit;
    case HISTORY_CART:
        edit.element = random_below(random, 4);
        (void)snprintf(text, size, "cart put k%" PRIu64 " %s %" PRId64, edit.element,
                       sign < 0 ? "decrement" : "increment", edit.amount);
        edit.amount *= sign;
        return edit;
    case HISTORY_OTHER:
        break;
    }
    edit.kind = HISTORY_OTHER;
    switch (random_below(random, 3)) {
    case 0:
        (void)snprintf(text, size, "name set a%" PRId64, edit.amount);
        return edit;
    case 1:
        (void)snprintf(text, size, "note set %" PRId64, edit.amount);
        return edit;
    default:
        (void)snprintf(text, size, "open %s", sign < 0 ? "disable" : "enable");
        return edit;
    }
}

/* What the device has of others, and what waits on it. */
static void note_seen(const struct device *device, struct history_edit *edit)
{
    const struct session *session = &device->session;
    edit->cursor = session->has_cursor ? session->cursor : 0;
    for (size_t i = 0; i < session->length && edit->seen_length < HISTORY_SEEN_MAX; i++) {
        edit->seen[edit->seen_length++] =
            (struct history_seen){session->outboxes[i].replica, session->outboxes[i].seq};
    }
}

/* Likes only grow: what was shown is never taken back, neither others' nor one's own that wait. */
static void look(struct device *device)
{
    struct crdt_field *view = device->session.declared ? session_view(&device->session, 0) : NULL;
    if (view == NULL) {
        return;
    }
    int64_t likes = ((const struct crdt_counter *)view)->total;
    if (likes < device->likes) {
        host_violation(device->host, "device %u was shown %" PRId64 " likes, and now %" PRId64,
                       device->number, device->likes, likes);
    }
    device->likes = likes;
    view->type->destroy(view);
}

void device_edit(struct device *device, struct random *random)
{
    char text[128];
    if (!device->session.declared) {
        return;
    }
    struct history_edit edit = plan(device, random, text, sizeof text);
    if (make(device, text)) {
        const struct outbox *own = &device->session.outboxes[device->session.length - 1];
        edit.replica = own->replica;
        edit.seq = own->seq;
        note_seen(device, &edit);
        history_add(device->history, &edit);
        device->unsaved = true;
        if (random_below(random, 4) > 0) { /* else with the next, or before it is sent */
            save(device);
        }
        look(device);
    }
}

/* --- the connection --- */

static void say(struct device *device, struct buffer *message)
{
    if (message->length > 0) {
        host_say(device->host, device->wire, buffer_bytes(message));
    }
    buffer_clear(message);
}

static void say_packet(struct device *device, const struct packet *packet)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    packet_write(&writer, packet);
    say(device, &bytes);
    buffer_finish(&bytes);
}

static void open(struct device *device)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    session_open(&device->session, ++device->last_id, &device->journal, &writer);
    say(device, &bytes);
    buffer_finish(&bytes);
}

void device_connect(struct device *device)
{
    const struct packet hello = {.kind = PACKET_HELLO, .hello = {.version = PROTOCOL_VERSION}};
    if (device->wire != HOST_WIRES) {
        return;
    }
    device->wire = host_connect(device->host);
    if (device->wire != HOST_WIRES) {
        device->last_id = 0;
        device->resend_ms = 0;
        say_packet(device, &hello);
    }
}

void device_leave(struct device *device, bool loses)
{
    if (device->wire != HOST_WIRES) {
        buffer_clear(&device->message); /* its ids mean nothing elsewhere */
        host_leave(device->host, device->wire, loses);
        device->wire = HOST_WIRES;
        device->welcomed = false;
        session_disconnect(&device->session);
    }
}

void device_send(struct device *device)
{
    bool more = device->welcomed && device->host->now_ms >= device->resend_ms;
    struct buffer bytes;
    if (more && device->resend_ms != 0) {
        device->resend_ms = 0;
        session_resend(&device->session);
        if (device->session.stream == 0) {
            open(device);
        }
    }
    if (more && device->unsaved) {
        save(device);
    }
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    while (more) {
        struct writer writer = writer_to(&bytes);
        more = session_send(&device->session, &writer);
        if (bytes.length > 0) {
            copy(&device->message, &bytes);
        }
        say(device, &bytes);
    }
    buffer_finish(&bytes);
}

void device_repeat(struct device *device)
{
    if (device->welcomed && device->message.length > 0) {
        host_say(device->host, device->wire, buffer_bytes(&device->message));
    }
}

/* --- what the hub says --- */

static const struct replica_id *named(const struct device *device,
                                      const struct packet_replica *replica)
{
    const struct session *session = &device->session;
    if (!replica->own) {
        return &replica->id;
    }
    return session->named_length == 0 ? &session->replica : &session->named[0];
}

static void note_answer(struct device *device, const struct packet *packet)
{
    if (packet->kind == PACKET_ACK) {
        history_acked(device->history, named(device, &packet->ack.replica), packet->ack.seq);
    } else if (packet->kind == PACKET_REJECT) {
        history_told(device->history, named(device, &packet->reject.replica), packet->reject.seq);
    }
}

static void on_closed(struct device *device, const struct session_news *news)
{
    if (strcmp(news->code, "UNAVAILABLE") == 0) {
        device_leave(device, false);
    } else {
        host_violation(device->host, "device %u: its stream is closed: %s", device->number,
                       news->code);
    }
}

static void on_document(struct device *device, const struct packet *packet)
{
    struct session_news news;
    session_set_time(&device->session, (uint64_t)((int64_t)device->host->now_ms + device->skew_ms));
    note_answer(device, packet);
    enum session_status status = session_receive(&device->session, packet, &news);
    if (status != SESSION_OK) {
        host_violation(device->host, "device %u: %s", device->number, session_status_text(status));
        return;
    }
    look(device);
    if (news.changed) {
        save(device);
    }
    if (news.stuck) { /* nothing is ever retired or restored here */
        host_violation(device->host, "device %u: the hub can never take what it holds",
                       device->number);
    } else if (news.closed) {
        on_closed(device, &news);
    } else if (news.error && news.retry_ms != 0) {
        device->resend_ms = device->host->now_ms + news.retry_ms;
    } else if (news.error) {
        host_violation(device->host, "device %u: %s: %s", device->number, news.code, news.text);
    }
}

/* What comes late for a stream that was closed is nobody's. */
static bool is_of_stream(const struct device *device, const struct packet *packet)
{
    const struct session *session = &device->session;
    return packet_kind_text(packet->kind) != NULL &&
           (packet->id == session->stream ||
            (packet->id < 0 && packet->id == session->transferring.transfer));
}

static void on_packet(struct device *device, const struct packet *packet)
{
    const struct packet pong = {.kind = PACKET_PONG, .number = packet->number};
    switch (packet->kind) {
    case PACKET_WELCOME:
        device->journal = packet->welcome.journal;
        device->welcomed = true;
        open(device);
        return;
    case PACKET_PING:
        say_packet(device, &pong);
        return;
    case PACKET_EVENT:
        return;
    default:
        if (packet->id == 0) {
            host_violation(device->host, "device %u is refused", device->number);
        } else if (is_of_stream(device, packet)) {
            on_document(device, packet);
        }
    }
}

bool device_receive(struct device *device)
{
    struct bytes message;
    struct packet packet;
    if (device->wire == HOST_WIRES) {
        return false;
    }
    if (!host_hear(device->host, device->wire, &message)) {
        if (!device->host->wires[device->wire].hub_is_there) {
            device_leave(device, false);
        }
        return false;
    }
    struct reader reader = reader_of(message);
    while (device->wire != HOST_WIRES && packet_read(&reader, &packet)) {
        on_packet(device, &packet);
    }
    if (device->wire == HOST_WIRES) {
        return true;
    }
    if (!reader_ok(&reader)) {
        host_violation(device->host, "device %u is sent what is no packet", device->number);
    }
    host_heard(device->host, device->wire);
    return true;
}

/* --- looking --- */

bool device_is_settled(const struct device *device)
{
    return device->welcomed && device->session.arrived && session_pending(&device->session) == 0;
}

void device_show(const struct device *device, struct buffer *text)
{
    buffer_clear(text);
    struct writer writer = writer_to(text);
    if (device->session.declared && session_json(&device->session, NULL, &writer) != SESSION_OK) {
        host_violation(device->host, "device %u cannot show its document", device->number);
    }
    write_raw(&writer, (struct bytes){(const uint8_t *)"", 1});
}
