#include "server/storage/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"

/* Some ten milliseconds of the reading thread, and as much as one batch of the journal likes. If
 * something else waits, a step ends at a multiple of fewer: the walk goes on, if slowly. */
enum { STEP_ROWS = 20000, YIELD_ROWS = 2000, STEP_FOUND = 1000, KEY_BYTES = 8 + REPLICA_BYTES };

_Static_assert((int)KEY_BYTES <= (int)LIMIT_ROW_WALK_BYTES, "a walk goes on behind a row's key");

struct walk {
    sqlite3_stmt *step;
    walk_waits *waits; /* NULL: nothing ever does */
    void *waits_context;
    uint64_t document; /* where the walk is */
    struct replica_id replica;
    uint64_t named; /* the document whose name was written last */
    size_t rows;    /* of this step */
    size_t found;
};

/* The names come by lookup: the order is that of the replicas' key. */
static const char step_sql[] = "SELECT document, replica, at, schema, key FROM replicas "
                               "CROSS JOIN documents ON documents.id = replicas.document "
                               "WHERE (document, replica) > (?1, ?2) ORDER BY document, replica";

struct walk *walk_open(sqlite3 *database)
{
    struct walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL || database_prepare(database, &walk->step, step_sql) != SQLITE_OK) {
        walk_close(walk);
        return NULL;
    }
    return walk;
}

void walk_close(struct walk *walk)
{
    if (walk != NULL) {
        (void)sqlite3_finalize(walk->step);
        free(walk);
    }
}

void walk_yield_to(struct walk *walk, walk_waits *waits, void *context)
{
    walk->waits = waits;
    walk->waits_context = context;
}

static bool read_after(struct walk *walk, struct bytes after)
{
    *walk = (struct walk){
        .step = walk->step, .waits = walk->waits, .waits_context = walk->waits_context};
    if (after.length == 0) {
        return true;
    }
    if (after.length != KEY_BYTES) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        walk->document = walk->document << 8 | after.data[i];
    }
    memcpy(walk->replica.bytes, after.data + 8, REPLICA_BYTES);
    return true;
}

static void write_after(const struct walk *walk, bool more, struct writer *writer)
{
    uint8_t key[KEY_BYTES];
    for (size_t i = 0; i < 8; i++) {
        key[i] = (uint8_t)(walk->document >> (56 - 8 * i));
    }
    memcpy(key + 8, walk->replica.bytes, REPLICA_BYTES);
    row_write(writer,
              &(struct row){.kind = ROW_WALKED, .key = {key, more ? (size_t)KEY_BYTES : 0}});
}

static void write_name(struct walk *walk, struct writer *writer)
{
    uint8_t name[LIMIT_DOCUMENT_NAME_BYTES];
    struct bytes schema = column_bytes(walk->step, 3);
    struct bytes key = column_bytes(walk->step, 4);
    size_t length = schema.length + 1 + key.length;
    if (walk->named == walk->document) {
        return;
    }
    if (length > sizeof name) {
        writer->status = PROTOCOL_MALFORMED;
        return;
    }
    memcpy(name, schema.data, schema.length);
    name[schema.length] = '/';
    memcpy(name + schema.length + 1, key.data, key.length);
    row_write(writer, &(struct row){.kind = ROW_DOCUMENT, .name = {name, length}});
    walk->named = walk->document;
}

/* False: the row is damaged. */
static bool look_at_row(struct walk *walk, uint64_t before_ms, struct writer *writer)
{
    struct bytes replica = {0};
    uint64_t at_ms = 0;
    if (!column_take_uint(walk->step, 0, &walk->document) ||
        !column_take_bytes(walk->step, 1, &replica) ||
        !replica_id_from_bytes(replica, &walk->replica) ||
        !column_take_uint(walk->step, 2, &at_ms)) {
        return false;
    }
    walk->rows++;
    if (at_ms < before_ms) {
        write_name(walk, writer);
        row_write(writer, &(struct row){.kind = ROW_SILENT, .replica = walk->replica});
        walk->found++;
    }
    return true;
}

static bool is_step_done(const struct walk *walk)
{
    bool yields = walk->waits != NULL && walk->rows > 0 && walk->rows % YIELD_ROWS == 0;
    return walk->rows >= STEP_ROWS || walk->found >= STEP_FOUND ||
           (yields && walk->waits(walk->waits_context));
}

int walk_silent(struct walk *walk, const struct row_request *request, struct writer *writer,
                char *damage, size_t damage_bytes)
{
    if (!read_after(walk, request->after)) {
        return SQLITE_MISMATCH;
    }
    bind_uint(walk->step, 1, walk->document);
    bind_bytes(walk->step, 2, replica_id_bytes(&walk->replica));
    int rc = sqlite3_step(walk->step);
    while (rc == SQLITE_ROW && !is_step_done(walk) && writer->status == PROTOCOL_OK) {
        rc = look_at_row(walk, request->silent_before_ms, writer) ? sqlite3_step(walk->step)
                                                                  : SQLITE_CORRUPT;
    }
    (void)sqlite3_reset(walk->step);
    if ((rc & 0xff) == SQLITE_CORRUPT) {
        (void)snprintf(damage, damage_bytes,
                       "a row of the table replicas is damaged: document %" PRIu64, walk->document);
        return SQLITE_CORRUPT;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return rc;
    }
    write_after(walk, rc == SQLITE_ROW, writer);
    return writer->status == PROTOCOL_OK ? SQLITE_OK : SQLITE_NOMEM;
}
