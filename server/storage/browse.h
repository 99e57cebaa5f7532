/*
 * Browse: what an operator looks through. Each question is answered in a bounded number of rows,
 * and none needs an index of its own, which would cost every commit a write.
 */
#ifndef STORAGE_BROWSE_H
#define STORAGE_BROWSE_H

#include "protocol/rows.h"
#include "server/storage/database.h"

struct browse;

/* NULL: no memory, or not the tables of this format. */
struct browse *browse_open(sqlite3 *database);
void browse_close(struct browse *browse);

/*
 * Documents by their names behind `request->after`, those whose names contain `request->search`: at
 * most `request->limit`, and what LIMIT_LOOKED_AT rows give; then a WALKED row. SQLITE_CORRUPT:
 * `damage` says which row.
 */
STORAGE_CHECKED int browse_names(struct browse *browse, const struct row_request *request,
                                 struct writer *writer, char *damage, size_t damage_bytes);

/*
 * Refused updates below the number `request->before`, the latest stored first, at most
 * `request->limit`: for each a DOCUMENT row of its name, and a REJECTED row. SQLITE_CORRUPT:
 * `damage` says which row.
 */
STORAGE_CHECKED int browse_rejected(struct browse *browse, const struct row_request *request,
                                    struct writer *writer, char *damage, size_t damage_bytes);

/*
 * The document's replicas, those that changed last first, at most `limit`: a statement to be
 * stepped and reset. Of a document with more than LIMIT_LOOKED_AT replicas only the youngest are
 * looked at.
 */
sqlite3_stmt *browse_writers(struct browse *browse, uint64_t document, uint64_t limit);

/* Takes a row of it. False: it is damaged. */
bool browse_take_writer(sqlite3_stmt *statement, struct row *row);

#endif
