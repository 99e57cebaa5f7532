#include "server/webhooks/schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_RETRY_MS = 1000,
    STUCK_MS = 500,
    PAGE_MAX = 500,
    OWED_MIN = 16,
    UNTRIED_MS = 200,
    DOUBLINGS_MAX = 32
};

struct owed {
    struct owed *next; /* in the list it is in, if it is not being sent */
    uint32_t slot;     /* its place among all */
    uint64_t hash;
    uint64_t delivered; /* what changed after it is owed */
    uint64_t again;     /* while it is sent: the last change heard of; 0: none */
    uint64_t lower; /* while it is sent: what changed after it is owed once more; UINT64_MAX: - */
    uint64_t first_ms; /* of the first attempt; 0: there was none */
    uint64_t due_ms;
    uint64_t attempts;
    bool sending;
    bool kept;    /* a row tells of it */
    bool changed; /* since it was kept */
    size_t name_length;
    uint8_t name[];
};

static struct bytes name_of(const struct owed *owed)
{
    return (struct bytes){owed->name, owed->name_length};
}

void schedule_init(struct schedule *schedule, const struct schedule_limits *limits, uint64_t seed,
                   struct schedule_cursor cursor, uint64_t floor)
{
    assert(limits->owed_max > 0 && limits->parallel > 0 && limits->attempts_max > 0);
    *schedule = (struct schedule){.limits = *limits,
                                  .seed = seed,
                                  .cursor = cursor,
                                  .floor = floor,
                                  .heard = cursor.position,
                                  .behind = true,
                                  .keep_all = true,
                                  .keep_any = true};
}

static void free_gone(struct schedule *schedule)
{
    while (schedule->gone != NULL) {
        struct owed *owed = schedule->gone;
        schedule->gone = owed->next;
        free(owed);
    }
}

void schedule_finish(struct schedule *schedule)
{
    for (size_t i = 0; i < schedule->owed_count; i++) {
        free(schedule->owed[i]);
    }
    free_gone(schedule);
    free(schedule->owed);
    hash_index_finish(&schedule->index);
    *schedule = (struct schedule){.behind = true};
}

/* --- what is owed --- */

static bool matches(const void *context, uint32_t slot, const void *key)
{
    const struct schedule *schedule = context;
    return bytes_equal(name_of(schedule->owed[slot]), *(const struct bytes *)key);
}

static struct owed *find(const struct schedule *schedule, struct bytes name)
{
    uint64_t hash = bytes_hash(name, schedule->seed);
    uint32_t slot = hash_index_find(&schedule->index, hash, &name, matches, schedule);
    return slot == HASH_INDEX_NONE ? NULL : schedule->owed[slot];
}

