#include "server/net/handshakes.h"

#include <stdlib.h>

struct handshake {
    struct handshake *older;
    struct handshake *newer;
    struct lws *wsi;
    struct wire *wire;
    enum net_door door;
    bool counts;
};

static void unlink_from(struct handshakes *handshakes, struct handshake *handshake)
{
    struct handshake **older =
        handshake->older == NULL ? &handshakes->oldest : &handshake->older->newer;
    struct handshake **newer =
        handshake->newer == NULL ? &handshakes->newest : &handshake->newer->older;
    *older = handshake->newer;
    *newer = handshake->older;
    handshakes->length--;
    handshake->counts = false;
}

void handshakes_remove(struct handshakes *handshakes, struct lws *wsi)
{
    struct handshake *handshake = lws_get_opaque_user_data(wsi);
    if (handshake != NULL && handshake->counts) {
        unlink_from(handshakes, handshake);
    }
}

void handshakes_finish(struct handshakes *handshakes, struct lws *wsi)
{
    struct handshake *handshake = lws_get_opaque_user_data(wsi);
    if (handshake != NULL) {
        handshakes_remove(handshakes, wsi);
        lws_set_opaque_user_data(wsi, NULL);
        wire_close(handshake->wire);
        free(handshake);
    }
}

struct wire *handshakes_wire(struct lws *wsi)
{
    struct handshake *handshake = lws_get_opaque_user_data(wsi);
    return handshake == NULL ? NULL : handshake->wire;
}

static void cut_oldest(struct handshakes *handshakes)
{
    struct lws *wsi = handshakes->oldest->wsi;
    handshakes->cut++;
    handshakes_remove(handshakes, wsi); /* its end is told later */
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void handshakes_add(struct handshakes *handshakes, struct lws *wsi)
{
    struct handshake *handshake = lws_get_opaque_user_data(wsi);
    if (handshakes->length >= handshakes->most) {
        cut_oldest(handshakes);
    }
    handshake->older = handshakes->newest;
    handshake->newer = NULL;
    handshake->counts = true;
    struct handshake **place =
        handshakes->newest == NULL ? &handshakes->oldest : &handshakes->newest->newer;
    *place = handshake;
    handshakes->newest = handshake;
    handshakes->length++;
}

bool handshakes_begin(struct handshakes *handshakes, struct lws *wsi, struct wire *wire,
                      enum net_door door)
{
    struct handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake == NULL) {
        return false;
    }
    handshake->wsi = wsi;
    handshake->wire = wire;
    handshake->door = door;
    lws_set_opaque_user_data(wsi, handshake);
    handshakes_add(handshakes, wsi);
    return true;
}

enum net_door handshakes_door(struct lws *wsi)
{
    struct handshake *handshake = lws_get_opaque_user_data(wsi);
    return handshake == NULL ? NET_PUBLIC : handshake->door;
}
