#include "tests/fuzz/guest.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "clients/c/edits.h"

static struct replica_id mint(struct guest *guest)
{
    uint8_t random[REPLICA_BYTES] = {[7] = guest->minted++, [8] = (uint8_t)guest->connection};
    memcpy(random + 9, GUEST_MARK, sizeof GUEST_MARK - 1);
    return replica_id_make(guest->world->now_ms, random);
}

void guest_init(struct guest *guest, struct world *world, unsigned connection, const char *name,
                bool alone)
{
    *guest = (struct guest){.world = world, .connection = connection, .alone = alone};
    struct replica_id replica = mint(guest);
    session_init(&guest->session, name, &replica);
}

void guest_finish(struct guest *guest)
{
    guest_cut(guest);
    session_finish(&guest->session);
}

static struct world_connection *wire_of(const struct guest *guest)
{
    return &guest->world->connections[guest->connection];
}

static void forget_sent(struct guest *guest)
{
    buffer_clear(&wire_of(guest)->bytes);
    buffer_clear(&wire_of(guest)->transcript);
}

void guest_cut(struct guest *guest)
{
    if (guest->connected) {
        guest->connected = false;
        guest->welcomed = false;
        session_disconnect(&guest->session);
        world_disconnect(guest->world, guest->connection);
        forget_sent(guest);
    }
}

void guest_restart(struct guest *guest)
{
    struct buffer saved;
    char name[LIMIT_DOCUMENT_NAME_BYTES + 1];
    guest_cut(guest);
    memcpy(name, guest->session.name, sizeof name);
    buffer_init(&saved, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&saved);
    session_save(&guest->session, &writer);
    FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
    session_finish(&guest->session);
    struct replica_id replica = mint(guest);
    session_init(&guest->session, name, &replica);
    FUZZ_REQUIRE(session_load(&guest->session, buffer_bytes(&saved)) == SESSION_OK);
    buffer_finish(&saved);
    guest->resend_ms = 0;
}

/* --- edits --- */

static bool edit(struct guest *guest, const char *field, const char *verb, const char *first,
                 const char *second, const char *third)
{
    const char *values[] = {first, second, third};
    size_t length = (size_t)(first != NULL) + (second != NULL) + (third != NULL);
    const struct edit made = {.verb = verb, .values = values, .length = length};
    session_set_time(&guest->session, guest->world->now_ms);
    enum session_status status = session_edit(&guest->session, field, &made);
    FUZZ_REQUIRE(status == SESSION_OK || (!guest->alone && status == SESSION_BAD_EDIT) ||
                 status == SESSION_OUT_OF_BOUNDS);
    return status == SESSION_OK;
}

static void make_edit(struct guest *guest, struct fuzz_input *input)
{
    static const char *const tags[GUEST_TAGS] = {"a", "b", "c", "d"};
    char text[24];
    unsigned amount = 1 + fuzz_below(input, 9);
    unsigned tag = fuzz_below(input, GUEST_TAGS);
    (void)snprintf(text, sizeof text, "%u", amount);
    switch (fuzz_below(input, 8)) {
    case 0:
        guest->likes += edit(guest, "likes", "increment", text, NULL, NULL) ? amount : 0;
        return;
    case 1:
        guest->points += edit(guest, "points", "increment", text, NULL, NULL) ? amount : 0;
        return;
    case 2:
        guest->points -= edit(guest, "points", "decrement", text, NULL, NULL) ? amount : 0;
        return;
    case 3:
        (void)snprintf(text, sizeof text, "%d", (int)guest->seen + 1000);
        guest->seen += edit(guest, "seen", "add", text, NULL, NULL);
        return;
    case 4:
        guest->tags[tag] = edit(guest, "tags", "add", tags[tag], NULL, NULL) || guest->tags[tag];
        return;
    case 5:
        guest->tags[tag] =
            !edit(guest, "tags", "remove", tags[tag], NULL, NULL) && guest->tags[tag];
        return;
    case 6:
        (void)edit(guest, "cart", "put", tags[tag], "increment", text);
        return;
    default:
        (void)edit(guest, "name", "set", text, NULL, NULL);
    }
}

/* --- the connection --- */

static void say(struct guest *guest, const struct buffer *message)
{
    if (message->length > 0 && wire_of(guest)->closed == 0) {
        world_send_bytes(guest->world, guest->connection, buffer_bytes(message));
    }
    if (guest->world->verify_request != 0 && guest->world->verify_connection == guest->connection) {
        world_verify(guest->world, VERDICT_ACCEPTED, "guest", UINT64_MAX);
    }
}

static void say_packet(struct guest *guest, const struct packet *packet)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    packet_write(&writer, packet);
    say(guest, &bytes);
    buffer_finish(&bytes);
}

static void connect(struct guest *guest)
{
    const struct packet hello = {
        .kind = PACKET_HELLO,
        .hello = {.version = PROTOCOL_VERSION, .token = {(const uint8_t *)"guest", 5}}};
    guest->connected = true;
    guest->welcomed = false;
    guest->last_id = 0;
    guest->resend_ms = 0;
    wire_of(guest)->closed = 0;
    wire_of(guest)->paused = false;
    wire_of(guest)->blocked = false;
    forget_sent(guest);
    world_event(guest->world,
                (struct hub_event){.kind = EVENT_CONNECTED, .connection = guest->connection});
    say_packet(guest, &hello);
}

