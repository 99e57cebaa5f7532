#include "tests/memory/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/edits.h"
#include "tests/memory/failing.h"

enum { WORDS_MAX = 128, EDIT_BYTES = 128 << 10, TRIES_MAX = 5000, RECONNECT_MS = 100 };

static struct replica_id mint(struct device *device)
{
    uint8_t bytes[REPLICA_BYTES] = {0};
    bytes[14] = (uint8_t)++device->lives;
    bytes[15] = (uint8_t)device->number;
    return replica_id_make(device->machine->now_ms, bytes);
}

static void begin(struct device *device)
{
    struct replica_id replica = mint(device);
    session_init(&device->session, device->name, &replica);
    device->line = MACHINE_LINES;
    device->welcomed = false;
    device->resend_ms = 0;
}

void device_init(struct device *device, struct machine *machine, unsigned number, const char *name,
                 const char *principal)
{
    *device =
        (struct device){.machine = machine, .number = number, .name = name, .principal = principal};
    buffer_init(&device->saved, SIZE_MAX / 2);
    begin(device);
}

void device_leave(struct device *device)
{
    if (device->line != MACHINE_LINES) {
        machine_leave(device->machine, device->line);
        device->line = MACHINE_LINES;
    }
    device->welcomed = false;
    session_disconnect(&device->session);
}

void device_finish(struct device *device)
{
    device_leave(device);
    session_finish(&device->session);
    buffer_finish(&device->saved);
}

/* A failure that memory does not explain. */
static void judge(struct device *device, const char *what, enum session_status status,
                  uint64_t failed_before)
{
    if (status != SESSION_OK &&
        (status != SESSION_NO_MEMORY || failing_failed() == failed_before)) {
        machine_violation(device->machine, "device %u: %s: %s%s", device->number, what,
                          session_status_text(status),
                          failing_failed() == failed_before ? "" : " (as memory has failed)");
    }
}

/* --- the store --- */

/* False: no memory, and the last copy stays. */
static bool save(struct device *device)
{
    struct buffer fresh;
    if (!device->session.declared) {
        return true;
    }
    buffer_init(&fresh, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&fresh);
    enum failing_room left = failing_enter(ROOM_CLIENT);
    session_save(&device->session, &writer);
    (void)failing_enter(left);
    bool good = writer.status == PROTOCOL_OK;
    if (good) {
        struct buffer old = device->saved;
        device->saved = fresh;
        fresh = old;
    }
    buffer_finish(&fresh);
    return good;
}

void device_restart(struct device *device)
{
    enum session_status status = SESSION_NO_MEMORY;
    device_leave(device);
    for (int i = 0; status != SESSION_OK && i < TRIES_MAX; i++) {
        uint64_t failed = failing_failed();
        session_finish(&device->session);
        begin(device);
        if (device->saved.length == 0) {
            return;
        }
        enum failing_room left = failing_enter(ROOM_CLIENT);
        status = session_load(&device->session, buffer_bytes(&device->saved));
        (void)failing_enter(left);
        judge(device, "what was saved", status, failed);
    }
}

/* --- edits --- */

static size_t split(char *text, const char **words)
{
    size_t length = 0;
    for (char *word = strtok(text, " "); word != NULL && length < WORDS_MAX;
         word = strtok(NULL, " ")) {
        words[length++] = word;
    }
    return length;
}

static bool try_edit(struct device *device, uint64_t now_ms, const char *field,
                     const struct edit *edit)
{
    uint64_t failed = failing_failed();
    session_set_time(&device->session, now_ms);
    enum failing_room left = failing_enter(ROOM_CLIENT);
    enum session_status status = session_edit(&device->session, field, edit);
    (void)failing_enter(left);
    if (status != SESSION_BAD_EDIT ||
        failing_failed() == failed) { /* edits have one word for both */
        judge(device, field, status, failed);
    }
    return status == SESSION_OK && save(device);
}

void device_edit(struct device *device, uint64_t now_ms, const char *text)
{
    static char line[EDIT_BYTES];
    const char *words[WORDS_MAX] = {0};
    (void)snprintf(line, sizeof line, "%s", text);
    size_t length = split(line, words);
    const struct edit edit = {.verb = words[1], .values = words + 2, .length = length - 2};
    for (int i = 0; i < TRIES_MAX && device->machine->violation[0] == '\0'; i++) {
        if (try_edit(device, now_ms, words[0], &edit)) {
            return;
        }
        device_restart(device);
    }
    machine_violation(device->machine, "device %u cannot edit", device->number);
}

/* --- the connection --- */

static bool say(struct device *device, struct buffer *message, enum protocol_status status)
{
    if (status == PROTOCOL_OK && message->length > 0) {
        machine_say(device->machine, device->line, buffer_bytes(message));
    }
    buffer_finish(message);
    return status == PROTOCOL_OK;
}

static bool say_packet(struct device *device, const struct packet *packet)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    enum failing_room left = failing_enter(ROOM_CLIENT);
    packet_write(&writer, packet);
    (void)failing_enter(left);
    return say(device, &bytes, writer.status);
}

static bool open(struct device *device)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    enum failing_room left = failing_enter(ROOM_CLIENT);
    session_open(&device->session, ++device->last_id, &device->journal, &writer);
    (void)failing_enter(left);
    return say(device, &bytes, writer.status);
}

