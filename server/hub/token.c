/*
 * Tokens: HELLO's, and AUTH's fresh ones. The hub knows nothing of keys: VERIFY asks whoever runs
 * it, and VERIFIED answers. Until then nothing of the connection is read, and what came behind the
 * packet is held (held.c), so that it meets the rights it was sent with.
 *
 * A token that is about to end is asked for again (EVENT `token`); one that has ended ends the
 * connection. What the client has sent, and what it holds, stays as it is.
 */
#include <assert.h>
#include <string.h>

#include "protocol/packet.h"
#include "server/hub/access.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/principal.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

enum {
    CLOSE_TOKEN = 4401,
    ASK_MS = 60000,        /* so long before its end a token is asked for, ... */
    ASK_PART = 3,          /* ... or for this part of its life, if that is shorter */
    AUTH_INTERVAL_MS = 250 /* a signature costs more than any other packet */
};

void connection_token_init(struct connection_token *token)
{
    *token = (struct connection_token){.expires_ms = UINT64_MAX, .ask_ms = UINT64_MAX};
    buffer_init(&token->principal, LIMIT_PRINCIPAL_BYTES);
    buffer_init(&token->grants, LIMIT_GRANTS_BYTES);
}

void connection_token_finish(struct connection_token *token)
{
    buffer_finish(&token->principal);
    buffer_finish(&token->grants);
}

unsigned token_rights(const struct hub *hub, const struct connection *connection, struct bytes name)
{
    return !hub->config.tokens || connection->admin
               ? ACCESS_ALL
               : access_rights(buffer_bytes(&connection->token.grants), name);
}

/* --- asking --- */

static void verify(struct hub *hub, struct connection *connection, int64_t auth, struct bytes text)
{
    struct hub_effect *effect = effect_add(hub, EFFECT_VERIFY);
    effect->connection = connection->id;
    effect->request = ++hub->last_request;
    effect_bytes(hub, effect, text);
    connection->token.request = hub->last_request;
    connection->token.auth = auth;
    connection->token.verified_ms = hub->now_ms;
    connection_pause(hub, connection, PAUSE_TOKEN);
}

bool token_owns(const struct hub *hub, const struct connection *connection,
                const struct ledger_row *row)
{
    struct bytes principal = buffer_bytes(&connection->token.principal);
    return !hub->config.tokens || row->principal == NULL ||
           (strlen(row->principal) == principal.length &&
            memcmp(row->principal, principal.data, principal.length) == 0);
}

void token_hello(struct hub *hub, struct connection *connection, struct bytes text)
{
    if (!hub->config.tokens) {
        call_welcome(hub, connection);
    } else if (text.length == 0) {
        connection_expel(hub, connection, CODE_TOKEN_REQUIRED, CLOSE_TOKEN);
    } else {
        verify(hub, connection, 0, text);
    }
}

static void answer_auth(struct hub *hub, struct connection *connection, int64_t id)
{
    uint8_t bytes[32];
    struct buffer value = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&value);
    bool expires = connection->token.expires_ms != UINT64_MAX;
    write_map(&writer, expires);
    if (expires) {
        write_text(&writer, "expires_ms");
        write_uint(&writer, connection->token.expires_ms);
    }
    struct packet packet = {.kind = PACKET_RESULT, .id = id};
    packet.call.value = buffer_bytes(&value);
    connection_answer(hub, connection, &packet);
}

void token_auth(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    uint64_t since_ms = hub->now_ms - connection->token.verified_ms;
    if (!hub->config.tokens) {
        answer_auth(hub, connection, packet->id);
    } else if (since_ms < AUTH_INTERVAL_MS) {
        limit_hit(hub, connection, HUB_LIMIT_TOKENS);
        connection_error(hub, connection, packet->id, CODE_TOO_OFTEN, AUTH_INTERVAL_MS - since_ms);
    } else {
        verify(hub, connection, packet->id, packet->call.name);
    }
}

/* --- the answer --- */

