#include "server/net/handshakes.h"

#include <stdlib.h>

struct handshake {
    struct handshake *older;
    struct handshake *newer;
    struct lws *wsi;
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
}

void handshakes_remove(struct handshakes *handshakes, struct lws *wsi)
{
    struct handshake *handshake = lws_get_opaque_user_data(wsi);
    if (handshake != NULL) {
        lws_set_opaque_user_data(wsi, NULL);
        unlink_from(handshakes, handshake);
        free(handshake);
    }
}

static void cut_oldest(struct handshakes *handshakes)
{
    struct lws *wsi = handshakes->oldest->wsi;
    handshakes->cut++;
    handshakes_remove(handshakes, wsi); /* its end is told later */
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

bool handshakes_add(struct handshakes *handshakes, struct lws *wsi)
{
    struct handshake *handshake = malloc(sizeof *handshake);
    if (handshake == NULL) {
        return false;
    }
    if (handshakes->length >= handshakes->most) {
        cut_oldest(handshakes);
    }
    *handshake = (struct handshake){.older = handshakes->newest, .wsi = wsi};
    struct handshake **place =
        handshakes->newest == NULL ? &handshakes->oldest : &handshakes->newest->newer;
    *place = handshake;
    handshakes->newest = handshake;
    handshakes->length++;
    lws_set_opaque_user_data(wsi, handshake);
    return true;
}
