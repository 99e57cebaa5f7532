/*
 * Goal:   no change is lost to a target, whatever comes between: failures, no room, crashes, writes
 *         that fail; nothing is sent twice at once, and what is owed stays within its bound.
 * Method: random runs from printed seeds. A hub is played in arrays: batches change documents, rows
 *         follow later; the schedule is told, asked for pages, kept, and now and then killed and
 * made again from what was kept. The oracle marks each change that a delivery covered, or that a
 *         dead letter names; at the end, with a target that takes all, every change is marked.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/webhooks/schedule.h"

enum { DOCUMENTS = 12, CHANGES = 400, STEPS = 1500, SEEDS = 1000, OWED_MAX = 5, PARALLEL = 3 };

struct change {
    unsigned document;
    uint64_t position;
    bool told; /* to the target, or by a dead letter */
};

struct sent {
    struct schedule_delivery delivery;
    unsigned document;
    uint64_t position; /* that its values were of */
};

struct kept {
    struct schedule_cursor cursor;
    uint64_t floor;
    struct buffer rows[DOCUMENTS]; /* the WAITING row of each; empty: none */
};

struct play {
    uint64_t seed;
    uint64_t random;
    uint64_t now_ms;
    uint64_t position;
    struct change changes[CHANGES];
    size_t change_count;
    uint64_t in_memory[DOCUMENTS]; /* the position of each document; 0: it never changed */
    uint64_t in_rows[DOCUMENTS];
    struct schedule schedule;
    struct sent sent[PARALLEL];
    size_t sent_count;
    size_t page; /* asked for; 0: none */
    struct kept kept;
    bool good_target;
};

static uint64_t draw(struct play *play)
{
    uint64_t x = play->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    play->random = x;
    return x;
}

static unsigned below(struct play *play, unsigned most) { return (unsigned)(draw(play) % most); }

static const struct schedule_limits limits = {.owed_max = OWED_MAX,
                                              .parallel = PARALLEL,
                                              .gather_ms = 3,
                                              .retry_min_ms = 10,
                                              .retry_max_ms = 100,
                                              .hold_max_ms = 50,
                                              .attempts_max = 4,
                                              .age_max_ms = 1000,
                                              .breaker = 3};

static struct bytes name_of(unsigned document)
{
    static const char names[DOCUMENTS][3] = {"a", "b", "c", "d", "e", "f",
                                             "g", "h", "i", "j", "k", "l"};
    return (struct bytes){(const uint8_t *)names[document], 1};
}

static unsigned document_of(struct bytes name) { return (unsigned)(name.data[0] - 'a'); }

/* --- the hub --- */

static void change(struct play *play)
{
    unsigned count = 1 + below(play, 3);
    uint64_t position = ++play->position;
    for (unsigned i = 0; i < count && play->change_count < CHANGES; i++) {
        unsigned document = below(play, DOCUMENTS);
        if (play->in_memory[document] == position) {
            continue;
        }
        play->in_memory[document] = position;
        play->changes[play->change_count++] = (struct change){document, position, false};
        (void)!schedule_changed(&play->schedule, name_of(document), position, play->now_ms);
    }
    schedule_heard(&play->schedule, position);
}

static void store(struct play *play)
{
    unsigned document = below(play, DOCUMENTS);
    bool lazy = play->seed % 2 == 0 && !play->good_target;
    if (!lazy || below(play, 6) == 0) {
        play->in_rows[document] = play->in_memory[document];
    }
}

static void ask(struct play *play)
{
    if (play->page > 0) {
        return;
    }
    play->page = schedule_ask(&play->schedule, play->position, play->now_ms);
    for (unsigned i = 0; i < DOCUMENTS && play->page > 0; i++) {
        if (play->in_memory[i] > play->in_rows[i] &&
            play->in_memory[i] > play->schedule.cursor.position) {
            (void)!schedule_changed(&play->schedule, name_of(i), play->in_memory[i], play->now_ms);
        }
    }
}

static bool is_behind(const struct schedule_cursor *cursor, uint64_t position, unsigned document)
{
    return position > cursor->position ||
           (position == cursor->position && document > cursor->document);
}

/* Ids are the documents' numbers from 1. */
static unsigned next_row(const struct play *play, const struct schedule_cursor *after)
{
    unsigned best = DOCUMENTS;
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        if (play->in_rows[i] > 0 && is_behind(after, play->in_rows[i], i + 1) &&
            (best == DOCUMENTS || play->in_rows[i] < play->in_rows[best])) {
            best = i;
        }
    }
    return best;
}

static void answer(struct play *play)
{
    if (play->page == 0) {
        return;
    }
    struct schedule_cursor after = play->schedule.cursor;
    bool failed = below(play, 5) == 0;
    unsigned document = DOCUMENTS;
    for (size_t i = 0; i < play->page && !failed; i++) {
        document = next_row(play, &after);
        if (document == DOCUMENTS) {
            break;
        }
        after = (struct schedule_cursor){play->in_rows[document], document + 1};
        if (!schedule_page(&play->schedule, name_of(document), after, true, play->now_ms)) {
            break;
        }
    }
    schedule_page_ends(&play->schedule, document == DOCUMENTS && !failed, failed, play->now_ms);
    play->page = 0;
}

/* --- the target --- */

static void send(struct play *play)
{
    struct schedule_delivery delivery;
    if (!schedule_next(&play->schedule, play->now_ms, &delivery)) {
        return;
    }
    unsigned document = document_of(delivery.name);
    cr_assert(play->sent_count < PARALLEL, "seed %" PRIu64, play->seed);
    for (size_t i = 0; i < play->sent_count; i++) {
        cr_assert(play->sent[i].document != document, "seed %" PRIu64, play->seed);
    }
    play->sent[play->sent_count++] = (struct sent){delivery, document, play->in_memory[document]};
}

