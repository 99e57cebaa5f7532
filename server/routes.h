/*
 * Routes: which part of the server answers which requests, on which address. One table: a part
 * that answers HTTP has its line there and its functions in a file of its own.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "server/net/net.h"

/* For `struct net_config`; the context is the loop (loop.h). */
void routes_begin(void *context, const struct net_request *request);
void routes_request(void *context, const struct net_request *request);
void routes_gone(void *context, uint64_t id);
void routes_writable(void *context, uint64_t id);

/* For handlers. */
bool request_method_is(const struct net_request *request, const char *method);

#endif