static void open(struct guest *guest)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    session_open(&guest->session, ++guest->last_id, &guest->journal, &writer);
    say(guest, &bytes);
    buffer_finish(&bytes);
}

static void send(struct guest *guest)
{
    bool more =
        guest->welcomed && guest->world->now_ms >= guest->resend_ms && !wire_of(guest)->paused;
    if (more && guest->resend_ms != 0) {
        guest->resend_ms = 0;
        session_resend(&guest->session);
        if (guest->session.stream == 0) {
            open(guest);
        }
    }
    while (more) {
        struct buffer bytes;
        buffer_init(&bytes, LIMIT_BODY_BYTES);
        struct writer writer = writer_to(&bytes);
        more = session_send(&guest->session, &writer);
        say(guest, &bytes);
        buffer_finish(&bytes);
    }
}

/* --- what the hub says --- */

static void on_document(struct guest *guest, const struct packet *packet)
{
    struct session_news news;
    session_set_time(&guest->session, guest->world->now_ms);
    enum session_status status = session_receive(&guest->session, packet, &news);
    if (status != SESSION_OK) {
        (void)fprintf(stderr, "%s\n", session_status_text(status));
    }
    FUZZ_REQUIRE(status == SESSION_OK);
    FUZZ_REQUIRE(!news.rejected || !guest->alone);
    if (news.closed || (news.error && news.retry_ms == 0)) {
        if (strcmp(news.code, "UNAVAILABLE") != 0) {
            (void)fprintf(stderr, "%s: %s\n", news.code, news.text);
        }
        FUZZ_REQUIRE(strcmp(news.code, "UNAVAILABLE") == 0);
        guest_cut(guest);
    } else if (news.error) {
        guest->resend_ms = guest->world->now_ms + news.retry_ms;
    }
}

static void on_packet(struct guest *guest, const struct packet *packet)
{
    const struct packet pong = {.kind = PACKET_PONG, .number = packet->number};
    switch (packet->kind) {
    case PACKET_WELCOME:
        guest->journal = packet->welcome.journal;
        guest->welcomed = true;
        open(guest);
        return;
    case PACKET_PING:
        say_packet(guest, &pong);
        return;
    case PACKET_EVENT:
        return;
    default:
        FUZZ_REQUIRE(packet->id != 0);
        if (packet->id == guest->session.stream ||
            (packet->id < 0 && packet->id == guest->session.transferring.transfer)) {
            on_document(guest, packet);
        }
    }
}

/* What has come, apart, since answers to it bring more. */
static bool receive(struct guest *guest)
{
    struct buffer heard = wire_of(guest)->bytes;
    struct reader reader = reader_of(buffer_bytes(&heard));
    struct packet packet;
    if (heard.length == 0) {
        return false;
    }
    buffer_init(&wire_of(guest)->bytes, SIZE_MAX / 2);
    buffer_clear(&wire_of(guest)->transcript);
    while (guest->connected && packet_read(&reader, &packet)) {
        on_packet(guest, &packet);
    }
    FUZZ_REQUIRE(reader_ok(&reader));
    buffer_finish(&heard);
    return true;
}

void guest_go(struct guest *guest)
{
    if (guest->connected && wire_of(guest)->closed != 0) {
        guest_cut(guest);
    }
    if (!guest->connected) {
        connect(guest);
    }
    send(guest);
    while (receive(guest)) {
        send(guest);
    }
}

void guest_turn(struct guest *guest, struct fuzz_input *input)
{
    unsigned choice = fuzz_below(input, 16);
    if (choice < 8 && guest->session.declared) {
        make_edit(guest, input);
    } else if (choice < 13) {
        guest_go(guest);
    } else if (choice < 14) {
        guest_cut(guest);
    } else if (choice < 15) {
        guest_restart(guest);
    } else if (guest->connected && wire_of(guest)->closed == 0) {
        session_resend(&guest->session);
        send(guest);
    }
}

/* --- looking --- */

bool guest_is_settled(const struct guest *guest)
{
    return guest->connected && guest->welcomed && guest->session.arrived &&
           session_pending(&guest->session) == 0;
}

void guest_show(const struct guest *guest, struct buffer *text)
{
    struct writer writer = writer_to(text);
    FUZZ_REQUIRE(session_json(&guest->session, NULL, &writer) == SESSION_OK);
    FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
}

static int64_t number_of(const json_t *shown, const char *field)
{
    return json_integer_value(json_object_get(shown, field));
}

void guest_check(const struct guest *guest)
{
    struct buffer text;
    int64_t tags = 0;
    buffer_init(&text, LIMIT_BODY_BYTES);
    guest_show(guest, &text);
    json_t *shown = json_loadb((const char *)text.data, text.length, 0, NULL);
    FUZZ_REQUIRE(shown != NULL);
    for (size_t i = 0; i < GUEST_TAGS; i++) {
        tags += guest->tags[i];
    }
    FUZZ_REQUIRE(number_of(shown, "likes") == guest->likes);
    FUZZ_REQUIRE(number_of(shown, "points") == guest->points);
    FUZZ_REQUIRE((int64_t)json_array_size(json_object_get(shown, "seen")) == guest->seen);
    FUZZ_REQUIRE((int64_t)json_array_size(json_object_get(shown, "tags")) == tags);
    json_decref(shown);
    buffer_finish(&text);
}
