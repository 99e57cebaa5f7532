/* The pages embedded in the binary. */
#ifndef ASSETS_H
#define ASSETS_H

#include "server/net/net.h"

extern const struct net_page assets[];
extern const size_t asset_count;

#endif
