/*
 * Goal:   client sessions and the hub agree on every type, whatever happens between them: what a
 *         client is sent by cursor or by snapshot, with its pending edits on top, is what the hub
 * has. Method: real sessions and the real hub core play 150 random steps from a seed: edits of
 * every type, sends, late arrivals, lost connections, saved and reloaded stores, clocks that are
 * wrong, crashes of the hub, stored rows, a removal log of one entry. Then all is delivered,
 * and every session, a fresh one, and the hub after a crash must show the same JSON.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "clients/c/edits.h"
#include "clients/c/session.h"
#include "tests/support/world.h"

enum { CLIENTS = 4, STEPS = 150, SEEDS = 300, ROUNDS = 40 };

struct client {
    struct session session;
    uint64_t connection; /* 0: none */
    size_t read;         /* of the connection's bytes */
    int64_t skew_ms;
    bool open;
};

static struct world world;
static struct client clients[CLIENTS + 1]; /* the last one is fresh, at the end */
static uint64_t state;
static unsigned replicas;
static uint64_t connections;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % bound);
}

static const struct {
    const char *field;
    const char *type;
    const char *options;
    const char *edits[8]; /* words apart by blanks; # stands for a small number */
} fields[] = {
    {"likes", "g-counter", "{}", {"increment", "increment #"}},
    {"points", "pn-counter", "{}", {"increment #", "decrement #"}},
    {"stock",
     "bounded-counter",
     "{\"min\":0,\"max\":9}",
     {"increment #", "decrement #", "decrement 1", "reserve # 60", "release"}},
    {"tags",
     "or-set",
     "{\"of\":\"string\"}",
     {"add a b", "add c", "remove a", "remove b", "clear"}},
    {"seen", "g-set", "{\"of\":\"int\"}", {"add #", "add # 9"}},
    {"gone", "2p-set", "{\"of\":\"string\"}", {"add a", "add b c", "remove a", "remove b"}},
    {"name", "lww-register", "{\"of\":\"string\"}", {"set a", "set b", "set c"}},
    {"note", "mv-register", "{\"of\":\"any\"}", {"set #", "set {\"a\":#}", "set null"}},
    {"open", "flag", "{\"wins\":\"disable\"}", {"enable", "disable"}},
    {"cart",
     "map",
     "{\"of\":[\"pn-counter\",{}]}",
     {"put x increment #", "put y decrement #", "put x decrement", "remove x", "remove x y"}},
    {"sets",
     "map",
     "{\"of\":[\"or-set\",{\"of\":\"string\"}]}",
     {"put x add a b c", "put x remove a b", "put x add c d", "put y add c", "put x clear",
      "put x remove c d", "remove x", "remove y"}},
    {"seats",
     "map",
     "{\"of\":[\"bounded-counter\",{\"min\":0,\"max\":5}]}",
     {"put x increment #", "put x decrement #", "remove x"}},
    {"deep",
     "map",
     "{\"of\":[\"map\",{\"of\":[\"map\",{\"of\":[\"lww-register\",{\"of\":\"int\"}]}]}]}",
     {"put x put y put z #", "put x put y remove z", "put x remove y", "remove x",
      "put w put y put z #"}},
    {"flags",
     "map",
     "{\"of\":[\"flag\",{\"wins\":\"enable\"}]}",
     {"put x enable", "put x disable", "remove x"}},
};

enum { FIELDS = sizeof fields / sizeof *fields };

static struct replica_id mint(void)
{
    uint8_t random[REPLICA_BYTES] = {0};
    random[14] = (uint8_t)(++replicas >> 8);
    random[15] = (uint8_t)replicas;
    return replica_id_make(world.now_ms, random);
}

/* --- between a client and the hub --- */

static void send_bytes(struct client *client, struct buffer *bytes)
{
    if (bytes->length > 0) {
        world_send_bytes(&world, client->connection, buffer_bytes(bytes));
    }
    buffer_finish(bytes);
}

static void connect(struct client *client)
{
    static const struct journal_id journal;
    struct buffer bytes;
    client->connection = ++connections % (WORLD_CONNECTIONS - 1) + 1;
    world_connect(&world, client->connection);
    buffer_clear(&world.connections[client->connection].bytes);
    client->read = 0;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    session_open(&client->session, 1, &journal, &writer);
    send_bytes(client, &bytes);
}

static void leave(struct client *client)
{
    if (client->connection != 0) {
        world_disconnect(&world, client->connection);
        client->connection = 0;
        session_disconnect(&client->session);
    }
}

static void send(struct client *client)
{
    bool more = true;
    while (more) {
        struct buffer bytes;
        buffer_init(&bytes, LIMIT_BODY_BYTES);
        struct writer writer = writer_to(&bytes);
        more = session_send(&client->session, &writer);
        send_bytes(client, &bytes);
    }
}

