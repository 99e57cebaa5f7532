/*
 * Catalog: what the file says of itself, and what the configuration says of its documents: the
 * format, the journal's id, the numbers of fields, and one view for each schema.
 *
 * Functions answer false after writing a sentence for the operator into `error`. What they write is
 * in the caller's transaction, `catalog_prepare` excepted.
 */
#ifndef STORAGE_CATALOG_H
#define STORAGE_CATALOG_H

#include "protocol/journal_id.h"
#include "protocol/schema.h"
#include "server/storage/database.h"

enum { CATALOG_FORMAT = 1, CATALOG_ERROR_BYTES = 1024 };

struct catalog_error {
    char text[CATALOG_ERROR_BYTES];
};

extern const char *const catalog_schema_sql;

/* What makes a file of format `from` one of format `from + 1`. A list ends with `sql` NULL. */
struct catalog_migration {
    int64_t from;
    const char *sql;
};

extern const struct catalog_migration catalog_migrations[];

/*
 * Says whether the file is `*empty`, so that `catalog_create` is next. Refuses what is not a
 * database, what is somebody else's, and a format this program does not know; an older one is
 * migrated, each step in a transaction of its own, after a copy of the file was made beside it.
 */
STORAGE_CHECKED bool catalog_prepare(sqlite3 *database, const char *path, bool *empty,
                                     struct catalog_error *error);
STORAGE_CHECKED bool catalog_create(sqlite3 *database, struct catalog_error *error);

/* Copies the file at `path` to `<path>.format-<from>`, then runs what leads from `from` to `to`. */
STORAGE_CHECKED bool catalog_migrate(sqlite3 *database, const char *path,
                                     const struct catalog_migration *migrations, int64_t from,
                                     int64_t to, struct catalog_error *error);

/*
 * The id of the journal: a new one in a new file, and where a relaxed file was cut off by a crash
 * of the operating system, since its last commits may be lost: the old id then becomes an ancestor
 * at `last`. Marks the file as in use.
 */
STORAGE_CHECKED bool catalog_journal(sqlite3 *database, bool relaxed, uint64_t last,
                                     struct journal_id *journal, struct catalog_error *error);

/*
 * Gives the declared fields their numbers, and the fields that are new theirs; sorts them by
 * number. Refuses another type, or another `of`, for a field that holds data; a field that holds
 * none starts over under a new number. `tail`: the journal holds updates that are not in the tables
 * yet, and may be of any field.
 */
STORAGE_CHECKED bool catalog_fields(sqlite3 *database, struct schema_set *schemas, bool tail,
                                    struct catalog_error *error);

/*
 * Notes which fields are declared no more, and gives those that have come back the position
 * `since`: `last`, the journal's last one, at the time.
 */
STORAGE_CHECKED bool catalog_absences(sqlite3 *database, struct schema_set *schemas, uint64_t last,
                                      struct catalog_error *error);

/* Makes the views anew: key, position, and a column for each field. */
STORAGE_CHECKED bool catalog_views(sqlite3 *database, const struct schema_set *schemas,
                                   struct catalog_error *error);

/* "what: SQLite's message"; answers false. */
bool catalog_fail(sqlite3 *database, const char *what, struct catalog_error *error);

#endif
