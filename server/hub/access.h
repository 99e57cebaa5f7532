/*
 * Access: what a principal may do with which documents. The hub knows no tokens: grants come with
 * VERIFIED, one behind the other, and the rights to a document are those of all that fit its name.
 */
#ifndef HUB_ACCESS_H
#define HUB_ACCESS_H

#include "crdt/bytes.h"
#include "protocol/writer.h"

/* OPENED tells them as a set of these. */
enum access_right {
    ACCESS_READ = 1,
    ACCESS_WRITE = 2,
    ACCESS_PRESENCE = 4, /* to be shown, and to see who is */
    ACCESS_ADMIN = 8,    /* to write fields that only admins write */
    ACCESS_USE = ACCESS_READ | ACCESS_WRITE | ACCESS_PRESENCE,
    ACCESS_ALL = ACCESS_USE | ACCESS_ADMIN
};

/* Appends a grant: to the document of this name, or to all whose names begin with it. */
void access_grant(struct writer *writer, struct bytes name, bool prefix, unsigned rights);

unsigned access_rights(struct bytes grants, struct bytes name);

#endif
