/* The HTTP API's place in the server: its requests come by routes.h, its connections by the loop.
 */
#ifndef HTTP_API_H
#define HTTP_API_H

#include "server/config.h"
#include "server/loop.h"

/* Before anybody connects. False: no memory. */
bool http_api_open(struct loop *loop, const struct config *config);
/* Other bounds from now on. */
void http_api_reconfigure(struct loop *loop, const struct config *config);

/* For routes.c. */
void http_api_request(struct loop *loop, const struct net_request *request);
void http_api_gone(struct loop *loop, uint64_t id);
void http_api_writable(struct loop *loop, uint64_t id);

#endif