static void mark(struct play *play, const struct sent *sent)
{
    for (size_t i = 0; i < play->change_count; i++) {
        struct change *one = &play->changes[i];
        if (one->document == sent->document && one->position > sent->delivery.delivered &&
            one->position <= sent->position) {
            one->told = true;
        }
    }
}

static void finish_one(struct play *play)
{
    if (play->sent_count == 0) {
        return;
    }
    size_t at = below(play, (unsigned)play->sent_count);
    struct sent sent = play->sent[at];
    play->sent[at] = play->sent[--play->sent_count];
    static const enum schedule_outcome outcomes[] = {
        OUTCOME_DELIVERED, OUTCOME_FAILED, OUTCOME_REFUSED, OUTCOME_UNTRIED, OUTCOME_FAILED};
    struct schedule_result result = {.outcome = outcomes[play->good_target ? 0 : below(play, 5)],
                                     .position = sent.position,
                                     .retry_after_ms = below(play, 4) == 0 ? 30 : 0,
                                     .now_ms = play->now_ms,
                                     .random = draw(play)};
    enum schedule_verdict verdict = schedule_done(&play->schedule, &sent.delivery, &result);
    cr_assert(verdict != VERDICT_SETTLED || result.outcome == OUTCOME_DELIVERED, "seed %" PRIu64,
              play->seed);
    if (verdict != VERDICT_AGAIN) {
        mark(play, &sent); /* a dead letter names what it holds */
    }
}

/* --- what is kept --- */

static void keep_row(struct play *play, const struct row *row)
{
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        if (row->name.length > 0 && document_of(row->name) != i) {
            continue;
        }
        buffer_clear(&play->kept.rows[i]);
        if (row->kind == ROW_WAITING) {
            struct writer writer = writer_to(&play->kept.rows[i]);
            row_write(&writer, row);
        }
    }
}

static void keep(struct play *play)
{
    struct buffer rows;
    buffer_init(&rows, 1 << 16);
    struct writer writer = writer_to(&rows);
    schedule_keep(&play->schedule, &writer);
    cr_assert(eq(int, writer.status, PROTOCOL_OK));
    if (below(play, 4) == 0) {
        schedule_keep_failed(&play->schedule);
    } else {
        struct reader reader = reader_of(buffer_bytes(&rows));
        struct row row;
        while (row_read(&reader, &row)) {
            keep_row(play, &row);
        }
        play->kept.cursor = play->schedule.cursor;
        play->kept.floor = play->schedule.floor;
    }
    buffer_finish(&rows);
}

/* Dead letters are written with the rest: what was not kept is not dead, but owed again. */
static void crash(struct play *play)
{
    schedule_finish(&play->schedule);
    play->sent_count = 0;
    play->page = 0;
    schedule_init(&play->schedule, &limits, play->seed, play->kept.cursor, play->kept.floor);
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        struct reader reader = reader_of(buffer_bytes(&play->kept.rows[i]));
        struct row row;
        if (row_read(&reader, &row)) {
            cr_assert(schedule_owe(&play->schedule, row.name, row.position, row.seq, row.at_ms,
                                   play->now_ms));
        }
    }
}

/* --- the run --- */

static void check(const struct play *play)
{
    cr_assert(play->schedule.owed_count <= OWED_MAX, "seed %" PRIu64, play->seed);
    cr_assert(play->schedule.floor <= play->schedule.cursor.position, "seed %" PRIu64, play->seed);
    cr_assert(eq(sz, play->schedule.sending_count, play->sent_count), "seed %" PRIu64, play->seed);
}

static void step(struct play *play)
{
    play->now_ms += below(play, 8);
    switch (below(play, 9)) {
    case 0:
        change(play);
        break;
    case 1:
    case 2:
        store(play);
        break;
    case 3:
        ask(play);
        break;
    case 4:
        answer(play);
        break;
    case 5:
        send(play);
        break;
    case 6:
        finish_one(play);
        break;
    case 7:
        keep(play);
        break;
    default:
        if (below(play, 20) == 0) {
            crash(play);
        }
    }
    check(play);
}

/* A target that takes all, and a hub where nothing changes any more. */
static void drain(struct play *play)
{
    play->good_target = true;
    for (size_t i = 0; i < 4000; i++) {
        play->now_ms += 20;
        store(play);
        ask(play);
        answer(play);
        send(play);
        finish_one(play);
        check(play);
    }
    cr_assert(eq(sz, play->schedule.owed_count, 0), "seed %" PRIu64, play->seed);
    cr_assert(not(play->schedule.behind), "seed %" PRIu64, play->seed);
    cr_assert(eq(u64, schedule_wake_ms(&play->schedule), UINT64_MAX), "seed %" PRIu64, play->seed);
    for (size_t i = 0; i < play->change_count; i++) {
        cr_assert(play->changes[i].told, "seed %" PRIu64 ": the change at %" PRIu64 " was lost",
                  play->seed, play->changes[i].position);
    }
}

static void run(uint64_t seed)
{
    struct play play = {.seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1, .now_ms = 1000};
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        buffer_init(&play.kept.rows[i], 1 << 10);
    }
    schedule_init(&play.schedule, &limits, seed, (struct schedule_cursor){0, 0}, 0);
    for (size_t i = 0; i < STEPS; i++) {
        step(&play);
    }
    drain(&play);
    schedule_finish(&play.schedule);
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        buffer_finish(&play.kept.rows[i]);
    }
}

Test(schedule_runs, no_change_is_lost_to_failures_bounds_and_crashes)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}
