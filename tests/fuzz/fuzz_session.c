/*
 * Goal:   a client may name any hub: whatever one sends, the C client's session stays whole, keeps
 * what its user did until that is acknowledged or handed back, and can be saved and loaded.
 * Method: the input is a program: packets of a hub out of a grammar or raw bytes, edits, lost
 * connections, restarts from what was saved, and damaged saves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/edits.h"
#include "clients/c/session.h"
#include "protocol/limits.h"
#include "tests/fuzz/grammar.h"
#include "tests/support/declared.h"

enum { OPERATIONS_MAX = 128, NOW_MS = 1000000000, OUT_BYTES = 1 << 26 };

static struct schema_set schemas;

struct run {
    struct fuzz_input input;
    struct grammar grammar;
    struct session session;
    uint64_t now_ms;
    uint8_t minted;
    struct buffer saved; /* as the app keeps it: whenever something has changed */
    uint64_t pending;    /* when it was saved */
    bool broken;         /* it has answered with a failure: the app ends it */
};

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static const struct schema *declare(void)
{
    struct schema *schema = schema_set_add(&schemas, text_bytes("all"));
    for (uint32_t i = 0; schema != NULL && i < GRAMMAR_FIELDS; i++) {
        struct schema_field *field = schema_add_field(schema, text_bytes(grammar_fields[i].name));
        FUZZ_REQUIRE(field != NULL);
        field->declared = declared(grammar_fields[i].type, grammar_fields[i].options);
        field->number = i;
    }
    return schema;
}

static void save(struct run *run)
{
    buffer_clear(&run->saved);
    struct writer writer = writer_to(&run->saved);
    session_save(&run->session, &writer);
    FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
    run->pending = session_pending(&run->session);
}

/* --- edits --- */

static void edit(struct run *run)
{
    static const char *const verbs[] = {"increment", "decrement", "add",     "remove",
                                        "clear",     "set",       "enable",  "disable",
                                        "put",       "reserve",   "release", "none"};
    static const char *const values[] = {
        "1",   "2",      "a",  "increment", "set", "9007199254740991",
        "add", "enable", "-1", "1.5",       "put", "true"};
    const char *words[4];
    struct edit made = {.verb = verbs[fuzz_below(&run->input, 12)], .values = words};
    const char *field = grammar_fields[fuzz_below(&run->input, GRAMMAR_FIELDS)].name;
    made.length = fuzz_below(&run->input, 5);
    for (size_t i = 0; i < made.length; i++) {
        words[i] = values[fuzz_below(&run->input, 12)];
    }
    uint64_t before = session_pending(&run->session);
    session_set_time(&run->session, run->now_ms);
    enum session_status status = session_edit(&run->session, field, &made);
    FUZZ_REQUIRE(status != SESSION_NO_MEMORY);
    FUZZ_REQUIRE(session_pending(&run->session) >= before);
    FUZZ_REQUIRE(status == SESSION_OK || session_pending(&run->session) == before);
    if (status == SESSION_OK) {
        save(run);
    }
}

/* --- what a hub sends --- */

/* As clients/c/link.c gives packets to sessions. */
static bool is_of_stream(const struct session *session, const struct packet *packet)
{
    return packet_kind_text(packet->kind) != NULL && packet->id != 0 &&
           (packet->id == session->stream ||
            (packet->id < 0 && packet->id == session->transferring.transfer));
}

static void receive(struct run *run, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct packet packet;
    struct session_news news;
    while (!run->broken && packet_read(&reader, &packet)) {
        if (!is_of_stream(&run->session, &packet)) {
            continue;
        }
        uint64_t before = session_pending(&run->session);
        session_set_time(&run->session, run->now_ms);
        enum session_status status = session_receive(&run->session, &packet, &news);
        FUZZ_REQUIRE(status != SESSION_NO_MEMORY);
        if (session_pending(&run->session) < before) {
            /* Only these take what waits: by saying that the hub has it, or will not. */
            FUZZ_REQUIRE(packet.kind == PACKET_ACK || packet.kind == PACKET_OPENED ||
                         packet.kind == PACKET_REJECT || packet.kind == PACKET_SNAPSHOT ||
                         packet.kind == PACKET_UPDATE || packet.kind == PACKET_END);
        }
        FUZZ_REQUIRE(memchr(news.code, '\0', sizeof news.code) != NULL &&
                     memchr(news.text, '\0', sizeof news.text) != NULL);
        run->broken = status != SESSION_OK;
        if (news.changed && !run->broken) {
            save(run);
        }
    }
}

