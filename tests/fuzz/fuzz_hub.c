/*
 * Goal:   whatever several connections send, in whatever order clock, journal and tables answer,
 * the hub's core goes on: it never stops, keeps its promises to a client beside them that behaves,
 * gives all memory back when everybody is gone, and merges the journal to the same again.
 * Method: the input is a program: packets out of a grammar or raw bytes by connection, and what
 * happens around the hub (tests/support/world.h). The client that behaves is a real session, whose
 * edits are counted apart from it. At the end all faults stop; then its document shows each edit
 * once, a client that comes new sees what it sees, a hub that merges the journal alone shows the
 * same, and a hub without connections holds what an empty one does.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "tests/fuzz/grammar.h"
#include "tests/fuzz/guest.h"
#include "tests/support/world.h"

enum {
    OPERATIONS_MAX = 96,
    HOSTILE = 6, /* connections of strangers, from 1; at the most */
    GUEST = 10,
    WITNESS = 20,
    SETTLE_ROUNDS = 400,
    HOUR_MS = 60 * 60 * 1000,
    DAY_MS = 24 * HOUR_MS,
    MESSAGE_BYTES = 1 << 16
};

#define OWN_DOCUMENT "all/own"

struct run {
    struct world world;
    struct grammar grammar;
    struct fuzz_input input;
    struct guest own;    /* on a document of its own */
    struct guest shared; /* on one of the strangers' */
    bool connected[HOSTILE + 1];
    bool draining;
    struct buffer message; /* the last one of a stranger */
};

static void declare_all(struct world *world)
{
    for (size_t i = 0; i < GRAMMAR_FIELDS; i++) {
        world_declare(world, "all", grammar_fields[i].name, grammar_fields[i].type,
                      grammar_fields[i].options);
    }
}

/* --- strangers --- */

/* What the hub sends is packets that it may send. */
static void check_sent(struct run *run, unsigned connection)
{
    struct world_connection *state = &run->world.connections[connection];
    struct reader reader = reader_of(buffer_bytes(&state->bytes));
    struct packet packet;
    while (packet_read(&reader, &packet)) {
        FUZZ_REQUIRE(packet_kind_text(packet.kind) != NULL && packet.kind != PACKET_HELLO &&
                     packet.kind != PACKET_OPEN && packet.kind != PACKET_DELTA);
        grammar_hear(&run->grammar, &run->grammar.peers[connection], &packet);
    }
    FUZZ_REQUIRE(reader_ok(&reader));
    buffer_clear(&state->bytes);
    buffer_clear(&state->transcript);
}

static void disconnect(struct run *run, unsigned connection)
{
    if (run->connected[connection]) {
        run->connected[connection] = false;
        world_disconnect(&run->world, connection);
        check_sent(run, connection);
    }
}

/* As the net does: nothing more comes from who was closed, and its end is told. */
static void end_closed(struct run *run)
{
    for (unsigned i = 1; i <= HOSTILE; i++) {
        check_sent(run, i);
        if (run->connected[i] && run->world.connections[i].closed != 0) {
            disconnect(run, i);
        }
    }
}

static void answer_token(struct run *run)
{
    struct world *world = &run->world;
    if (world->verify_request != 0) {
        enum hub_verdict verdict = fuzz_rarely(&run->input)
                                       ? (enum hub_verdict)fuzz_below(&run->input, 3)
                                       : VERDICT_ACCEPTED;
        world_verify(world, verdict, fuzz_rarely(&run->input) ? "other" : "somebody",
                     fuzz_rarely(&run->input) ? fuzz_byte(&run->input) * 1000U : UINT64_MAX);
    }
}

