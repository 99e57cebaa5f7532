/* Keep: what each target was told, from the storage at the start, and to it once a second. */
#include <string.h>

#include "protocol/limits.h"
#include "server/webhooks/state.h"

enum { KEEP_MS = 1000, LOAD_RETRY_MS = 1000 };

void keep_ask(struct webhooks *webhooks)
{
    webhooks->loading =
        webhooks_ask_rows(webhooks, &(struct row_request){.kind = ROWS_TARGETS, .limit = 1});
    if (webhooks->loading == 0) {
        webhooks->loading = UINT64_MAX;
        webhooks->load_ms = now_of(webhooks) + LOAD_RETRY_MS;
    }
}

/* --- from the storage --- */

/* Positions of a journal that this one was restored from mean less, or nothing: all is owed then.
 */
static uint64_t resolve(const struct webhooks *webhooks, struct bytes journal, uint64_t position)
{
    struct journal_id id = {{0}};
    uint64_t resolved = 0;
    if (journal.length == sizeof id.bytes) {
        memcpy(id.bytes, journal.data, sizeof id.bytes);
        (void)!hub_resolve(webhooks->config.hub(webhooks->config.context), &id, position,
                           &resolved);
    }
    return resolved;
}

/* A new target is told what has changed since the start, however long it took to read. */
static void begin(struct webhooks *webhooks, struct target *target)
{
    bool all = target->config->from_beginning;
    uint64_t start = webhooks->config.position;
    struct schedule_cursor cursor = {all ? 0 : start, all ? 0 : SCHEDULE_ALL};
    schedule_init(&target->schedule, &target->config->limits, webhooks->config.seed, cursor,
                  cursor.position);
}

static void take_target(struct webhooks *webhooks, struct target *target, const struct row *row)
{
    uint64_t position = resolve(webhooks, row->key, row->position);
    uint64_t floor = resolve(webhooks, row->key, row->horizon);
    bool moved = position != row->position;
    struct schedule_cursor cursor = {position, moved ? SCHEDULE_ALL : row->index};
    schedule_finish(&target->schedule);
    schedule_init(&target->schedule, &target->config->limits, webhooks->config.seed, cursor,
                  floor < position ? floor : position);
    schedule_pause(&target->schedule, row->paused);
    target->letters = row->next_index;
}

/* What there is no room for is found again by the cursor. */
static void take_waiting(const struct webhooks *webhooks, struct target *target,
                         struct bytes journal, const struct row *row)
{
    uint64_t position = resolve(webhooks, journal, row->position);
    if (webhook_target_wants(target->config, row->name) &&
        !schedule_owe(&target->schedule, row->name, position, row->seq, row->at_ms,
                      now_of(webhooks))) {
        schedule_rewind(&target->schedule, position);
    }
}

void keep_take(struct webhooks *webhooks, struct bytes rows)
{
    struct reader reader = reader_of(rows);
    struct target *target = NULL;
    struct bytes journal = {0};
    struct row row;
    for (size_t i = 0; i < webhooks->length; i++) {
        begin(webhooks, &webhooks->targets[i]);
    }
    while (row_read(&reader, &row)) {
        if (row.kind == ROW_TARGET) {
            target = webhooks_find(webhooks, row.name);
            journal = row.key;
        }
        if (target != NULL && row.kind == ROW_TARGET) {
            take_target(webhooks, target, &row);
        } else if (target != NULL) {
            take_waiting(webhooks, target, journal, &row);
        }
    }
}

/* --- to the storage --- */

bool keep_row(struct target *target, const struct row *row)
{
    size_t length = target->rows.length;
    struct writer writer = writer_to(&target->rows);
    row_write(&writer, row);
    if (writer.status != PROTOCOL_OK) {
        target->rows.length = length;
    }
    return writer.status == PROTOCOL_OK;
}

static bool has_news(const struct target *target)
{
    return target->schedule.keep_any || target->rows.length > target->rows_told;
}

bool keep_any(const struct webhooks *webhooks)
{
    bool any = false;
    for (size_t i = 0; i < webhooks->length; i++) {
        any = any || has_news(&webhooks->targets[i]);
    }
    return any;
}

static void write_target(const struct webhooks *webhooks, struct target *target,
                         struct writer *writer)
{
    const char *name = target->config->name;
    const struct journal_id *journal = &webhooks->config.journal;
    row_write(writer, &(struct row){.kind = ROW_TARGET,
                                    .name = bytes_of_text(name),
                                    .key = {journal->bytes, sizeof journal->bytes},
                                    .position = target->schedule.cursor.position,
                                    .index = target->schedule.cursor.document,
                                    .horizon = target->schedule.floor,
                                    .paused = target->schedule.paused});
    schedule_keep(&target->schedule, writer);
    write_raw(writer, buffer_bytes(&target->rows));
    target->rows_told = target->rows.length;
}

void keep_write(struct webhooks *webhooks)
{
    struct buffer rows;
    if (!keep_any(webhooks)) {
        return;
    }
    buffer_init(&rows, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&rows);
    for (size_t i = 0; i < webhooks->length; i++) {
        if (has_news(&webhooks->targets[i])) {
            write_target(webhooks, &webhooks->targets[i], &writer);
        }
    }
    webhooks->keeping = true;
    if (writer.status != PROTOCOL_OK ||
        !webhooks->config.keep(webhooks->config.context, buffer_bytes(&rows))) {
        keep_done(webhooks, false);
    }
    buffer_finish(&rows);
}

static void forget_told(struct target *target)
{
    size_t left = target->rows.length - target->rows_told;
    if (left == 0) {
        buffer_finish(&target->rows);
    } else {
        memmove(target->rows.data, target->rows.data + target->rows_told, left);
        target->rows.length = left;
    }
}

/* After a failure nobody knows what was to be written: the next time all is. */
void keep_done(struct webhooks *webhooks, bool good)
{
    for (size_t i = 0; i < webhooks->length; i++) {
        struct target *target = &webhooks->targets[i];
        if (good && target->rows_told > 0) {
            forget_told(target);
        } else if (!good) {
            schedule_keep_failed(&target->schedule);
        }
        target->rows_told = 0;
    }
    webhooks->keeping = false;
    webhooks->keep_ms = now_of(webhooks) + KEEP_MS;
}

void webhooks_kept(struct webhooks *webhooks, bool good)
{
    keep_done(webhooks, good);
    webhooks_wake(webhooks);
}