static void hear_packets(struct run *run)
{
    struct buffer message;
    buffer_init(&message, OUT_BYTES);
    struct writer writer = writer_to(&message);
    run->grammar.stream = run->session.stream;
    run->grammar.position = run->session.cursor;
    run->grammar.replicas[0] = run->session.replica;
    for (size_t i = 0, length = 1 + fuzz_below(&run->input, 4); i < length; i++) {
        grammar_hub_packet(&run->grammar, &run->input, &writer);
    }
    if (writer.status == PROTOCOL_OK) {
        receive(run, buffer_bytes(&message));
    }
    buffer_finish(&message);
}

/* --- what the client does --- */

static void open(struct run *run)
{
    struct buffer message;
    buffer_init(&message, OUT_BYTES);
    struct writer writer = writer_to(&message);
    struct journal_id journal = {{fuzz_below(&run->input, 2) == 0 ? 0 : 1}};
    session_open(&run->session, 1 + fuzz_below(&run->input, 3), &journal, &writer);
    FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
    buffer_finish(&message);
}

/* What it sends can be read. */
static void send(struct run *run)
{
    bool more = true;
    for (size_t i = 0; more && i < 4; i++) {
        struct buffer message;
        struct packet packet;
        buffer_init(&message, OUT_BYTES);
        struct writer writer = writer_to(&message);
        more = session_send(&run->session, &writer);
        FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
        struct reader reader = reader_of(buffer_bytes(&message));
        while (packet_read(&reader, &packet)) {
            FUZZ_REQUIRE(packet.kind == PACKET_DELTA || packet.kind == PACKET_CREDIT);
        }
        FUZZ_REQUIRE(reader_ok(&reader));
        buffer_finish(&message);
    }
}

static void show(const struct session *session)
{
    struct buffer text;
    buffer_init(&text, OUT_BYTES);
    struct writer writer = writer_to(&text);
    if (session_json(session, NULL, &writer) == SESSION_OK) {
        FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
    }
    buffer_finish(&text);
}

/* With a replica that was never there before. */
static void begin(struct run *run, struct session *session)
{
    uint8_t random[REPLICA_BYTES] = {[14] = 1, [15] = run->minted++};
    struct replica_id replica = replica_id_make(run->now_ms, random);
    session_init(session, "all/1", &replica);
}

/* What was saved is there again, all that waits with it. */
static void restart(struct run *run)
{
    session_finish(&run->session);
    begin(run, &run->session);
    if (run->saved.length > 0) {
        FUZZ_REQUIRE(session_load(&run->session, buffer_bytes(&run->saved)) == SESSION_OK);
        FUZZ_REQUIRE(session_pending(&run->session) == run->pending);
    }
    run->broken = false;
}

/* A damaged store is refused, or it is as good as any. */
static void load_damaged(struct run *run)
{
    struct buffer damaged;
    struct session fresh;
    if (run->saved.length == 0) {
        return;
    }
    buffer_init(&damaged, OUT_BYTES);
    FUZZ_REQUIRE(buffer_append(&damaged, run->saved.data, run->saved.length) == PROTOCOL_OK);
    for (size_t i = fuzz_below(&run->input, 4); i < 4; i++) {
        size_t at = (size_t)fuzz_byte(&run->input) << 8 | fuzz_byte(&run->input);
        damaged.data[at % damaged.length] = fuzz_byte(&run->input);
    }
    begin(run, &fresh);
    if (session_load(&fresh, buffer_bytes(&damaged)) == SESSION_OK) {
        show(&fresh);
    }
    session_finish(&fresh);
    buffer_finish(&damaged);
}

static void act(struct run *run)
{
    unsigned choice = fuzz_below(&run->input, 32);
    if (choice < 14) {
        hear_packets(run);
    } else if (choice < 15) {
        receive(run, fuzz_bytes(&run->input, fuzz_byte(&run->input)));
    } else if (choice < 22) {
        edit(run);
    } else if (choice < 24) {
        open(run);
    } else if (choice < 27) {
        send(run);
    } else if (choice < 28) {
        show(&run->session);
    } else if (choice < 29) {
        session_disconnect(&run->session);
    } else if (choice < 30) {
        session_resend(&run->session);
    } else if (choice < 31) {
        load_damaged(run);
    } else {
        run->now_ms += fuzz_number(&run->input) % 100000;
        restart(run);
    }
    /* Who is told that the hub lies ends the session, and begins again with what was kept. */
    if (run->broken) {
        restart(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const struct schema *schema;
    struct run run = {.input = {{data, length}}, .now_ms = NOW_MS};
    schema = schema == NULL ? declare() : schema;
    grammar_init(&run.grammar, schema, NOW_MS);
    buffer_init(&run.saved, OUT_BYTES);
    begin(&run, &run.session);
    open(&run);
    for (size_t i = 0; i < OPERATIONS_MAX && run.input.left.length > 0; i++) {
        act(&run);
    }
    show(&run.session);
    session_finish(&run.session);
    buffer_finish(&run.saved);
    return 0;
}
