/* The tables' inside, shared by opening and storing (tables.c), and loading (tables_load.c). */
#ifndef STORAGE_TABLES_STATE_H
#define STORAGE_TABLES_STATE_H

#include "server/storage/browse.h"
#include "server/storage/tables.h"
#include "server/storage/walk.h"
#include "server/storage/webhooks.h"

#define STATEMENT_LIST(X)                                                                          \
    X(put_document, "INSERT INTO documents(schema, key, position, next_index, retired) "           \
                    "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(schema, key) DO UPDATE SET "          \
                    "position = excluded.position, next_index = excluded.next_index, "             \
                    "retired = excluded.retired "                                                  \
                    "RETURNING id")                                                                \
    X(put_field, "INSERT INTO document_fields(document, field, position, horizon) "                \
                 "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "                              \
                 "position = excluded.position, horizon = excluded.horizon")                       \
    X(forget_removals, "DELETE FROM removals WHERE document = ?1 AND field = ?2 "                  \
                       "AND position <= ?3")                                                       \
    X(put_entry, "INSERT INTO entries(document, field, key, position, value, detail) "             \
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET "                      \
                 "position = excluded.position, value = excluded.value, "                          \
                 "detail = excluded.detail")                                                       \
    X(drop_entry, "DELETE FROM entries WHERE document = ?1 AND field = ?2 AND key = ?3")           \
    X(put_removal, "INSERT INTO removals(document, field, key, position) "                         \
                   "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "                            \
                   "position = excluded.position")                                                 \
    X(any_removal, "SELECT 1 FROM removals WHERE document = ?1 LIMIT 1")                           \
    X(drop_removal, "DELETE FROM removals WHERE document = ?1 AND field = ?2 AND key = ?3")        \
    X(put_replica, "INSERT INTO replicas(document, replica, number, seq, position, at, detail, "   \
                   "principal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE "     \
                   "SET number = excluded.number, seq = excluded.seq, position = "                 \
                   "excluded.position, at = excluded.at, "                                         \
                   "detail = excluded.detail, principal = excluded.principal")                     \
    X(drop_replica, "DELETE FROM replicas WHERE document = ?1 AND replica = ?2")                   \
    X(erase_fields, "DELETE FROM document_fields WHERE document = ?1")                             \
    X(erase_entries, "DELETE FROM entries WHERE document = ?1")                                    \
    X(erase_removals, "DELETE FROM removals WHERE document = ?1")                                  \
    X(erase_rejected, "DELETE FROM rejected WHERE document = ?1")                                  \
    X(put_rejected, "INSERT OR REPLACE INTO rejected(document, replica, seq, at, code, text, "     \
                    "packet) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                 \
    X(bound_rejected, "DELETE FROM rejected WHERE rowid <= "                                       \
                      "(SELECT max(rowid) FROM rejected) - 10000")                                 \
    X(get_document, "SELECT id, position, next_index, retired FROM documents "                     \
                    "WHERE schema = ?1 AND key = ?2")                                              \
    X(get_fields, "SELECT field, position, horizon FROM document_fields WHERE document = ?1")      \
    X(get_entries, "SELECT field, key, position, detail FROM entries WHERE document = ?1 "         \
                   "ORDER BY position")                                                            \
    X(get_removals, "SELECT field, key, position FROM removals WHERE document = ?1 "               \
                    "ORDER BY position")                                                           \
    X(get_replica, "SELECT number, seq, position, at, detail, principal FROM replicas "            \
                   "WHERE document = ?1 AND replica = ?2")                                         \
    X(get_ledger, "SELECT number, seq, position, at, detail, principal, replica FROM replicas "    \
                  "WHERE document = ?1")

struct tables {
#define X(name, sql) sqlite3_stmt *name;
    STATEMENT_LIST(X)
#undef X
    struct walk *walk;
    struct browse *browse;
    struct webhook_tables *webhooks; /* NULL: there are none */
    int64_t document;                /* that the rows belong to; 0: none yet */
    bool removals;                   /* it may have some; while storing */
    struct bytes name;               /* of the document being loaded; borrowed */
    char damage[512];
};

/* `schema/key`. False: no slash. */
bool tables_split_name(struct bytes name, struct bytes *schema, struct bytes *key);

#endif
