/*
 * List: doubly linked, of links that are members of what they link. A thing that can be in several
 * lists has a link for each; it is taken out without a search.
 */
#ifndef HUB_LIST_H
#define HUB_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Of an item, or the head. */
struct link {
    struct link *previous;
    struct link *next;
};

void list_init(struct link *head);
bool list_empty(const struct link *head);
bool list_linked(const struct link *link);
void list_push(struct link *head, struct link *link); /* at the end; not if it is in one */
void list_remove(struct link *link);                  /* nothing, if it is in none */

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define LIST_FOR_EACH(at, head) for (struct link *at = (head)->next; at != (head); at = at->next)

#endif
