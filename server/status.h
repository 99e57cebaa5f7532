/* GET /health and GET /ready: how the hub is, as JSON. */
#ifndef STATUS_H
#define STATUS_H

#include "server/loop.h"

/* 200 as long as the process answers. */
void status_health(struct loop *loop, const struct net_request *request);

/* 200 if clients are welcome, otherwise 503. */
void status_ready(struct loop *loop, const struct net_request *request);

#endif
