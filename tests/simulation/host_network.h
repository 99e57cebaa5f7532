#ifndef SIMULATION_HOST_NETWORK_H
#define SIMULATION_HOST_NETWORK_H

#include "tests/simulation/host.h"

/* The hub's end of a wire is gone. */
void host_end_wire(struct wire *wire);

#endif
