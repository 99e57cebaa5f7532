/*
 * Inherit: a listening socket that somebody else has opened: the service manager (LISTEN_FDS, see
 * sd_listen_fds(3)), or the hub that ran before. Connections that come while no hub runs wait in
 * it.
 */
#ifndef SERVER_INHERIT_H
#define SERVER_INHERIT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct inherited {
    int socket;                          /* 0: none */
    char address[INET6_ADDRSTRLEN + 16]; /* as `listen` has it */
};

/*
 * The socket that the environment says is there for clients. False: it cannot be used, and `error`
 * holds a sentence. The variables are taken away, so that no other program takes them for its own.
 */
bool inherit_from_environment(struct inherited *inherited, char *error, size_t size);

/* The same for one socket, whose number is above 0. */
bool inherit_socket(int socket, struct inherited *inherited, char *error, size_t size);

#endif
