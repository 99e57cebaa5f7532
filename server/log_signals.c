#include "server/log_signals.h"

#include <signal.h>

#include "server/log.h"

static void on_signal(uv_signal_t *signal, int number)
{
    (void)signal;
    log_shift(number == SIGUSR1);
    log_event(LEVEL_INFO, "log-level",
              LOG_FIELDS(log_word("to", log_level_name(log_configured().level))));
}

bool log_signals_start(struct log_signals *signals, uv_loop_t *loop)
{
    return uv_signal_init(loop, &signals->all) == 0 && uv_signal_init(loop, &signals->usual) == 0 &&
           uv_signal_start(&signals->all, on_signal, SIGUSR1) == 0 &&
           uv_signal_start(&signals->usual, on_signal, SIGUSR2) == 0;
}

void log_signals_close(struct log_signals *signals)
{
    uv_close((uv_handle_t *)&signals->all, NULL);
    uv_close((uv_handle_t *)&signals->usual, NULL);
}
