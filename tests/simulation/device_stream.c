/* A device's stream: what is sent, and what the hub says. */
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/device.h"

static void keep_message(struct device *device, const struct buffer *message)
{
    buffer_clear(&device->message);
    if (buffer_append(&device->message, message->data, message->length) != PROTOCOL_OK) {
        abort();
    }
}

/* --- opening --- */

void device_open(struct device *device)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    session_open(&device->session, ++device->line->last_id, &device->line->journal, &writer);
    line_say(device->line, buffer_bytes(&bytes));
    buffer_finish(&bytes);
}

void device_connect(struct device *device, struct random *random)
{
    line_connect(device->line, random);
    if (device->line->welcomed && device->session.stream == 0 && device->resend_ms == 0) {
        device_open(device);
    }
}

void device_close(struct device *device)
{
    struct packet packet = {.kind = PACKET_CLOSE, .id = device->session.stream};
    if (device->line->length == 1) {
        line_leave(device->line, false);
    } else if (device->session.stream != 0) {
        line_say_packet(device->line, &packet);
        device_disconnected(device);
    }
}

void device_disconnected(struct device *device)
{
    buffer_clear(&device->message); /* its ids mean nothing elsewhere */
    device->resend_ms = 0;
    session_disconnect(&device->session);
}

/* --- sending --- */

static bool may_send(struct device *device)
{
    if (!device->line->welcomed || device->host->now_ms < device->resend_ms) {
        return false;
    }
    if (device->resend_ms != 0) {
        device->resend_ms = 0;
        device->host->happened[HAPPENED_RESEND]++;
        session_resend(&device->session);
        if (device->session.stream == 0) {
            device_open(device);
        }
    }
    return true;
}

static const struct replica_id *named(const struct device *device,
                                      const struct packet_replica *replica)
{
    const struct session *session = &device->session;
    if (!replica->own) {
        return &replica->id;
    }
    return session->named_length == 0 ? &session->replica : &session->named[0];
}

static void note_sent(const struct device *device, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct packet packet;
    while (packet_read(&reader, &packet)) {
        if (packet.kind == PACKET_DELTA) {
            history_sends(device->history, line_person(device->line),
                          named(device, &packet.update.replica), packet.update.last);
        }
    }
}

void device_send(struct device *device)
{
    struct buffer bytes;
    bool more = may_send(device);
    if (more && device->unsaved) {
        device_save(device);
    }
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    while (more) {
        struct writer writer = writer_to(&bytes);
        more = session_send(&device->session, &writer);
        if (bytes.length > 0) {
            keep_message(device, &bytes);
        }
        note_sent(device, buffer_bytes(&bytes));
        line_say(device->line, buffer_bytes(&bytes));
        buffer_clear(&bytes);
    }
    buffer_finish(&bytes);
}

void device_repeat(struct device *device)
{
    if (device->line->welcomed && device->message.length > 0) {
        device->host->happened[HAPPENED_REPEAT]++;
        line_say(device->line, buffer_bytes(&device->message));
    }
}

/* --- what the hub says --- */

/* Its user is told that the edits `first..last` are refused. */
static void report(struct device *device, const struct replica_id *replica, uint64_t first,
                   uint64_t last)
{
    struct device_note *notes = (struct device_note *)(void *)device->notes.data;
    size_t length = device->notes.length / sizeof *notes;
    device->host->happened[HAPPENED_REPORTED]++;
    for (size_t i = 0; i < length; i++) {
        if (notes[i].seq < first || notes[i].seq > last ||
            !history_same(&notes[i].replica, replica)) {
            continue;
        }
        if (notes[i].told) {
            host_violation(device->host, "device %u is told twice that its edit is refused",
                           device->number);
        }
        notes[i].told = true;
    }
}

/* What the ledger has of each replica that OPEN has named is as good as acknowledged. */
static void note_ledger(struct device *device, struct bytes ledger)
{
    struct reader reader = reader_of(ledger);
    size_t length = read_array(&reader, LIMIT_NAMED_REPLICAS);
    for (size_t i = 0; i < length && i < device->session.named_length; i++) {
        (void)read_tuple(&reader, 2);
        reader_skip(&reader, 1);
        history_acked(device->history, &device->line->journal, &device->session.named[i],
                      read_uint(&reader));
    }
}

/* Whether it is refused because the replica is another person's. */
static bool is_of_replica(const struct packet_reject *reject)
{
    static const uint8_t details[] = {0x81, 0xa7, 'r', 'e', 'p', 'l', 'i', 'c', 'a', 0xc3};
    return bytes_equal(reject->details, (struct bytes){details, sizeof details});
}

static void note_foreign(struct device *device, const struct replica_id *replica)
{
    device->history->foreign = true;
    device->host->happened[HAPPENED_FOREIGN]++;
    if (!history_may_be_foreign(device->history, line_person(device->line), replica)) {
        host_violation(device->host, "device %u is refused its own replica", device->number);
    }
}

