#include "server/notes.h"

#include "server/log.h"

enum { GATE_MS = 10000 };

static struct bytes correlation_of(const struct hub_peer *peer)
{
    return bytes_of_text(peer->correlation);
}

void notes_closed(const struct hub *hub, const struct hub_effect *effect)
{
    struct hub_peer peer;
    (void)hub_peer(hub, effect->connection,
                   &peer); /* of one that was never let in nothing is known */
    log_event(LEVEL_INFO, "close",
              LOG_FIELDS(log_number("connection", effect->connection),
                         log_number("code", effect->code), log_sentence("reason", effect->text),
                         log_text("principal", peer.principal),
                         log_text("correlation", correlation_of(&peer))));
}

/* Who has not said HELLO is of no interest: a scan of ports, a health check. */
void notes_gone(const struct hub *hub, uint64_t connection)
{
    struct hub_peer peer;
    if (!hub_peer(hub, connection, &peer) || peer.closing) {
        return;
    }
    log_event(
        peer.greeted ? LEVEL_INFO : LEVEL_DEBUG, "gone",
        LOG_FIELDS(log_number("connection", connection), log_text("principal", peer.principal),
                   log_text("correlation", correlation_of(&peer)),
                   log_number("updates", peer.updates), log_number("received_bytes", peer.bytes_in),
                   log_number("sent_bytes", peer.bytes_out)));
}

void notes_token_refused(const struct hub *hub, uint64_t connection, const char *reason)
{
    struct hub_peer peer;
    (void)hub_peer(hub, connection, &peer);
    log_event(LEVEL_INFO, "token-refused",
              LOG_FIELDS(log_number("connection", connection), log_sentence("reason", reason),
                         log_text("principal", peer.principal),
                         log_text("correlation", correlation_of(&peer))));
}

static struct notes_gate *gate_of(struct notes *notes, const char *limit)
{
    size_t i = 0;
    while (i + 1 < HUB_LIMIT_COUNT && hub_limit_name((enum hub_limit)i) != limit) {
        i++;
    }
    return &notes->limits[i];
}

static void tell_limit(struct notes *notes, const struct hub_note *note,
                       const struct hub_peer *peer, uint64_t now_ms)
{
    struct notes_gate *gate = gate_of(notes, note->text);
    if (gate->told_ms != 0 && now_ms - gate->told_ms < GATE_MS) {
        gate->missed++;
        return;
    }
    log_event(LEVEL_WARNING, "limit",
              LOG_FIELDS(log_word("limit", note->text), log_number("connection", note->connection),
                         log_text("principal", peer->principal),
                         log_text("correlation", correlation_of(peer)),
                         log_number("unsaid", gate->missed)));
    *gate = (struct notes_gate){.told_ms = now_ms};
}

static void tell(struct notes *notes, const struct hub *hub, const struct hub_note *note,
                 uint64_t now_ms)
{
    struct hub_peer peer;
    (void)hub_peer(hub, note->connection, &peer);
    switch (note->kind) {
    case NOTE_LIMIT:
        tell_limit(notes, note, &peer, now_ms);
        return;
    case NOTE_GREETED:
        log_event(LEVEL_INFO, "open",
                  LOG_FIELDS(log_number("connection", note->connection),
                             log_text("principal", peer.principal), log_text("agent", peer.agent),
                             log_text("correlation", correlation_of(&peer))));
        return;
    case NOTE_ERROR:
        log_event(LEVEL_DEBUG, "error-sent",
                  LOG_FIELDS(log_number("connection", note->connection),
                             log_word("code", note->text), log_text("principal", peer.principal),
                             log_text("correlation", correlation_of(&peer))));
        return;
    case NOTE_REJECTED:
        log_event(LEVEL_DEBUG, "rejected",
                  LOG_FIELDS(log_number("connection", note->connection),
                             log_text("document", note->document), log_word("code", note->text),
                             log_text("principal", peer.principal),
                             log_text("correlation", correlation_of(&peer))));
        return;
    }
}

void notes_tell(struct notes *notes, const struct hub *hub, const struct hub_effects *effects,
                uint64_t now_ms)
{
    for (size_t i = 0; i < effects->note_count; i++) {
        tell(notes, hub, &effects->notes[i], now_ms);
    }
}
