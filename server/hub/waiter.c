/* Waiters: who waits until a document's rows are here, or could not be loaded. The document stays
 * in memory meanwhile. They have their turn at the end of a step, first to last. */
#include "server/hub/documents.h"
#include "server/hub/list.h"
#include "server/hub/state.h"

static void end(struct hub *hub, struct waiter *waiter)
{
    struct document *document = waiter->document;
    waiter->ready(hub, waiter);
    waiter->destroy(hub, waiter);
    document_unpin(hub, document);
}

void waiter_begin(struct hub *hub, struct waiter *waiter, struct document *document)
{
    waiter->document = document;
    document_pin(document);
    if (document->ready) {
        end(hub, waiter);
        return;
    }
    (void)document_load(hub, document, NULL, 0, &waiter->loads);
    list_push(&hub->waiters, &waiter->link);
}

void waiters_pump(struct hub *hub)
{
    struct link *at = hub->load_ended ? hub->waiters.next : &hub->waiters;
    while (at != &hub->waiters && hub->status == HUB_OK) {
        struct waiter *waiter = CONTAINER(at, struct waiter, link);
        at = at->next;
        if (waiter->loads == 0) {
            list_remove(&waiter->link);
            end(hub, waiter);
        }
    }
    hub->load_ended = false;
}

void waiters_finish(struct hub *hub)
{
    while (!list_empty(&hub->waiters)) {
        struct waiter *waiter = CONTAINER(hub->waiters.next, struct waiter, link);
        list_remove(&waiter->link);
        waiter->destroy(hub, waiter);
    }
}
