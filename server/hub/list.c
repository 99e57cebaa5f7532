#include "server/hub/list.h"

void list_init(struct link *head)
{
    head->previous = head;
    head->next = head;
}

bool list_empty(const struct link *head) { return head->next == head; }

bool list_linked(const struct link *link) { return link->next != NULL; }

void list_push(struct link *head, struct link *link)
{
    if (list_linked(link)) {
        return;
    }
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

void list_remove(struct link *link)
{
    if (!list_linked(link)) {
        return;
    }
    link->previous->next = link->next;
    link->next->previous = link->previous;
    *link = (struct link){0};
}
