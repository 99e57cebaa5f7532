/* Copy: SQLite's online backup of a file that may be in use, also one whose log lies beside it. */
#ifndef STORAGE_COPY_H
#define STORAGE_COPY_H

#include "server/storage/storage.h"

/* Makes `to` anew. False: `error` holds a sentence, and `to` may be there in part. */
CRDT_CHECKED bool copy_database(const char *from, const char *to, char error[STORAGE_ERROR_BYTES]);

#endif