/* Takes one packet in; false: there is none. */
static bool receive(struct client *client)
{
    const struct buffer *sent = &world.connections[client->connection].bytes;
    struct reader reader =
        reader_of((struct bytes){sent->data + client->read, sent->length - client->read});
    struct packet packet;
    struct session_news news;
    if (sent->length == client->read || !packet_read(&reader, &packet)) {
        return false;
    }
    client->read = sent->length - reader.left.length;
    if (packet.kind == PACKET_PING || packet.kind == PACKET_WELCOME) {
        return true;
    }
    session_set_time(&client->session, (uint64_t)((int64_t)world.now_ms + client->skew_ms));
    cr_assert(eq(int, session_receive(&client->session, &packet, &news), SESSION_OK));
    cr_assert(not(news.closed), "%s %s", news.code, news.text);
    return true;
}

static void reload(struct client *client)
{
    struct buffer saved;
    struct session old = client->session;
    leave(client);
    old = client->session;
    buffer_init(&saved, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&saved);
    session_save(&old, &writer);
    struct replica_id replica = mint();
    session_init(&client->session, "all/1", &replica);
    cr_assert(eq(int, session_load(&client->session, buffer_bytes(&saved)), SESSION_OK));
    session_finish(&old);
    buffer_finish(&saved);
}

/* --- edits --- */

static void edit(struct client *client)
{
    char text[128];
    const char *words[16] = {NULL};
    size_t length = 0;
    size_t field = below(FIELDS);
    size_t count = 1; /* each has one edit at least */
    while (count < 8 && fields[field].edits[count] != NULL) {
        count++;
    }
    (void)snprintf(text, sizeof text, "%s", fields[field].edits[below(count)]);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '#' ? (char)('1' + below(5)) : *at;
    }
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        words[length++] = word;
    }
    const struct edit made = {.verb = words[0], .values = words + 1, .length = length - 1};
    session_set_time(&client->session, (uint64_t)((int64_t)world.now_ms + client->skew_ms));
    enum session_status status = session_edit(&client->session, fields[field].field, &made);
    cr_assert(status == SESSION_OK || status == SESSION_OUT_OF_BOUNDS, "%s %s: %s",
              fields[field].field, words[0], session_status_text(status));
}

static void step(void)
{
    struct client *client = &clients[below(CLIENTS)];
    size_t kind = below(20);
    if (kind < 9 && client->session.declared) {
        edit(client);
    } else if (kind < 12 && client->connection != 0) {
        send(client);
    } else if (kind < 16 && client->connection != 0) {
        for (size_t i = below(6); i > 0 && receive(client); i--) {
        }
    } else if (kind == 16) {
        leave(client);
    } else if (kind == 17) {
        reload(client);
    } else if (kind == 18) {
        world_tick(&world, below(30000));
    } else if (kind == 19 && below(4) == 0) {
        for (size_t i = 0; i < CLIENTS; i++) {
            leave(&clients[i]);
        }
        world_crash(&world);
    }
    if (client->connection == 0 && below(2) == 0) {
        connect(client);
    }
}

/* --- the end --- */

static void settle(size_t count)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < count; i++) {
            if (clients[i].connection == 0) {
                connect(&clients[i]);
            }
            send(&clients[i]);
            while (receive(&clients[i])) {
            }
        }
    }
}

static char *shown(const struct client *client)
{
    struct buffer text;
    buffer_init(&text, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&text);
    cr_assert(eq(int, session_json(&client->session, NULL, &writer), SESSION_OK));
    write_raw(&writer, (struct bytes){(const uint8_t *)"", 1});
    return (char *)text.data;
}

static void compare(uint64_t seed, size_t count, const char *when)
{
    char *first = shown(&clients[0]);
    for (size_t i = 0; i < count; i++) {
        char *other = shown(&clients[i]);
        cr_assert(eq(u64, session_pending(&clients[i].session), 0), "seed %llu, client %zu",
                  (unsigned long long)seed, i);
        cr_assert(strcmp(first, other) == 0, "seed %llu, %s, client %zu:\n%s\nclient 0:\n%s",
                  (unsigned long long)seed, when, i, other, first);
        free(other);
    }
    free(first);
}

static void begin(struct client *client)
{
    struct replica_id replica = mint();
    *client = (struct client){.skew_ms = (int64_t)below(5) * 60000 - 120000};
    session_init(&client->session, "all/1", &replica);
    connect(client);
}

static void run(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    replicas = 0;
    world_init(&world);
    for (size_t i = 0; i < FIELDS; i++) {
        world_declare(&world, "all", fields[i].field, fields[i].type, fields[i].options);
    }
    world.config.removals_max = 1;
    world.config.ping_ms = UINT64_MAX / 4;
    world_start(&world);
    for (size_t i = 0; i < CLIENTS; i++) {
        begin(&clients[i]);
    }
    for (size_t i = 0; i < STEPS; i++) {
        step();
    }
    settle(CLIENTS);
    compare(seed, CLIENTS, "settled");
    world_tick(&world, 1000);
    for (size_t i = 0; i < CLIENTS; i++) {
        leave(&clients[i]);
    }
    world_crash(&world);
    begin(&clients[CLIENTS]);
    settle(CLIENTS + 1);
    compare(seed, CLIENTS + 1, "after a crash, with a fresh client");
    for (size_t i = 0; i <= CLIENTS; i++) {
        session_finish(&clients[i].session);
    }
    world_finish(&world);
}

Test(together, sessions_and_the_hub_agree_on_every_type)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}