static const struct outbox *box_of(const struct session *session, const struct replica_id *replica)
{
    for (size_t i = 0; i < session->length; i++) {
        if (history_same(&session->outboxes[i].replica, replica)) {
            return &session->outboxes[i];
        }
    }
    return NULL;
}

static bool has_named(const struct outbox *box, uint64_t last)
{
    bool named = false;
    for (size_t i = 0; i < box->length; i++) {
        named = named || (box->deltas[i].last == last && !box->deltas[i].rejected);
    }
    return named;
}

/* Its user is told of the updates that the REJECT takes of what waits: the one that it names, and,
 * if the replica is another's, all of them. */
static size_t report_rejected(struct device *device, const struct packet_reject *reject)
{
    const struct replica_id *replica = named(device, &reject->replica);
    const struct outbox *box = box_of(&device->session, replica);
    size_t reported = 0;
    for (size_t i = 0; box != NULL && has_named(box, reject->seq) && i < box->length; i++) {
        const struct delta *delta = &box->deltas[i];
        bool taken = is_of_replica(reject) ? delta->last > box->acked : delta->last == reject->seq;
        if (taken && !delta->rejected) {
            report(device, replica, delta->first, delta->last);
            reported++;
        }
    }
    return reported;
}

static void note_answer(struct device *device, const struct packet *packet)
{
    if (packet->kind == PACKET_END) {
        device->host->happened[HAPPENED_TRANSFER]++;
    } else if (packet->kind == PACKET_OPENED) {
        note_ledger(device, packet->opened.ledger);
    } else if (packet->kind == PACKET_ACK) {
        history_acked(device->history, &device->line->journal, named(device, &packet->ack.replica),
                      packet->ack.seq);
    } else if (packet->kind == PACKET_REJECT && is_of_replica(&packet->reject)) {
        note_foreign(device, named(device, &packet->reject.replica));
    } else if (packet->kind == PACKET_REJECT) {
        history_told(device->history, &device->line->journal,
                     named(device, &packet->reject.replica), packet->reject.seq);
    } else if (packet->kind == PACKET_SNAPSHOT) {
        device->snapshot_bytes = packet->content.fields.data == NULL
                                     ? packet->content.bytes
                                     : packet->content.fields.length;
    }
}

static void on_closed(struct device *device, const struct session_news *news)
{
    if (strcmp(news->code, "UNAVAILABLE") == 0) {
        line_leave(device->line, false);
    } else if (strcmp(news->code, "SCHEMA_CHANGED") == 0) {
        device_open(device);
    } else if (strcmp(news->code, "REPLICA_IN_USE") == 0) {
        device_begin_again(device); /* an OPEN of its own has come late, on a line it has left */
    } else {
        host_violation(device->host, "device %u: its stream is closed: %s", device->number,
                       news->code);
    }
}

static void on_error(struct device *device, const struct session_news *news)
{
    if (news->retry_ms != 0) {
        device->host->happened[HAPPENED_READ_ONLY] += strcmp(news->code, "READ_ONLY") == 0;
        device->resend_ms = device->host->now_ms + news->retry_ms;
    } else {
        host_violation(device->host, "device %u: %s: %s", device->number, news->code, news->text);
    }
}

bool device_has_stream(const struct device *device, int64_t id)
{
    const struct session *session = &device->session;
    return (session->stream != 0 && id == session->stream) ||
           (id < 0 && id == session->transferring.transfer);
}

void device_take(struct device *device, const struct packet *packet)
{
    struct session_news news;
    session_set_time(&device->session, (uint64_t)((int64_t)device->host->now_ms + device->skew_ms));
    note_answer(device, packet);
    size_t rejected = packet->kind == PACKET_REJECT ? report_rejected(device, &packet->reject) : 0;
    enum session_status status = session_receive(&device->session, packet, &news);
    if (status != SESSION_OK) {
        host_violation(device->host, "device %u: %s", device->number, session_status_text(status));
        return;
    }
    if (strcmp(news.code, "FORBIDDEN") == 0) {
        device->likes = 0; /* its own that may not be */
    }
    device_look(device);
    if (news.rejected != rejected) {
        host_violation(device->host, "device %u tells of %zu refusals, and not of %zu",
                       device->number, news.rejected, rejected);
    }
    if (news.changed) {
        device_save(device);
    }
    if (news.stuck) {
        device_move(device);
    } else if (news.closed) {
        on_closed(device, &news);
    } else if (news.error) {
        on_error(device, &news);
    }
}

bool device_is_settled(const struct device *device)
{
    return device->line->welcomed && device->session.arrived &&
           session_pending(&device->session) == 0;
}
