/* The pages embedded in the binary. */
#ifndef ASSETS_H
#define ASSETS_H

#include "server/net/net.h"

enum { ASSETS_MAX = 16 };

/* Fills in the pages and answers their number; their content stays for ever. */
size_t assets_list(struct net_page pages[ASSETS_MAX]);

#endif
