/*
 * A service manager for tests, by the protocols of sd_listen_fds(3) and sd_notify(3):
 *
 *     manager LISTENS WATCHDOG_USEC PROGRAM ARGUMENT...
 *
 * listens on LISTENS free TCP ports of 127.0.0.1, prints `port N` for the first, and starts the
 * program with the sockets, when it is asked to. On stdin a line `start` starts it, and a number
 * sends it that signal; on stdout a line each: `pid N`, `notify ...` for each datagram, its line
 * feeds as spaces, and `exit CODE`, or 128 and the signal. It ends with its stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_SOCKET = 3, NOTIFY_SOCKET = 20, SIGNALS = 21 };

static _Noreturn void stop(const char *what)
{
    perror(what);
    exit(2);
}

static void move(int fd, int to)
{
    if (fd < 0 || (fd != to && (dup2(fd, to) < 0 || close(fd) != 0))) {
        stop("a descriptor");
    }
}

static void open_listener(int number)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        stop("a listener");
    }
    move(listener, FIRST_SOCKET + number);
    if (number == 0) {
        (void)printf("port %d\n", ntohs(address.sin_port));
    }
}

static void open_notify(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int length = snprintf(name, sizeof name, "@syncline-manager-%d", (int)getpid());
    (void)setenv("NOTIFY_SOCKET", name, 1);
    memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
    move(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), NOTIFY_SOCKET);
    if (bind(NOTIFY_SOCKET, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)) != 0 ||
        fcntl(NOTIFY_SOCKET, F_SETFD, FD_CLOEXEC) != 0) {
        stop("the socket for notices");
    }
}

static void open_signals(sigset_t *before)
{
    sigset_t child;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, before);
    move(signalfd(-1, &child, SFD_CLOEXEC), SIGNALS);
    (void)fcntl(SIGNALS, F_SETFD, FD_CLOEXEC);
}

static pid_t start(char **program, const char *listens, const sigset_t *mask)
{
    pid_t child = fork();
    if (child < 0) {
        stop("fork");
    }
    if (child > 0) {
        (void)printf("pid %d\n", (int)child);
        return child;
    }
    char pid[24];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("WATCHDOG_PID", pid, 1);
    (void)setenv("LISTEN_FDS", listens, 1);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    (void)execv(program[0], program);
    stop(program[0]);
}

static void take_notice(void)
{
    char text[1024];
    ssize_t length = recv(NOTIFY_SOCKET, text, sizeof text - 1, 0);
    if (length < 0) {
        stop("a notice");
    }
    text[length] = '\0';
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    (void)printf("notify %s\n", text);
}

static void take_end(pid_t *child)
{
    struct signalfd_siginfo info;
    int status = 0;
    if (read(SIGNALS, &info, sizeof info) != sizeof info) {
        stop("a signal");
    }
    if (waitpid(*child, &status, WNOHANG) == *child) {
        (void)printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        *child = 0;
    }
}

int main(int count, char **values)
{
    sigset_t before;
    pid_t child = 0;
    char line[32];
    if (count < 4) {
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)setvbuf(stdin, NULL, _IONBF, 0);
    for (int i = 0; i < atoi(values[1]); i++) {
        open_listener(i);
    }
    open_notify();
    open_signals(&before);
    if (strcmp(values[2], "0") != 0) {
        (void)setenv("WATCHDOG_USEC", values[2], 1);
    }
    struct pollfd events[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = NOTIFY_SOCKET, .events = POLLIN},
        {.fd = SIGNALS, .events = POLLIN},
    };
    for (;;) {
        if (poll(events, 3, -1) < 0 && errno != EINTR) {
            stop("poll");
        }
        if ((events[1].revents & POLLIN) != 0) {
            take_notice();
        } else if ((events[2].revents & POLLIN) != 0) {
            take_end(&child);
        } else if (events[0].revents != 0 && fgets(line, sizeof line, stdin) == NULL) {
            break;
        } else if (events[0].revents != 0 && strcmp(line, "start\n") == 0) {
            child = start(&values[3], values[1], &before);
        } else if (events[0].revents != 0 && child > 0) {
            (void)kill(child, atoi(line));
        }
    }
    if (child > 0) {
        (void)kill(child, SIGKILL);
    }
    return 0;
}
