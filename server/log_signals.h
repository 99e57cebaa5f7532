/* SIGUSR1: the log tells everything; SIGUSR2: what the configuration says, again. */
#ifndef SERVER_LOG_SIGNALS_H
#define SERVER_LOG_SIGNALS_H

#include <stdbool.h>
#include <uv.h>

#include "crdt/status.h"

struct log_signals {
    uv_signal_t all;
    uv_signal_t usual;
};

/* False: no handles to be had. */
CRDT_CHECKED bool log_signals_start(struct log_signals *signals, uv_loop_t *loop);

/* The loop must run until the handles are closed. */
void log_signals_close(struct log_signals *signals);

#endif
