/*
 * Timeouts: libwebsockets 4.1.6 keeps those of all connections in one list, in order of time, and
 * for each new one it walks from the front; most belong at the end, so that with 10,000 handshakes
 * under way every other one would cost their number three times over. The list is its own, but the
 * function that sorts in is public, and libwebsockets calls it as everybody does: this file gives
 * the program its own, which looks from both ends.
 */
#include <libwebsockets.h>

/* As there: before the first that is not less. */
void lws_dll2_add_sorted(lws_dll2_t *item, lws_dll2_owner_t *owner,
                         int (*compare)(const lws_dll2_t *a, const lws_dll2_t *b))
{
    lws_dll2_t *front = lws_dll2_get_head(owner);
    lws_dll2_t *back = lws_dll2_get_tail(owner);
    while (front != NULL && compare(front, item) < 0) {
        if (compare(back, item) < 0) {
            front = back->next;
            break;
        }
        front = front->next;
        back = back->prev;
    }
    if (front == NULL) {
        lws_dll2_add_tail(item, owner);
    } else {
        lws_dll2_add_before(item, front);
    }
}
