/*
 * Walk: through the replicas of all documents, a bounded step at a time, to find those that were
 * silent for long. An index by time would cost every commit a write; the walk costs a read now and
 * then.
 */
#ifndef STORAGE_WALK_H
#define STORAGE_WALK_H

#include "protocol/rows.h"
#include "server/storage/database.h"

struct walk;

/* NULL: no memory, or not the tables of this format. */
struct walk *walk_open(sqlite3 *database);
void walk_close(struct walk *walk);

/* Whether something else waits, so that a step should end soon; asked now and then. Without it none
 * does. */
typedef bool walk_waits(void *context);
void walk_yield_to(struct walk *walk, walk_waits *waits, void *context);

/*
 * One step behind `request->after`: each document with silent replicas as a DOCUMENT row of nothing
 * but its name, with a SILENT row for each, and a WALKED row at the end. SQLITE_CORRUPT: `damage`
 * says which row.
 */
STORAGE_CHECKED int walk_silent(struct walk *walk, const struct row_request *request,
                                struct writer *writer, char *damage, size_t damage_bytes);

#endif
