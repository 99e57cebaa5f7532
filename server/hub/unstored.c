#include "server/hub/unstored.h"

#include "server/hub/documents.h"

static int compare(const struct document *a, struct bytes name)
{
    return document_name_compare(document_name(a), name);
}

/* Takes a tree apart into what comes before the name and what comes behind. */
static void split(struct document *tree, struct bytes name, struct document **before,
                  struct document **behind)
{
    while (tree != NULL) {
        if (compare(tree, name) < 0) {
            *before = tree;
            before = &tree->unstored.right;
            tree = tree->unstored.right;
        } else {
            *behind = tree;
            behind = &tree->unstored.left;
            tree = tree->unstored.left;
        }
    }
    *before = NULL;
    *behind = NULL;
}

/* Puts two trees together, all of one before all of the other. */
static void join(struct document **tree, struct document *before, struct document *behind)
{
    while (before != NULL && behind != NULL) {
        if (before->unstored.weight > behind->unstored.weight) {
            *tree = before;
            tree = &before->unstored.right;
            before = before->unstored.right;
        } else {
            *tree = behind;
            tree = &behind->unstored.left;
            behind = behind->unstored.left;
        }
    }
    *tree = before != NULL ? before : behind;
}

void unstored_add(struct unstored *unstored, struct document *document)
{
    struct bytes name = document_name(document);
    struct document **place = &unstored->root;
    if (document->unstored.listed) {
        return;
    }
    uint64_t weight = bytes_hash(name, unstored->seed);
    while (*place != NULL && (*place)->unstored.weight >= weight) {
        place = compare(*place, name) < 0 ? &(*place)->unstored.right : &(*place)->unstored.left;
    }
    document->unstored = (struct unstored_node){.weight = weight, .listed = true};
    split(*place, name, &document->unstored.left, &document->unstored.right);
    *place = document;
}

void unstored_remove(struct unstored *unstored, struct document *document)
{
    struct bytes name = document_name(document);
    struct document **place = &unstored->root;
    if (!document->unstored.listed) {
        return;
    }
    while (*place != document) {
        place = compare(*place, name) < 0 ? &(*place)->unstored.right : &(*place)->unstored.left;
    }
    join(place, document->unstored.left, document->unstored.right);
    document->unstored = (struct unstored_node){.listed = false};
}

struct document *unstored_after(const struct unstored *unstored, struct bytes name)
{
    struct document *found = NULL;
    struct document *at = unstored->root;
    while (at != NULL) {
        if (compare(at, name) > 0) {
            found = at;
            at = at->unstored.left;
        } else {
            at = at->unstored.right;
        }
    }
    return found;
}