static enum hub_code code_of(const struct hub *hub, const struct hub_event *event)
{
    if (event->verdict == VERDICT_ACCEPTED) {
        assert(event->bytes.length > 0 && event->bytes.length <= LIMIT_PRINCIPAL_BYTES);
        return event->expires_ms <= hub->now_ms ? CODE_TOKEN_EXPIRED : CODE_NONE;
    }
    return event->verdict == VERDICT_EXPIRED ? CODE_TOKEN_EXPIRED : CODE_TOKEN_INVALID;
}

static void take(struct hub *hub, struct connection *connection, const struct hub_event *event)
{
    struct connection_token *token = &connection->token;
    bool same = token->principal.length > 0;
    buffer_clear(&token->grants);
    if ((!same &&
         buffer_append(&token->principal, event->bytes.data, event->bytes.length) != PROTOCOL_OK) ||
        buffer_append(&token->grants, event->grants.data, event->grants.length) != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    connection->admin = event->admin;
    token->expires_ms = event->expires_ms;
    token->ask_ms = UINT64_MAX;
    if (token->expires_ms != UINT64_MAX) {
        uint64_t part_ms = (token->expires_ms - hub->now_ms) / ASK_PART;
        uint64_t taken_ms = token->verified_ms + AUTH_INTERVAL_MS;
        token->ask_ms = token->expires_ms - (part_ms < ASK_MS ? part_ms : ASK_MS);
        token->ask_ms = token->ask_ms > taken_ms ? token->ask_ms : taken_ms;
        connections_sweep_by(hub,
                             token->ask_ms < token->expires_ms ? token->ask_ms : token->expires_ms);
    }
}

static void hello_verified(struct hub *hub, struct connection *connection,
                           const struct hub_event *event)
{
    enum hub_code code = code_of(hub, event);
    if (code != CODE_NONE) {
        connection_expel(hub, connection, code, CLOSE_TOKEN);
        return;
    }
    take(hub, connection, event);
    if (hub->status != HUB_OK) {
        return; /* nobody has a name without memory for it */
    }
    if (!principal_join(hub, connection)) {
        connection_expel(hub, connection, CODE_TOO_MANY_CONNECTIONS, CLOSE_TRY_LATER);
        return;
    }
    call_welcome(hub, connection);
}

static void auth_verified(struct hub *hub, struct connection *connection, int64_t id,
                          const struct hub_event *event)
{
    enum hub_code code = code_of(hub, event);
    bool same = bytes_equal(event->bytes, buffer_bytes(&connection->token.principal));
    if (code != CODE_NONE || !same) {
        connection_error(hub, connection, id, code != CODE_NONE ? code : CODE_TOKEN_INVALID, 0);
        return;
    }
    take(hub, connection, event);
    answer_auth(hub, connection, id);
    streams_restrict(hub, connection);
}

void token_verified(struct hub *hub, const struct hub_event *event)
{
    struct connection *connection = connection_find(hub, event->connection);
    if (connection == NULL || connection->closing || event->request == 0 ||
        connection->token.request != event->request) {
        return; /* gone meanwhile */
    }
    connection->token.request = 0;
    if (connection->token.auth == 0) {
        hello_verified(hub, connection, event);
    } else {
        auth_verified(hub, connection, connection->token.auth, event);
    }
    connection_resume(hub, connection, PAUSE_TOKEN);
    held_take(hub, connection);
}

/* --- the end --- */

static void ask(struct hub *hub, struct connection *connection)
{
    uint8_t bytes[32];
    struct buffer data = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&data);
    write_map(&writer, 1);
    write_text(&writer, "expires_ms");
    write_uint(&writer, connection->token.expires_ms);
    connection_event(hub, connection, "token", buffer_bytes(&data));
    connection->token.ask_ms = UINT64_MAX;
}

uint64_t token_look_after(struct hub *hub, struct connection *connection)
{
    struct connection_token *token = &connection->token;
    if (hub->now_ms >= token->expires_ms) {
        buffer_clear(&connection->answers); /* they were another token's */
        connection_expel(hub, connection, CODE_TOKEN_EXPIRED, CLOSE_TOKEN);
        return UINT64_MAX;
    }
    if (hub->now_ms >= token->ask_ms) {
        ask(hub, connection);
    }
    return token->ask_ms < token->expires_ms ? token->ask_ms : token->expires_ms;
}
