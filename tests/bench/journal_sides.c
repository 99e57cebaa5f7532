#include "tests/bench/journal_sides.h"

#include <string.h>

#include "protocol/codec.h"

enum { AT_MS = 1700000000 };

/* --- the hub's storage --- */

static void append(struct hub_side *side)
{
    side->asked_at = seconds_now();
    side->over = side->asked_at >= side->until;
    if (!side->over) {
        MUST(storage_append(side->storage, side->batch, AT_MS));
        side->appending = true;
    }
}

static void store(struct hub_side *side)
{
    if (side->stores.rows != NULL && !side->over) {
        MUST(storage_store(side->storage, side->stores.rows(side->stores.context)));
        side->storing = true;
    }
}

static void on_timer(uv_timer_t *timer) { store(timer->data); }

static void take(struct hub_side *side, const struct storage_completion *completion)
{
    if (completion->kind == STORAGE_APPENDED) {
        side->appending = false;
        side->appended++;
        MUST(completion->position == side->appended);
        if (side->waits != NULL) {
            figures_add(side->waits, 1000 * (seconds_now() - side->asked_at));
        }
        append(side);
        return;
    }
    MUST(completion->kind == STORAGE_STORED);
    side->storing = false;
    side->stored++;
    storage_trim(side->storage, side->appended);
    MUST(uv_timer_start(&side->timer, on_timer, side->stores.pause_ms, 0) == 0);
}

static void on_woken(uv_async_t *async)
{
    struct hub_side *side = async->data;
    struct storage_completion completion;
    while (storage_poll(side->storage, &completion)) {
        take(side, &completion);
        storage_completion_finish(&completion);
    }
    if (side->over && !side->appending && !side->storing) {
        uv_stop(&side->loop);
    }
}

static void wake(void *context) { (void)uv_async_send(&((struct hub_side *)context)->woken); }

static void declare(struct schema_set *schemas)
{
    struct schema *schema = schema_set_add(schemas, (struct bytes){(const uint8_t *)"post", 4});
    MUST(schema != NULL);
    struct schema_field *field =
        schema_add_field(schema, (struct bytes){(const uint8_t *)"likes", 5});
    MUST(field != NULL);
    declaration_init(&field->declared, &codec_gcounter, false);
}

void hub_side_open(struct hub_side *side, const char *path)
{
    char error[STORAGE_ERROR_BYTES];
    *side = (struct hub_side){0};
    declare(&side->schemas);
    MUST(uv_loop_init(&side->loop) == 0);
    MUST(uv_async_init(&side->loop, &side->woken, on_woken) == 0);
    MUST(uv_timer_init(&side->loop, &side->timer) == 0);
    side->woken.data = side;
    side->timer.data = side;
    MUST(storage_open(&side->storage, path, false, &side->schemas, error));
    MUST(storage_start(side->storage, wake, side));
}

void hub_side_close(struct hub_side *side)
{
    MUST(storage_close(side->storage));
    uv_close((uv_handle_t *)&side->woken, NULL);
    uv_close((uv_handle_t *)&side->timer, NULL);
    (void)uv_run(&side->loop, UV_RUN_DEFAULT);
    MUST(uv_loop_close(&side->loop) == 0);
    schema_set_finish(&side->schemas);
}

double hub_side_run(struct hub_side *side, struct bytes batch, double seconds)
{
    double from = seconds_now();
    uint64_t before = side->appended;
    side->batch = batch;
    side->until = from + seconds;
    append(side);
    store(side);
    (void)uv_run(&side->loop, UV_RUN_DEFAULT);
    (void)uv_timer_stop(&side->timer);
    return (double)(side->appended - before) / (seconds_now() - from);
}

/* --- the floor --- */

/* As the storage sets its connection up: what differs is who drives it. */
static const char setup[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
    "PRAGMA wal_autocheckpoint = 10000;"
    "CREATE TABLE journal(position INTEGER PRIMARY KEY, at INTEGER NOT NULL, batch BLOB NOT NULL)";

void floor_side_open(struct floor_side *side, const char *path)
{
    *side = (struct floor_side){0};
    MUST(sqlite3_open(path, &side->database) == SQLITE_OK);
    MUST(sqlite3_exec(side->database, setup, NULL, NULL, NULL) == SQLITE_OK);
    MUST(sqlite3_prepare_v2(side->database, "INSERT INTO journal(at, batch) VALUES (?1, ?2)", -1,
                            &side->insert, NULL) == SQLITE_OK);
}

void floor_side_close(struct floor_side *side)
{
    (void)sqlite3_finalize(side->insert);
    MUST(sqlite3_close(side->database) == SQLITE_OK);
}

double floor_side_run(struct floor_side *side, struct bytes batch, double seconds)
{
    double from = seconds_now();
    uint64_t before = side->appended;
    while (seconds_now() < from + seconds) {
        (void)sqlite3_bind_int64(side->insert, 1, AT_MS);
        (void)sqlite3_bind_blob64(side->insert, 2, batch.data, batch.length, SQLITE_STATIC);
        MUST(sqlite3_step(side->insert) == SQLITE_DONE);
        (void)sqlite3_reset(side->insert);
        side->appended++;
    }
    return (double)(side->appended - before) / (seconds_now() - from);
}
