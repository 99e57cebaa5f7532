/*
 * Lineage: a journal and those it continues, each with the last position that it shares with the
 * file. What a restored file takes over from itself, and from the file whose place it takes: a
 * cursor or a context of any of their journals means something as far as they are the same.
 */
#ifndef STORAGE_LINEAGE_H
#define STORAGE_LINEAGE_H

#include "server/storage/database.h"
#include "server/storage/storage.h"

/* The journal itself, at the greatest position it ever gave, then its ancestors. `{0}`: nothing is
 * known. */
struct lineage {
    struct storage_ancestor *items;
    size_t length;
};

/* SQLITE_CORRUPT: the tables do not say it. To be finished either way. */
STORAGE_CHECKED int lineage_read(sqlite3 *database, struct lineage *lineage);
void lineage_finish(struct lineage *lineage);

/* Makes what `own` names, and what `replaced` shares with it, ancestors of the file. */
STORAGE_CHECKED int lineage_keep(sqlite3 *database, const struct lineage *own,
                                 const struct lineage *replaced);

#endif
