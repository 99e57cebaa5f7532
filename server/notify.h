/*
 * Notify: what the service manager is told, by the protocol of sd_notify(3): datagrams of
 * assignments to the Unix socket that NOTIFY_SOCKET names. Without that variable nothing is told.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

struct notify {
    int socket; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t length;
    uv_timer_t watchdog;
};

/* False: no timer to be had. */
bool notify_init(struct notify *notify, uv_loop_t *loop);

/* Assignments, with a line feed between two. A manager that does not take them misses them. */
void notify_say(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* READY=1: also where a reload has ended. */
void notify_ready(const struct notify *notify, const char *status);
/* RELOADING=1, with the time, as Type=notify-reload wants it. */
void notify_reloading(const struct notify *notify);

/*
 * From now on WATCHDOG=1 twice in each interval that WATCHDOG_USEC gives: for as long as the loop
 * turns.
 */
void notify_watch(struct notify *notify);

/* The loop must run before the memory may go. */
void notify_close(struct notify *notify);

#endif
