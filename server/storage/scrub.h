/*
 * Scrub: of what was deleted nothing is left. SQLite gives deleted pages to a list of free ones,
 * and leaves their bytes there, and in the rest of a page that is used again for something shorter:
 * so the file is written anew, and the log is moved into it and cut to nothing.
 */
#ifndef STORAGE_SCRUB_H
#define STORAGE_SCRUB_H

#include "server/storage/database.h"

/* Outside a transaction. Others write when it is done. SQLITE_BUSY: somebody reads the log for so
 * long that it cannot be cut. */
STORAGE_CHECKED int scrub(sqlite3 *database);

#endif