static void connect(struct run *run, unsigned connection, bool greets)
{
    if (run->connected[connection]) {
        return;
    }
    struct world_connection *state = &run->world.connections[connection];
    run->connected[connection] = true;
    run->grammar.peers[connection] = (struct grammar_peer){0};
    state->closed = 0;
    state->blocked = false;
    state->paused = false;
    world_event(&run->world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    if (greets && state->closed == 0) {
        world_send(&run->world, connection, "[\"HELLO\",0,1,{\"token\":\"t\"}]");
        answer_token(run);
    }
}

static bool contains(struct bytes bytes, const char *text)
{
    return bytes.length > 0 && memmem(bytes.data, bytes.length, text, strlen(text)) != NULL;
}

/* Strangers do not know the guests' replicas, which are random, and may not write what a guest
 * expects to have for itself. */
static bool names_guest(struct bytes bytes)
{
    return contains(bytes, GUEST_MARK) || contains(bytes, OWN_DOCUMENT);
}

static void send(struct run *run, unsigned connection, struct bytes bytes)
{
    const struct world_connection *state = &run->world.connections[connection];
    bool reads = run->connected[connection] && state->closed == 0 && !state->paused;
    if (reads && !names_guest(bytes)) {
        world_send_bytes(&run->world, connection, bytes);
    }
}

static void send_packets(struct run *run, unsigned connection)
{
    size_t length = 1 + fuzz_below(&run->input, 4);
    connect(run, connection, true);
    buffer_clear(&run->message);
    struct writer writer = writer_to(&run->message);
    for (size_t i = 0; i < length; i++) {
        grammar_client_packet(&run->grammar, &run->grammar.peers[connection], &run->input, &writer);
    }
    if (writer.status == PROTOCOL_OK) {
        send(run, connection, buffer_bytes(&run->message));
    }
}

static void send_raw(struct run *run, unsigned connection)
{
    size_t length = fuzz_byte(&run->input);
    struct bytes bytes = fuzz_bytes(&run->input, length);
    buffer_clear(&run->message);
    FUZZ_REQUIRE(buffer_append(&run->message, bytes.data, bytes.length) == PROTOCOL_OK);
    send(run, connection, buffer_bytes(&run->message));
}

static void block(struct run *run, unsigned connection)
{
    struct world_connection *state = &run->world.connections[connection];
    if (run->connected[connection] && state->closed == 0) {
        state->blocked = !state->blocked;
        world_event(&run->world,
                    (struct hub_event){.kind = state->blocked ? EVENT_BLOCKED : EVENT_WRITABLE,
                                       .connection = connection});
    }
}

/* --- what happens around the hub --- */

/* The replay ends before anybody connects. */
static void crash(struct run *run)
{
    run->world.holds_loads = false;
    guest_cut(&run->own);
    guest_cut(&run->shared);
    memset(run->connected, 0, sizeof run->connected);
    run->draining = false;
    world_crash(&run->world);
    for (unsigned i = 0; i < WORLD_CONNECTIONS; i++) {
        buffer_clear(&run->world.connections[i].bytes);
    }
}

static void fail_store(struct world *world)
{
    if (world->has_store) {
        world->has_store = false;
        world_event(world, (struct hub_event){.kind = EVENT_STORE_FAILED});
    }
}

static void load(struct run *run, bool good)
{
    run->world.holds_loads = fuzz_below(&run->input, 2) == 1;
    world_load(&run->world, good);
}

static void drain(struct run *run)
{
    run->draining = true;
    world_event(&run->world, (struct hub_event){.kind = EVENT_DRAIN});
}

/* Everything that is due happens, until nothing is. */
static void quieten(struct run *run)
{
    struct world *world = &run->world;
    do {
        if (world->verify_request != 0) {
            world_verify(world, VERDICT_ACCEPTED, "somebody", UINT64_MAX);
        }
        world_load(world, true);
    } while (world_commit(world) || world_store(world) || world->load_count > 0);
    end_closed(run);
}

static void settle(struct run *run, struct guest *guest)
{
    size_t rounds = 0;
    while (!guest_is_settled(guest)) {
        FUZZ_REQUIRE(rounds++ < SETTLE_ROUNDS);
        guest_go(guest);
        quieten(run);
        if (rounds > 2) {
            world_tick(&run->world, 2000);
        }
    }
}

/* Replicas that are silent are forgotten then; a guest has nothing that waits, and comes back as
 * another. */
static void sleep_long(struct run *run)
{
    if (run->draining) {
        return;
    }
    run->world.holds_loads = false;
    quieten(run);
    settle(run, &run->own);
    settle(run, &run->shared);
    guest_restart(&run->own);
    guest_restart(&run->shared);
    for (size_t i = 0; i < 3; i++) {
        world_tick(&run->world, DAY_MS);
        quieten(run);
    }
    grammar_age(&run->grammar, run->world.now_ms);
    guest_restart(&run->own);
    guest_restart(&run->shared);
}

static void act_around(struct run *run, unsigned choice)
{
    switch (choice) {
    case 0:
        world_tick(&run->world, fuzz_byte(&run->input) * 10U);
        return;
    case 1:
        world_tick(&run->world, fuzz_byte(&run->input) * 1000U);
        return;
    case 2:
        (void)world_fail_append(&run->world);
        return;
    case 3:
        (void)world_store(&run->world);
        return;
    case 4:
        fail_store(&run->world);
        return;
    case 5:
        load(run, true);
        return;
    case 6:
        load(run, false);
        return;
    case 7:
        crash(run);
        return;
    case 8:
        answer_token(run);
        return;
    case 9:
        sleep_long(run);
        return;
    default:
        drain(run);
    }
}

static void act(struct run *run)
{
    unsigned choice = fuzz_below(&run->input, 33);
    unsigned connection = 1 + fuzz_below(&run->input, HOSTILE);
    if (choice < 11) {
        send_packets(run, connection);
    } else if (choice < 12) {
        send_raw(run, connection);
    } else if (choice < 13) {
        send(run, connection, buffer_bytes(&run->message));
    } else if (choice < 15) {
        connect(run, connection, choice == 13);
    } else if (choice < 16) {
        disconnect(run, connection);
    } else if (choice < 17) {
        block(run, connection);
    } else if (choice < 20) {
        (void)world_commit(&run->world);
    } else if (choice < 22) {
        guest_turn(connection % 2 == 0 ? &run->own : &run->shared, &run->input);
    } else {
        act_around(run, choice - 22);
    }
    end_closed(run);
}

/* --- the end --- */

/* Arrays of a value whose order means nothing. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted_text(json_t *value)
{
    if (!json_is_array(value)) {
        return json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    }
    size_t length = json_array_size(value);
    char **texts = calloc(length + 1, sizeof *texts);
    json_t *list = json_array();
    for (size_t i = 0; i < length; i++) {
        texts[i] = sorted_text(json_array_get(value, i));
    }
    qsort(texts, length, sizeof *texts, by_text);
    for (size_t i = 0; i < length; i++) {
        (void)json_array_append_new(list, json_string(texts[i]));
        free(texts[i]);
    }
    char *text = json_dumps(list, 0);
    json_decref(list);
    free((void *)texts);
    return text;
}

/* What a client that comes new is shown of a document; to be freed. */
static char *witness(struct run *run, const char *name)
{
    struct guest guest;
    struct buffer text;
    guest_init(&guest, &run->world, WITNESS, name, false);
    settle(run, &guest);
    buffer_init(&text, LIMIT_BODY_BYTES);
    guest_show(&guest, &text);
    guest_finish(&guest);
    quieten(run);
    json_t *shown = json_loadb((const char *)text.data, text.length, JSON_ALLOW_NUL, NULL);
    char *sorted = shown == NULL ? strndup((const char *)text.data, text.length) : NULL;
    sorted = sorted == NULL ? sorted_text(shown) : sorted;
    json_decref(shown);
    buffer_finish(&text);
    FUZZ_REQUIRE(sorted != NULL);
    return sorted;
}

/* A hub that has only the journal shows the same. */
static void check_replay(struct run *run, const char *name, const char *shown)
{
    struct run *other = calloc(1, sizeof *other);
    FUZZ_REQUIRE(other != NULL);
    world_init(&other->world);
    declare_all(&other->world);
    buffer_init(&other->message, MESSAGE_BYTES);
    other->world.config = run->world.config;
    other->world.config.schemas = &other->world.schemas;
    other->world.config.position = run->world.last_position;
    other->world.last_position = run->world.last_position;
    other->world.now_ms = run->world.now_ms;
    other->world.manual = true;
    world_start(&other->world);
    for (size_t i = 0; i < run->world.journal_length; i++) {
        const struct world_batch *batch = &run->world.journal[i];
        world_event(&other->world, (struct hub_event){.kind = EVENT_REPLAY,
                                                      .position = batch->position,
                                                      .bytes = buffer_bytes(&batch->bytes)});
    }
    char *again = witness(other, name);
    if (strcmp(again, shown) != 0) {
        (void)fprintf(stderr, "live:     %s\nreplayed: %s\n", shown, again);
        abort();
    }
    free(again);
    world_finish(&other->world);
    buffer_finish(&other->message);
    free(other);
}

static void check_memory(struct run *run, const struct hub_stats *empty)
{
    struct hub_stats stats;
    for (unsigned i = 1; i <= HOSTILE; i++) {
        disconnect(run, i);
    }
    for (unsigned i = 0; i < 4; i++) {
        quieten(run);
        world_tick(&run->world, run->world.config.idle_ms + run->world.config.store_ms);
    }
    quieten(run);
    hub_stats(run->world.hub, &stats);
    FUZZ_REQUIRE(stats.connections == 0 && stats.streams == 0);
    FUZZ_REQUIRE(!stats.read_only && !stats.replaying);
    FUZZ_REQUIRE(stats.documents == empty->documents && stats.memory_bytes == empty->memory_bytes);
    FUZZ_REQUIRE(run->world.damaged == 0);
}

/* Faults stop; a hub that drains is followed by another. */
static void finish(struct run *run, const struct hub_stats *empty)
{
    quieten(run);
    if (run->draining) {
        crash(run);
    }
    run->world.holds_loads = false;
    world_tick(&run->world, HOUR_MS); /* the retries of all failures are due */
    quieten(run);
    settle(run, &run->own);
    settle(run, &run->shared);
    guest_check(&run->own);
    char *shown = witness(run, run->shared.session.name);
    check_replay(run, run->shared.session.name, shown);
    free(shown);
    guest_finish(&run->own);
    guest_finish(&run->shared);
    check_memory(run, empty);
}

static void configure(struct run *run)
{
    struct hub_config *config = &run->world.config;
    uint8_t choices = fuzz_byte(&run->input);
    config->tokens = (choices & 1) != 0;
    config->operators = true;
    config->connection_rates.updates.amount = (choices & 2) != 0 ? 20 : 0;
    config->replica_ttl_ms = (choices & 64) != 0 ? DAY_MS : config->replica_ttl_ms;
    config->removals_max = (choices & 4) != 0 ? 2 : 100;
    config->streams_max = (choices & 8) != 0 ? 2 : 16;
    config->batch_bytes = (choices & 16) != 0 ? 512 : config->batch_bytes;
    config->ping_ms = (choices & 32) != 0 ? 30000 : UINT64_MAX / 4;
    config->slice_packets = (choices & 128) != 0 ? 1 : config->slice_packets;
    config->message_bytes = MESSAGE_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct run *run = calloc(1, sizeof *run);
    struct hub_stats empty;
    FUZZ_REQUIRE(run != NULL);
    run->input.left = (struct bytes){data, length};
    world_init(&run->world);
    declare_all(&run->world);
    configure(run);
    run->world.manual = true;
    world_start(&run->world);
    hub_stats(run->world.hub, &empty);
    const struct schema *schema =
        schema_find(&run->world.schemas, (struct bytes){(const uint8_t *)"all", 3});
    grammar_init(&run->grammar, schema, run->world.now_ms);
    buffer_init(&run->message, MESSAGE_BYTES);
    guest_init(&run->own, &run->world, GUEST, OWN_DOCUMENT, true);
    guest_init(&run->shared, &run->world, GUEST + 1, "all/1", false);
    for (size_t i = 0; i < OPERATIONS_MAX && run->input.left.length > 0; i++) {
        act(run);
    }
    finish(run, &empty);
    world_finish(&run->world);
    buffer_finish(&run->message);
    free(run);
    return 0;
}
