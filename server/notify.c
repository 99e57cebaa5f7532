#include "server/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NOTIFY_BYTES = 512 };

/* A path, or a name that begins with `@` where the kernel has a NUL. */
static bool read_address(const char *text, struct notify *notify)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (length < 2 || length >= sizeof notify->address.sun_path ||
        (text[0] != '/' && text[0] != '@')) {
        return false;
    }
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, text, length);
    if (text[0] == '@') {
        notify->address.sun_path[0] = '\0';
    }
    notify->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

bool notify_init(struct notify *notify, uv_loop_t *loop)
{
    *notify = (struct notify){.socket = -1};
    if (read_address(getenv("NOTIFY_SOCKET"), notify)) {
        notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    notify->watchdog.data = notify;
    return uv_timer_init(loop, &notify->watchdog) == 0;
}

void notify_say(const struct notify *notify, const char *format, ...)
{
    char text[NOTIFY_BYTES];
    va_list arguments;
    if (notify->socket < 0) {
        return;
    }
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof text) {
        (void)sendto(notify->socket, text, (size_t)length, MSG_NOSIGNAL,
                     (const struct sockaddr *)&notify->address, notify->length);
    }
}

void notify_ready(const struct notify *notify, const char *status)
{
    notify_say(notify, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(const struct notify *notify)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    notify_say(notify, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration again",
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

static void on_watchdog(uv_timer_t *timer) { notify_say(timer->data, "WATCHDOG=1"); }

/* A number of the environment; 0: there is none. */
static uint64_t read_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    uint64_t number = text == NULL ? 0 : strtoull(text, &end, 10);
    return text != NULL && *text != '\0' && *end == '\0' ? number : 0;
}

void notify_watch(struct notify *notify)
{
    uint64_t interval_ms = read_number("WATCHDOG_USEC") / 1000;
    uint64_t process = read_number("WATCHDOG_PID");
    bool mine = process == 0 || process == (uint64_t)getpid();
    if (notify->socket >= 0 && interval_ms > 0 && mine) {
        uint64_t half_ms = interval_ms / 2 == 0 ? 1 : interval_ms / 2;
        (void)uv_timer_start(&notify->watchdog, on_watchdog, 0, half_ms);
    }
}

void notify_close(struct notify *notify)
{
    uv_close((uv_handle_t *)&notify->watchdog, NULL);
    if (notify->socket >= 0) {
        (void)close(notify->socket);
        notify->socket = -1;
    }
}
