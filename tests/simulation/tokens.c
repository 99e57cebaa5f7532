#include "tests/simulation/tokens.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "tests/simulation/rights.h"

/* The hub looks at its connections ten times a second, if it has to. */
enum { LEEWAY_MS = 100, GRANTS_BYTES = 64 };

void token_write(const struct token *token, char text[WIRE_TOKEN_BYTES])
{
    (void)snprintf(text, WIRE_TOKEN_BYTES, "%" PRIu64 " %s %s", token->until_ms,
                   token->forged ? "forged" : "signed", token->principal);
}

static unsigned person_with(const struct token *token)
{
    return person_of((struct bytes){(const uint8_t *)token->principal, strlen(token->principal)});
}

bool token_is_admin(const struct token *token) { return rights_are_operators(person_with(token)); }

static bool token_read(const char *text, struct token *token)
{
    char *rest;
    token->until_ms = strtoull(text, &rest, 10);
    token->forged = strncmp(rest, " signed ", 8) != 0;
    if (!token->forged) {
        (void)snprintf(token->principal, sizeof token->principal, "%s", rest + 8);
    }
    return !token->forged;
}

void tokens_ask(struct host *host, const struct hub_effect *effect)
{
    for (size_t i = 0; i < HOST_WIRES; i++) {
        struct wire *wire = &host->wires[i];
        if (wire->connection != effect->connection || !wire->hub_is_there) {
            continue;
        }
        if (wire->verify != 0) {
            host_violation(host, "the hub asks for two tokens of one client");
        }
        wire->verify = effect->request;
        size_t length = effect->bytes.length < WIRE_TOKEN_BYTES - 1 ? effect->bytes.length
                                                                    : WIRE_TOKEN_BYTES - 1;
        memcpy(wire->token, effect->bytes.data, length);
        wire->token[length] = '\0';
    }
}

static void accept(struct wire *wire, const struct token *token)
{
    bool first = wire->principal[0] == '\0';
    if (first || strcmp(wire->principal, token->principal) == 0) {
        (void)snprintf(wire->principal, sizeof wire->principal, "%s", token->principal);
        wire->until_ms = token->until_ms;
    }
}

static void answer(struct host *host, struct wire *wire)
{
    struct token token = {.forged = true};
    uint8_t room[GRANTS_BYTES];
    struct buffer grants = {.data = room, .capacity = sizeof room, .limit = sizeof room};
    struct writer writer = writer_to(&grants);
    struct hub_event event = {
        .kind = EVENT_VERIFIED, .connection = wire->connection, .request = wire->verify};
    wire->verify = 0;
    if (!token_read(wire->token, &token)) {
        event.verdict = VERDICT_REFUSED;
    } else if (token.until_ms <= host->now_ms) {
        event.verdict = VERDICT_EXPIRED;
    } else {
        event.verdict = VERDICT_ACCEPTED;
        event.bytes = (struct bytes){(const uint8_t *)token.principal, strlen(token.principal)};
        rights_write(person_with(&token), &writer);
        event.grants = buffer_bytes(&grants);
        event.expires_ms = token.until_ms;
        event.admin = token_is_admin(&token);
        accept(wire, &token);
    }
    host->happened[HAPPENED_TOKEN_REFUSED] += event.verdict != VERDICT_ACCEPTED;
    host_step(host, event);
}

bool host_verify(struct host *host)
{
    for (size_t i = 0; i < HOST_WIRES && host->hub != NULL; i++) {
        if (host->wires[i].hub_is_there && host->wires[i].verify != 0) {
            answer(host, &host->wires[i]);
            return true;
        }
    }
    return false;
}

void tokens_check(struct host *host, const struct wire *wire, struct bytes message)
{
    bool good = wire->principal[0] != '\0' && host->now_ms <= wire->until_ms + LEEWAY_MS;
    struct reader reader = reader_of(message);
    struct packet packet;
    while (host->config.tokens && !good && packet_read(&reader, &packet)) {
        if (packet.kind != PACKET_ERROR && packet.kind != PACKET_PING) {
            host_violation(host, "the hub sends %s to a client whose token is no good",
                           packet_kind_text(packet.kind));
        }
    }
}
