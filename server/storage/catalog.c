#include "server/storage/catalog.h"

#include <stdio.h>
#include <string.h>

enum { BOOT_ID_BYTES = 36 };

bool catalog_fail(sqlite3 *database, const char *what, struct catalog_error *error)
{
    char reason[DATABASE_REASON_BYTES];
    database_reason(database, sqlite3_extended_errcode(database), reason);
    (void)snprintf(error->text, sizeof error->text, "%s: %s", what, reason);
    return false;
}

static bool refuse(struct catalog_error *error, const char *sentence)
{
    (void)snprintf(error->text, sizeof error->text, "%s", sentence);
    return false;
}

/* How many things of any kind the file defines, and whether `meta` is one. */
static int look_inside(sqlite3 *database, int *count, bool *has_meta)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement,
                              "SELECT count(*), total(name = 'meta' AND type = 'table') "
                              "FROM sqlite_schema");
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        *count = sqlite3_column_int(statement, 0);
        *has_meta = sqlite3_column_int(statement, 1) > 0;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Somebody else's table `meta` may lack the columns, so any way to fail means the same. */
static bool read_format(sqlite3 *database, int64_t *format)
{
    return meta_read_int(database, "format", format) == SQLITE_OK && *format > 0;
}

bool catalog_prepare(sqlite3 *database, const char *path, bool *empty, struct catalog_error *error)
{
    bool has_meta = false;
    int count = 0;
    int64_t format = 0;
    int rc = look_inside(database, &count, &has_meta);
    if (rc == SQLITE_NOTADB) {
        return refuse(error, "is not a database: name another file");
    }
    if (rc != SQLITE_OK) {
        return catalog_fail(database, "the file cannot be read", error);
    }
    *empty = count == 0;
    if (*empty) {
        return true;
    }
    if (!has_meta || !read_format(database, &format)) {
        return refuse(error, "is a database, but not one of Syncline's: name another file");
    }
    if (format > CATALOG_FORMAT) {
        (void)snprintf(error->text, sizeof error->text,
                       "has format %lld and this program knows formats up to %d: start a newer "
                       "version of the program",
                       (long long)format, CATALOG_FORMAT);
        return false;
    }
    return format == CATALOG_FORMAT ||
           catalog_migrate(database, path, catalog_migrations, format, CATALOG_FORMAT, error);
}

bool catalog_create(sqlite3 *database, struct catalog_error *error)
{
    bool made = database_exec(database, catalog_schema_sql) == SQLITE_OK &&
                meta_write_int(database, "format", CATALOG_FORMAT) == SQLITE_OK;
    return made ? true : catalog_fail(database, "the tables cannot be made", error);
}

/* SQLite's generator is seeded by its file system's: where that is simulated, so is this. */
static bool new_journal(sqlite3 *database, struct journal_id *journal)
{
    sqlite3_randomness(sizeof journal->bytes, journal->bytes);
    return meta_write_bytes(database, "journal",
                            (struct bytes){journal->bytes, sizeof journal->bytes}) == SQLITE_OK;
}

static bool keep_ancestor(sqlite3 *database, const struct journal_id *journal, uint64_t last)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        database_prepare(database, &statement,
                         "INSERT OR REPLACE INTO ancestors(journal, position) VALUES (?1, ?2)");
    if (rc == SQLITE_OK) {
        bind_bytes(statement, 1, (struct bytes){journal->bytes, sizeof journal->bytes});
        bind_uint(statement, 2, last);
        rc = database_run(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_OK;
}

/* Where the system does not tell its boot id, every start counts as another boot: safe, and rare.
 */
static void read_boot(uint8_t boot[BOOT_ID_BYTES])
{
    memset(boot, 0, BOOT_ID_BYTES);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        size_t length = fread(boot, 1, BOOT_ID_BYTES, file);
        if (length < BOOT_ID_BYTES) {
            memset(boot, 0, BOOT_ID_BYTES);
        }
        (void)fclose(file);
    }
}

/* Whether the last run may have lost commits that it had acknowledged. False: meta is damaged. */
static bool read_last_run(sqlite3 *database, const uint8_t boot[BOOT_ID_BYTES], bool *lost)
{
    uint8_t before[BOOT_ID_BYTES];
    int64_t clean = 0;
    int64_t relaxed = 0;
    if (meta_read_int(database, "clean", &clean) != SQLITE_OK ||
        meta_read_int(database, "relaxed", &relaxed) != SQLITE_OK ||
        meta_read_bytes(database, "boot", before, sizeof before) != SQLITE_OK) {
        return false;
    }
    bool same_boot = boot[0] != 0 && memcmp(boot, before, BOOT_ID_BYTES) == 0;
    *lost = clean == 0 && relaxed != 0 && !same_boot;
    return true;
}

static bool mark_in_use(sqlite3 *database, bool relaxed, const uint8_t boot[BOOT_ID_BYTES])
{
    return meta_write_int(database, "clean", 0) == SQLITE_OK &&
           meta_write_int(database, "relaxed", relaxed) == SQLITE_OK &&
           meta_write_bytes(database, "boot", (struct bytes){boot, BOOT_ID_BYTES}) == SQLITE_OK;
}

bool catalog_journal(sqlite3 *database, bool relaxed, uint64_t last, struct journal_id *journal,
                     struct catalog_error *error)
{
    uint8_t boot[BOOT_ID_BYTES];
    bool lost = false;
    read_boot(boot);
    int rc = meta_read_bytes(database, "journal", journal->bytes, sizeof journal->bytes);
    bool is_new = rc == SQLITE_NOTFOUND && last == 0;
    if (!is_new && (rc != SQLITE_OK || !read_last_run(database, boot, &lost))) {
        return refuse(error, "the table meta is damaged: the journal's id or the notes of the last "
                             "run cannot be read");
    }
    bool good = (!lost || keep_ancestor(database, journal, last)) &&
                ((!lost && !is_new) || new_journal(database, journal)) &&
                mark_in_use(database, relaxed, boot);
    return good ? true : catalog_fail(database, "the journal's id cannot be kept", error);
}
