/*
 * Unstored: the documents in memory that the database does not have yet, in the order of their
 * names, so that a list of all documents can be read in pieces. Who is in the database is listed by
 * it.
 *
 * Shape    a treap (Seidel, Aragon 1996): a search tree by name, a heap by weight. The weight is
 * the name's hash, which outsiders cannot foresee, so the tree's depth is that of a random one.
 * Cost     O(log n) for each call.
 */
#ifndef HUB_UNSTORED_H
#define HUB_UNSTORED_H

#include "crdt/bytes.h"

struct document;

/* A member of each document. */
struct unstored_node {
    struct document *left;
    struct document *right;
    uint64_t weight;
    bool listed;
};

/* `{0}` is empty. */
struct unstored {
    struct document *root;
    uint64_t seed;
};

/* Nothing, if it is there already. */
void unstored_add(struct unstored *unstored, struct document *document);

/* Nothing, if it is not there. */
void unstored_remove(struct unstored *unstored, struct document *document);

/* The first whose name comes behind this one (`document_name_compare`); NULL: none does. */
struct document *unstored_after(const struct unstored *unstored, struct bytes name);

#endif
