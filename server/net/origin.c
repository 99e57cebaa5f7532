/* Which pages may open a socket, and ask by HTTP. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/session.h"

enum { ORIGIN_BYTES = 512 };

/* Numbers, or what the machine itself calls so: no name server is asked. Cuts off the port. */
static bool is_local(char *host)
{
    static const char suffix[] = ".localhost";
    struct in_addr four;
    host[strcspn(host, ":")] = '\0';
    size_t length = strlen(host);
    return host[0] == '[' || inet_pton(AF_INET, host, &four) == 1 ||
           strcmp(host, "localhost") == 0 ||
           (length >= sizeof suffix && strcmp(host + length - (sizeof suffix - 1), suffix) == 0);
}

/*
 * Whoever owns a name can let it lead to this machine (DNS rebinding): their page, loaded from
 * their server before, is then of the same origin as the hub. Where no other machine reaches the
 * port, such a name cannot be the hub's. What comes by a proxy has the proxy's port, or none.
 */
static bool is_rebound(const struct net *net, enum net_door door, char *host)
{
    const char *colon = strrchr(host, ':');
    bool inside = door == NET_INTERNAL;
    const char *usual = !inside && net->config.tls.certificate != NULL ? "443" : "80";
    const char *port = colon == NULL || strchr(colon, ']') != NULL ? usual : colon + 1;
    bool loopback = inside ? net->config.internal_loopback : net->config.loopback;
    const struct listener *listener = inside ? &net->internal : &net->listener;
    return loopback && atoi(port) == listener_port(listener) && !is_local(host);
}

bool host_is_rebound(const struct net *net, enum net_door door, struct bytes host)
{
    char name[ORIGIN_BYTES];
    if (host.length >= sizeof name) {
        return true;
    }
    if (host.length > 0) {
        memcpy(name, host.data, host.length);
    }
    name[host.length] = '\0';
    return is_rebound(net, door, name);
}

/*
 * Whoever has the network can speak for a page without TLS of the hub's own name. What a proxy does
 * for the hub's pages is not known here.
 */
static bool is_in_the_clear(const struct net *net, enum net_door door, const char *origin)
{
    static const char scheme[] = "https:";
    return door == NET_PUBLIC && net->config.tls.certificate != NULL &&
           strncmp(origin, scheme, sizeof scheme - 1) != 0;
}

bool origin_allowed(const struct net *net, struct lws *wsi)
{
    char origin[ORIGIN_BYTES];
    char host[ORIGIN_BYTES];
    int length = lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN);
    if (length <= 0) {
        return true; /* not a browser */
    }
    if (lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN) < 0) {
        return false;
    }
    for (size_t i = 0; i < net->config.origin_count; i++) {
        const char *allowed = net->config.origins[i];
        if (strcmp(allowed, "*") == 0 || strcmp(allowed, origin) == 0) {
            return true;
        }
    }
    const char *authority = strstr(origin, "://");
    return authority != NULL && !is_in_the_clear(net, handshakes_door(wsi), origin) &&
           lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) > 0 &&
           strcmp(authority + 3, host) == 0 && !is_rebound(net, handshakes_door(wsi), host);
}