static bool connect(struct device *device)
{
    struct packet hello = {.kind = PACKET_HELLO, .hello = {.version = PROTOCOL_VERSION}};
    hello.hello.token =
        (struct bytes){(const uint8_t *)device->principal, strlen(device->principal)};
    device->line = machine_connect(device->machine);
    if (device->line == MACHINE_LINES) {
        return false;
    }
    device->last_id = 0;
    return say_packet(device, &hello);
}

static bool send(struct device *device)
{
    bool more = device->welcomed && device->machine->now_ms >= device->resend_ms;
    bool good = true;
    if (more && device->resend_ms != 0) {
        device->resend_ms = 0;
        session_resend(&device->session);
        good = device->session.stream != 0 || open(device);
    }
    while (more && good) {
        struct buffer bytes;
        buffer_init(&bytes, LIMIT_BODY_BYTES);
        struct writer writer = writer_to(&bytes);
        enum failing_room left = failing_enter(ROOM_CLIENT);
        more = session_send(&device->session, &writer);
        (void)failing_enter(left);
        good = say(device, &bytes, writer.status);
    }
    return good;
}

/* --- what the hub says --- */

static void note_ack(struct device *device, const struct packet_replica *replica, uint64_t seq)
{
    const struct session *session = &device->session;
    struct replica_id id =
        replica->own && session->named_length > 0 ? session->named[0] : replica->id;
    size_t i = 0;
    while (i < device->acked_length && !replica_id_equal(&device->acked[i].replica, &id)) {
        i++;
    }
    if (i == DEVICE_ACKED_MAX) {
        return;
    }
    device->acked_length += i == device->acked_length;
    device->acked[i].replica = id;
    device->acked[i].seq = seq > device->acked[i].seq ? seq : device->acked[i].seq;
}

/* False: the device goes no further. */
static bool on_document(struct device *device, const struct packet *packet)
{
    struct session_news news;
    uint64_t failed = failing_failed();
    if (packet->kind == PACKET_ACK) {
        note_ack(device, &packet->ack.replica, packet->ack.seq);
    }
    session_set_time(&device->session, device->machine->now_ms);
    enum failing_room left = failing_enter(ROOM_CLIENT);
    enum session_status status = session_receive(&device->session, packet, &news);
    (void)failing_enter(left);
    judge(device, packet_kind_text(packet->kind), status, failed);
    device->rejected += news.rejected;
    if (status != SESSION_OK || (news.changed && !save(device))) {
        return false;
    }
    if (news.closed || (news.error && news.retry_ms != 0)) {
        device->resend_ms = device->machine->now_ms + RECONNECT_MS;
    } else if (news.error) {
        machine_violation(device->machine, "device %u: %s: %s", device->number, news.code,
                          news.text);
    }
    return true;
}

static bool is_of_stream(const struct device *device, const struct packet *packet)
{
    const struct session *session = &device->session;
    return packet_kind_text(packet->kind) != NULL &&
           (packet->id == session->stream ||
            (packet->id < 0 && packet->id == session->transferring.transfer));
}

static bool on_packet(struct device *device, const struct packet *packet)
{
    const struct packet pong = {.kind = PACKET_PONG, .number = packet->number};
    switch (packet->kind) {
    case PACKET_WELCOME:
        device->journal = packet->welcome.journal;
        device->welcomed = true;
        return open(device);
    case PACKET_PING:
        return say_packet(device, &pong);
    case PACKET_EVENT:
        return true;
    default:
        if (packet->id == 0) {
            device_leave(device); /* a hub that is short of memory ends what it cannot serve */
            return true;
        }
        return !is_of_stream(device, packet) || on_document(device, packet);
    }
}

/* False: the device goes no further. */
static bool take(struct device *device, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct packet packet;
    bool good = true;
    while (good && device->line != MACHINE_LINES && packet_read(&reader, &packet)) {
        good = on_packet(device, &packet);
    }
    if (!reader_ok(&reader)) {
        machine_violation(device->machine, "device %u is sent what is no packet", device->number);
    }
    return good;
}

static bool turn(struct device *device, bool *good)
{
    struct buffer message;
    if (device->line != MACHINE_LINES && !device->machine->lines[device->line].hub_is_there &&
        device->machine->lines[device->line].to_client.length == 0) {
        device_leave(device);
    }
    if (device->line == MACHINE_LINES) {
        *good = connect(device) || device->line == MACHINE_LINES;
        return device->line != MACHINE_LINES;
    }
    buffer_init(&message, SIZE_MAX / 2);
    bool heard = machine_hear(device->machine, device->line, &message);
    *good = !heard || take(device, buffer_bytes(&message));
    buffer_finish(&message);
    *good = *good && (device->line == MACHINE_LINES || send(device));
    return heard;
}

bool device_turn(struct device *device)
{
    bool good = true;
    bool busy = turn(device, &good);
    if (!good) {
        device_restart(device);
    }
    return busy || !good;
}

/* --- looking --- */

bool device_is_settled(const struct device *device)
{
    return device->welcomed && device->session.arrived && session_pending(&device->session) == 0;
}

void device_show(const struct device *device, struct buffer *text)
{
    struct writer writer = writer_to(text);
    if (session_json(&device->session, NULL, &writer) != SESSION_OK) {
        machine_violation(device->machine, "device %u cannot show its document", device->number);
    }
    write_raw(&writer, (struct bytes){(const uint8_t *)"\n", 1});
}
