/*
 * Tokens: whom the hub's runner takes for whom. A token is a text: the principal, until when it is
 * good, and whether its signature is; looking at one takes time, so the hub waits.
 */
#ifndef SIMULATION_TOKENS_H
#define SIMULATION_TOKENS_H

#include "tests/simulation/host.h"

struct token {
    char principal[16];
    uint64_t until_ms;
    bool forged;
};

/* Whether it is an operator's. */
bool token_is_admin(const struct token *token);

void token_write(const struct token *token, char text[WIRE_TOKEN_BYTES]);

/* The hub asks for one. */
void tokens_ask(struct host *host, const struct hub_effect *effect);

/* Holds what is sent to a client against its token: who has brought none that is good is told only
 * why, and so is, but for a moment, whose token has ended. */
void tokens_check(struct host *host, const struct wire *wire, struct bytes message);

#endif