static bool reserve(struct schedule *schedule)
{
    if (hash_index_reserve(&schedule->index, 1) != CRDT_OK) {
        return false;
    }
    if (schedule->owed_count < schedule->owed_capacity) {
        return true;
    }
    size_t capacity = schedule->owed_capacity == 0 ? OWED_MIN : schedule->owed_capacity * 2;
    struct owed **grown = realloc(schedule->owed, capacity * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    schedule->owed = grown;
    schedule->owed_capacity = capacity;
    return true;
}

static void push_ready(struct schedule *schedule, struct owed *owed, uint64_t due_ms)
{
    owed->due_ms = due_ms;
    owed->next = NULL;
    if (schedule->ready_last == NULL) {
        schedule->ready_first = owed;
    } else {
        schedule->ready_last->next = owed;
    }
    schedule->ready_last = owed;
}

static void push_later(struct schedule *schedule, struct owed *owed, uint64_t due_ms)
{
    struct owed **at = &schedule->later;
    while (*at != NULL && (*at)->due_ms <= due_ms) {
        at = &(*at)->next;
    }
    owed->due_ms = due_ms;
    owed->next = *at;
    *at = owed;
}

static void note(struct schedule *schedule, struct owed *owed)
{
    owed->changed = true;
    schedule->keep_any = true;
}

/* The place that it leaves is the last one's. A row that tells of it must leave too. */
static void settle(struct schedule *schedule, struct owed *owed)
{
    struct owed *last = schedule->owed[--schedule->owed_count];
    hash_index_remove(&schedule->index, owed->hash, owed->slot);
    if (last != owed) {
        hash_index_remove(&schedule->index, last->hash, last->slot);
        last->slot = owed->slot;
        schedule->owed[last->slot] = last;
        hash_index_insert(&schedule->index, last->hash, last->slot);
    }
    if (owed->kept) {
        owed->next = schedule->gone;
        schedule->gone = owed;
        schedule->keep_any = true;
    } else {
        free(owed);
    }
}

/* NULL: there is no room. */
static struct owed *add(struct schedule *schedule, struct bytes name, uint64_t delivered)
{
    if (schedule->owed_count >= schedule->limits.owed_max || !reserve(schedule)) {
        return NULL;
    }
    struct owed *owed = malloc(sizeof *owed + name.length);
    if (owed == NULL) {
        return NULL;
    }
    *owed = (struct owed){.slot = (uint32_t)schedule->owed_count,
                          .hash = bytes_hash(name, schedule->seed),
                          .delivered = delivered,
                          .lower = UINT64_MAX,
                          .name_length = name.length};
    memcpy(owed->name, name.data, name.length);
    schedule->owed[schedule->owed_count++] = owed;
    hash_index_insert(&schedule->index, owed->hash, owed->slot);
    note(schedule, owed);
    return owed;
}

bool schedule_owe(struct schedule *schedule, struct bytes name, uint64_t delivered,
                  uint64_t attempts, uint64_t first_ms, uint64_t now_ms)
{
    struct owed *owed = find(schedule, name);
    if (owed == NULL) {
        owed = add(schedule, name, delivered);
        if (owed == NULL) {
            return false;
        }
        owed->attempts = attempts;
        owed->first_ms = first_ms;
        push_ready(schedule, owed, now_ms);
    } else if (owed->sending) {
        owed->lower = delivered < owed->lower ? delivered : owed->lower;
    } else {
        owed->delivered = delivered < owed->delivered ? delivered : owed->delivered;
    }
    note(schedule, owed);
    return true;
}

/* --- changes --- */

/* `after`: what changed up to there is delivered, or owed. False: no room. */
static bool owe_change(struct schedule *schedule, struct bytes name, uint64_t position,
                       uint64_t after, uint64_t due_ms)
{
    struct owed *owed = find(schedule, name);
    if (owed == NULL) {
        owed = add(schedule, name, after);
        if (owed == NULL) {
            return false;
        }
        push_ready(schedule, owed, due_ms);
    } else if (owed->sending && position > owed->again) {
        owed->again = position;
    }
    return true;
}

static void advance(struct schedule *schedule, uint64_t position)
{
    assert(position >= schedule->cursor.position);
    if (position > schedule->floor) {
        schedule->cursor = (struct schedule_cursor){position, SCHEDULE_ALL};
        schedule->floor = position;
        schedule->keep_any = true;
    }
}

static void miss(struct schedule *schedule, uint64_t position)
{
    schedule->missed = position < schedule->missed ? position : schedule->missed;
}

void schedule_rewind(struct schedule *schedule, uint64_t position)
{
    schedule->behind = true;
    miss(schedule, position + 1);
    if (position < schedule->cursor.position) {
        schedule->cursor = (struct schedule_cursor){position, SCHEDULE_ALL};
    }
    schedule->floor = position < schedule->floor ? position : schedule->floor;
    schedule->keep_any = true;
}

bool schedule_changed(struct schedule *schedule, struct bytes name, uint64_t position,
                      uint64_t now_ms)
{
    uint64_t due_ms = now_ms + schedule->limits.gather_ms;
    schedule->heard = position > schedule->heard ? position : schedule->heard;
    if (schedule->behind) {
        bool owed =
            !schedule->asking || owe_change(schedule, name, position, schedule->floor, due_ms);
        if (!owed) {
            miss(schedule, position);
        }
        return owed;
    }
    if (!owe_change(schedule, name, position, position - 1, due_ms)) {
        schedule_rewind(schedule, position - 1); /* others of the batch too */
        return false;
    }
    advance(schedule, position);
    return true;
}

void schedule_heard(struct schedule *schedule, uint64_t position)
{
    schedule->heard = position > schedule->heard ? position : schedule->heard;
    if (!schedule->behind) {
        advance(schedule, schedule->heard);
    }
}

/* --- pages --- */

static size_t room(const struct schedule *schedule)
{
    size_t most = schedule->limits.owed_max;
    return schedule->owed_count < most ? most - schedule->owed_count : 0;
}

/* Half of it, so that a page is worth asking for. */
static bool has_room(const struct schedule *schedule)
{
    return room(schedule) >= (schedule->limits.owed_max + 1) / 2;
}

size_t schedule_ask(struct schedule *schedule, uint64_t position, uint64_t now_ms)
{
    if (!schedule->behind || schedule->asking || now_ms < schedule->ask_ms || !has_room(schedule)) {
        return 0;
    }
    schedule->heard = position > schedule->heard ? position : schedule->heard;
    schedule->asking = true;
    schedule->moved = false;
    schedule->missed = UINT64_MAX;
    return room(schedule) < PAGE_MAX ? room(schedule) : PAGE_MAX;
}

bool schedule_page(struct schedule *schedule, struct bytes name, struct schedule_cursor at,
                   bool wanted, uint64_t now_ms)
{
    assert(schedule->asking);
    schedule->heard = at.position > schedule->heard ? at.position : schedule->heard;
    if (at.position >= schedule->missed) {
        return false;
    }
    if (wanted && !owe_change(schedule, name, at.position, schedule->floor, now_ms)) {
        miss(schedule, at.position);
        return false;
    }
    schedule->cursor = at;
    schedule->moved = true;
    schedule->keep_any = true;
    return true;
}

/* A page that does not get on, since all room went to changes that are in no row yet, is not asked
 * for again before the hub may have stored some: the same would be told, and sent, without end. */
void schedule_page_ends(struct schedule *schedule, bool whole, bool failed, uint64_t now_ms)
{
    assert(schedule->asking);
    schedule->asking = false;
    bool stuck = schedule->missed != UINT64_MAX && !schedule->moved;
    uint64_t wait_ms = failed ? ASK_RETRY_MS : STUCK_MS;
    schedule->ask_ms = failed || stuck ? now_ms + wait_ms : 0;
    if (whole && !failed && schedule->missed == UINT64_MAX) {
        schedule->behind = false;
        advance(schedule, schedule->heard);
    }
}

/* --- sending --- */

static bool is_probing(const struct schedule *schedule) { return schedule->open_count > 0; }

static uint64_t held_until(const struct schedule *schedule)
{
    return schedule->hold_ms > schedule->breaker_ms ? schedule->hold_ms : schedule->breaker_ms;
}

static bool is_due(const struct owed *owed, uint64_t now_ms)
{
    return owed != NULL && owed->due_ms <= now_ms;
}

/* What has failed goes first, or a busy target would never have it; but a probe is of what has not,
 * or a few documents that the target chokes on would keep the breaker open for all. */
static struct owed *take_due(struct schedule *schedule, uint64_t now_ms)
{
    bool ready = is_due(schedule->ready_first, now_ms);
    struct owed *owed = NULL;
    if (is_due(schedule->later, now_ms) && !(ready && is_probing(schedule))) {
        owed = schedule->later;
        schedule->later = owed->next;
    } else if (ready) {
        owed = schedule->ready_first;
        schedule->ready_first = owed->next;
        schedule->ready_last = owed->next == NULL ? NULL : schedule->ready_last;
    }
    return owed;
}

bool schedule_next(struct schedule *schedule, uint64_t now_ms, struct schedule_delivery *delivery)
{
    size_t most = is_probing(schedule) ? 1 : schedule->limits.parallel;
    if (schedule->paused || schedule->sending_count >= most || now_ms < held_until(schedule)) {
        return false;
    }
    struct owed *owed = take_due(schedule, now_ms);
    if (owed == NULL) {
        return false;
    }
    owed->sending = true;
    owed->next = NULL;
    schedule->sending_count++;
    *delivery = (struct schedule_delivery){.owed = owed,
                                           .name = name_of(owed),
                                           .delivered = owed->delivered,
                                           .attempts = owed->attempts,
                                           .first_ms = owed->first_ms};
    return true;
}

/* Full jitter: anything up to what doubles each time. */
static uint64_t back_off(const struct schedule *schedule, uint64_t times, uint64_t random)
{
    uint64_t doublings = times < DOUBLINGS_MAX ? times : DOUBLINGS_MAX;
    uint64_t most = schedule->limits.retry_min_ms << doublings;
    most = most < schedule->limits.retry_max_ms ? most : schedule->limits.retry_max_ms;
    return random % (most + 1);
}

/* A wait of nothing would be none. What was under way when the breaker opened is no probe, but says
 * the same. */
static void count_failure(struct schedule *schedule, const struct schedule_result *result)
{
    schedule->failures++;
    if (schedule->failures >= schedule->limits.breaker) {
        uint64_t wait_ms = back_off(schedule, schedule->open_count, result->random >> 32);
        schedule->open_count++;
        schedule->breaker_ms = result->now_ms + wait_ms + schedule->limits.retry_min_ms;
    }
    if (result->retry_after_ms > 0) {
        uint64_t most = schedule->limits.hold_max_ms;
        uint64_t wait_ms = result->retry_after_ms < most ? result->retry_after_ms : most;
        uint64_t until_ms = result->now_ms + wait_ms;
        schedule->hold_ms = until_ms > schedule->hold_ms ? until_ms : schedule->hold_ms;
    }
}

static void count_success(struct schedule *schedule)
{
    schedule->failures = 0;
    schedule->open_count = 0;
    schedule->breaker_ms = 0;
}

/* It was settled up to `position`; what came meanwhile is owed. */
static void take_off(struct schedule *schedule, struct owed *owed,
                     const struct schedule_result *result)
{
    bool lowered = owed->lower != UINT64_MAX;
    if (owed->again <= result->position && !lowered) {
        settle(schedule, owed);
        return;
    }
    owed->delivered = lowered && owed->lower < result->position ? owed->lower : result->position;
    owed->attempts = 0;
    owed->first_ms = 0;
    owed->again = 0;
    owed->lower = UINT64_MAX;
    note(schedule, owed);
    push_ready(schedule, owed, result->now_ms + schedule->limits.gather_ms);
}

static void wait_for_retry(struct schedule *schedule, struct owed *owed, uint64_t due_ms)
{
    if (owed->lower < owed->delivered) {
        owed->delivered = owed->lower;
    }
    owed->lower = UINT64_MAX;
    owed->again = 0; /* it is told with the rest */
    note(schedule, owed);
    push_later(schedule, owed, due_ms);
}

enum schedule_verdict schedule_done(struct schedule *schedule,
                                    const struct schedule_delivery *delivery,
                                    const struct schedule_result *result)
{
    struct owed *owed = delivery->owed;
    assert(owed->sending && schedule->sending_count > 0);
    owed->sending = false;
    schedule->sending_count--;
    switch (result->outcome) {
    case OUTCOME_UNTRIED:
        wait_for_retry(schedule, owed, result->now_ms + UNTRIED_MS);
        return VERDICT_AGAIN;
    case OUTCOME_NOTHING:
        take_off(schedule, owed, result);
        return VERDICT_SETTLED;
    case OUTCOME_DELIVERED:
        count_success(schedule);
        take_off(schedule, owed, result);
        return VERDICT_SETTLED;
    case OUTCOME_REFUSED:
        count_failure(schedule, result);
        take_off(schedule, owed, result);
        return VERDICT_DEAD;
    case OUTCOME_FAILED:
        count_failure(schedule, result);
        break;
    case OUTCOME_UNREADABLE:
        break;
    }
    owed->attempts++;
    owed->first_ms = owed->first_ms == 0 ? result->now_ms : owed->first_ms;
    if (owed->attempts >= schedule->limits.attempts_max ||
        result->now_ms >= owed->first_ms + schedule->limits.age_max_ms) {
        take_off(schedule, owed, result);
        return VERDICT_DEAD;
    }
    wait_for_retry(schedule, owed,
                   result->now_ms + back_off(schedule, owed->attempts - 1, result->random));
    return VERDICT_AGAIN;
}

uint64_t schedule_wake_ms(const struct schedule *schedule)
{
    uint64_t wake_ms = UINT64_MAX;
    size_t most = is_probing(schedule) ? 1 : schedule->limits.parallel;
    if (!schedule->paused && schedule->sending_count < most) {
        wake_ms = schedule->ready_first == NULL ? wake_ms : schedule->ready_first->due_ms;
        bool later = schedule->later != NULL && schedule->later->due_ms < wake_ms;
        wake_ms = later ? schedule->later->due_ms : wake_ms;
        bool held = wake_ms != UINT64_MAX && wake_ms < held_until(schedule);
        wake_ms = held ? held_until(schedule) : wake_ms;
    }
    bool asks = schedule->behind && !schedule->asking && has_room(schedule);
    return asks && schedule->ask_ms < wake_ms ? schedule->ask_ms : wake_ms;
}

void schedule_pause(struct schedule *schedule, bool paused)
{
    schedule->paused = paused;
    schedule->keep_any = true;
}

/* --- keeping --- */

static void keep_owed(struct schedule *schedule, struct writer *writer, struct owed *owed)
{
    if (owed->changed || schedule->keep_all) {
        row_write(writer, &(struct row){.kind = ROW_WAITING,
                                        .name = name_of(owed),
                                        .position = owed->delivered < owed->lower ? owed->delivered
                                                                                  : owed->lower,
                                        .at_ms = owed->first_ms,
                                        .seq = owed->attempts});
    }
    owed->changed = false;
    owed->kept = true;
}

/* What is told that all are gone takes its rows first. */
void schedule_keep(struct schedule *schedule, struct writer *writer)
{
    if (schedule->keep_all) {
        row_write(writer, &(struct row){.kind = ROW_DELIVERED});
    }
    for (struct owed *gone = schedule->gone; gone != NULL && !schedule->keep_all;
         gone = gone->next) {
        row_write(writer, &(struct row){.kind = ROW_DELIVERED, .name = name_of(gone)});
    }
    for (size_t i = 0; i < schedule->owed_count; i++) {
        keep_owed(schedule, writer, schedule->owed[i]);
    }
    free_gone(schedule);
    schedule->keep_all = false;
    schedule->keep_any = false;
}

void schedule_keep_failed(struct schedule *schedule)
{
    schedule->keep_all = true;
    schedule->keep_any = true;
}
