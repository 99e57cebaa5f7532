#include "server/assets.h"

const struct net_page assets[] = {{0}};
const size_t asset_count = 0;
