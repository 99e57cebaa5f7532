#include "server/storage/lineage.h"

#include <stdlib.h>
#include <string.h>

static int add(struct lineage *lineage, sqlite3_stmt *row)
{
    struct storage_ancestor item;
    struct bytes journal;
    if (!column_take_bytes(row, 0, &journal) || journal.length != JOURNAL_ID_BYTES ||
        !column_take_uint(row, 1, &item.position)) {
        return SQLITE_CORRUPT;
    }
    memcpy(item.journal.bytes, journal.data, JOURNAL_ID_BYTES);
    struct storage_ancestor *grown =
        realloc(lineage->items, (lineage->length + 1) * sizeof *lineage->items);
    if (grown == NULL) {
        return SQLITE_NOMEM;
    }
    lineage->items = grown;
    lineage->items[lineage->length++] = item;
    return SQLITE_OK;
}

int lineage_read(sqlite3 *database, struct lineage *lineage)
{
    static const char sql[] =
        "SELECT value, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0) "
        "FROM meta WHERE key = 'journal' UNION ALL SELECT journal, position FROM ancestors";
    sqlite3_stmt *rows = NULL;
    *lineage = (struct lineage){0};
    int rc = database_prepare(database, &rows, sql);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(rows);
    }
    while (rc == SQLITE_ROW) {
        rc = add(lineage, rows);
        rc = rc == SQLITE_OK ? sqlite3_step(rows) : rc;
    }
    (void)sqlite3_finalize(rows);
    return rc == SQLITE_DONE && lineage->length > 0 ? SQLITE_OK
           : rc == SQLITE_DONE                      ? SQLITE_CORRUPT
                                                    : rc;
}

void lineage_finish(struct lineage *lineage)
{
    free(lineage->items);
    *lineage = (struct lineage){0};
}

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

static const struct storage_ancestor *find(const struct lineage *lineage,
                                           const struct journal_id *journal)
{
    for (size_t i = 0; i < lineage->length; i++) {
        if (memcmp(lineage->items[i].journal.bytes, journal->bytes, JOURNAL_ID_BYTES) == 0) {
            return &lineage->items[i];
        }
    }
    return NULL;
}

/* The last position up to which both files had the same history; 0: they share none. */
static uint64_t shared(const struct lineage *a, const struct lineage *b)
{
    uint64_t position = 0;
    for (size_t i = 0; i < a->length; i++) {
        const struct storage_ancestor *other = find(b, &a->items[i].journal);
        uint64_t both = other == NULL ? 0 : lesser(a->items[i].position, other->position);
        position = both > position ? both : position;
    }
    return position;
}

static int put(sqlite3_stmt *insert, const struct storage_ancestor *ancestor, uint64_t position)
{
    bind_bytes(insert, 1, (struct bytes){ancestor->journal.bytes, JOURNAL_ID_BYTES});
    bind_uint(insert, 2, position);
    return database_run(insert);
}

int lineage_keep(sqlite3 *database, const struct lineage *own, const struct lineage *replaced)
{
    sqlite3_stmt *insert = NULL;
    uint64_t both = shared(own, replaced);
    int rc = database_prepare(
        database, &insert, "INSERT OR REPLACE INTO ancestors(journal, position) VALUES (?1, ?2)");
    for (size_t i = 0; i < own->length && rc == SQLITE_OK; i++) {
        rc = put(insert, &own->items[i], own->items[i].position);
    }
    for (size_t i = 0; i < replaced->length && rc == SQLITE_OK && both > 0; i++) {
        const struct storage_ancestor *item = &replaced->items[i];
        if (find(own, &item->journal) == NULL) {
            rc = put(insert, item, lesser(item->position, both));
        }
    }
    (void)sqlite3_finalize(insert);
    return rc;
}
