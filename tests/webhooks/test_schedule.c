/*
 * Goal:   a schedule says what is sent when: back-off, Retry-After, the breaker, dead letters.
 * Method: calls with a clock and randomness that the test plays; what comes next is compared with
 *         what the limits say.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "server/webhooks/schedule.h"

enum { NOW = 1000000 };

static struct schedule schedule;

static const struct schedule_limits limits = {.owed_max = 4,
                                              .parallel = 2,
                                              .gather_ms = 0,
                                              .retry_min_ms = 1000,
                                              .retry_max_ms = 8000,
                                              .hold_max_ms = 60000,
                                              .attempts_max = 5,
                                              .age_max_ms = 3600000,
                                              .breaker = 3};

/* Live at position 10. */
static void start_with(const struct schedule_limits *chosen)
{
    schedule_init(&schedule, chosen, 1, (struct schedule_cursor){10, SCHEDULE_ALL}, 10);
    cr_assert(gt(sz, schedule_ask(&schedule, 10, NOW), 0));
    schedule_page_ends(&schedule, true, false, NOW);
}

static void start(void) { start_with(&limits); }

static void finish(void) { schedule_finish(&schedule); }

TestSuite(schedule, .init = start, .fini = finish);

static struct bytes text_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void change(const char *name, uint64_t position)
{
    cr_assert(schedule_changed(&schedule, text_of(name), position, NOW));
}

static struct schedule_delivery take(const char *name, uint64_t now_ms)
{
    struct schedule_delivery delivery;
    cr_assert(schedule_next(&schedule, now_ms, &delivery), "%s is not due", name);
    cr_assert(bytes_equal(delivery.name, text_of(name)), "%s is not next", name);
    return delivery;
}

static bool idle(uint64_t now_ms)
{
    struct schedule_delivery delivery;
    return !schedule_next(&schedule, now_ms, &delivery);
}

static enum schedule_verdict end(const struct schedule_delivery *delivery,
                                 enum schedule_outcome outcome, uint64_t position, uint64_t now_ms,
                                 uint64_t random)
{
    return schedule_done(
        &schedule, delivery,
        &(struct schedule_result){
            .outcome = outcome, .position = position, .now_ms = now_ms, .random = random});
}

Test(schedule, one_delivery_of_a_document_is_under_way_and_tells_what_changed_since)
{
    change("a", 11);
    struct schedule_delivery first = take("a", NOW);
    cr_assert(eq(u64, first.delivered, 10));
    change("a", 12);
    change("a", 13);
    cr_assert(idle(NOW));
    cr_assert(eq(int, end(&first, OUTCOME_DELIVERED, 12, NOW, 0), VERDICT_SETTLED));
    struct schedule_delivery second = take("a", NOW);
    cr_assert(eq(u64, second.delivered, 12));
    cr_assert(eq(int, end(&second, OUTCOME_DELIVERED, 13, NOW, 0), VERDICT_SETTLED));
    cr_assert(eq(sz, schedule.owed_count, 0));
    cr_assert(eq(u64, schedule_wake_ms(&schedule), UINT64_MAX));
}

Test(schedule, a_change_that_the_delivery_covered_is_not_sent_again)
{
    change("a", 11);
    struct schedule_delivery first = take("a", NOW);
    change("a", 12);
    cr_assert(eq(int, end(&first, OUTCOME_DELIVERED, 12, NOW, 0), VERDICT_SETTLED));
    cr_assert(idle(NOW + 1000000));
}

Test(schedule, changes_of_a_document_gather)
{
    struct schedule_limits slow = limits;
    slow.gather_ms = 50;
    finish();
    start_with(&slow);
    change("a", 11);
    change("a", 12);
    cr_assert(idle(NOW + 49));
    cr_assert(eq(u64, schedule_wake_ms(&schedule), NOW + 50));
    cr_assert(eq(u64, take("a", NOW + 50).delivered, 10));
}

Test(schedule, no_more_than_so_many_are_under_way)
{
    change("a", 11);
    change("b", 11);
    change("c", 11);
    struct schedule_delivery a = take("a", NOW);
    (void)take("b", NOW);
    cr_assert(idle(NOW));
    cr_assert(eq(u64, schedule_wake_ms(&schedule), UINT64_MAX));
    (void)end(&a, OUTCOME_DELIVERED, 11, NOW, 0);
    (void)take("c", NOW);
}

Test(schedule, the_back_off_is_drawn_from_what_doubles_up_to_its_bound)
{
    static const uint64_t most[] = {1000, 2000, 4000, 8000};
    struct schedule_limits lone = limits;
    lone.breaker = UINT64_MAX;
    finish();
    start_with(&lone);
    uint64_t now_ms = NOW;
    change("a", 11);
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        struct schedule_delivery delivery = take("a", now_ms);
        cr_assert(eq(u64, delivery.attempts, i));
        cr_assert(eq(int, end(&delivery, OUTCOME_FAILED, 11, now_ms, most[i]), VERDICT_AGAIN));
        cr_assert(eq(u64, schedule_wake_ms(&schedule), now_ms + most[i]));
        cr_assert(idle(now_ms + most[i] - 1));
        now_ms += most[i];
    }
    struct schedule_delivery last = take("a", now_ms);
    cr_assert(eq(int, end(&last, OUTCOME_FAILED, 11, now_ms, 0), VERDICT_DEAD));
    cr_assert(eq(sz, schedule.owed_count, 0));
}

Test(schedule, a_back_off_may_be_anything_below_its_bound)
{
    change("a", 11);
    struct schedule_delivery delivery = take("a", NOW);
    (void)end(&delivery, OUTCOME_FAILED, 11, NOW, 1001 * 7 + 3);
    cr_assert(eq(u64, schedule_wake_ms(&schedule), NOW + 3));
}

Test(schedule, what_is_too_old_is_given_up)
{
    change("a", 11);
    struct schedule_delivery first = take("a", NOW);
    (void)end(&first, OUTCOME_FAILED, 11, NOW, 0);
    struct schedule_delivery second = take("a", NOW + limits.age_max_ms);
    cr_assert(eq(int, end(&second, OUTCOME_FAILED, 11, NOW + limits.age_max_ms, 0), VERDICT_DEAD));
}

Test(schedule, what_is_refused_is_given_up_at_once_and_later_changes_still_go_out)
{
    change("a", 11);
    struct schedule_delivery first = take("a", NOW);
    change("a", 12);
    cr_assert(eq(int, end(&first, OUTCOME_REFUSED, 11, NOW, 0), VERDICT_DEAD));
    struct schedule_delivery second = take("a", NOW);
    cr_assert(eq(u64, second.delivered, 11));
    cr_assert(eq(u64, second.attempts, 0));
}

Test(schedule, retry_after_holds_the_target_within_a_bound)
{
    change("a", 11);
    change("b", 11);
    struct schedule_delivery first = take("a", NOW);
    (void)schedule_done(
        &schedule, &first,
        &(struct schedule_result){
            .outcome = OUTCOME_FAILED, .position = 11, .retry_after_ms = 5000, .now_ms = NOW});
    cr_assert(idle(NOW + 4999));
    cr_assert(eq(u64, schedule_wake_ms(&schedule), NOW + 5000));
    first = take("a", NOW + 5000);
    (void)schedule_done(&schedule, &first,
                        &(struct schedule_result){.outcome = OUTCOME_FAILED,
                                                  .position = 11,
                                                  .retry_after_ms = UINT64_MAX,
                                                  .now_ms = NOW});
    cr_assert(idle(NOW + limits.hold_max_ms - 1));
    (void)take("a", NOW + limits.hold_max_ms);
}

Test(schedule, an_open_breaker_lets_one_probe_through_at_a_time)
{
    uint64_t now_ms = NOW;
    change("a", 11);
    change("b", 11);
    change("c", 11);
    for (size_t i = 0; i < 3; i++) {
        struct schedule_delivery delivery;
        cr_assert(schedule_next(&schedule, now_ms, &delivery));
        (void)end(&delivery, OUTCOME_FAILED, 11, now_ms, 0);
    }
    cr_assert(eq(u64, schedule.open_count, 1));
    cr_assert(idle(now_ms + 999));
    now_ms += 1000;
    struct schedule_delivery probe;
    cr_assert(schedule_next(&schedule, now_ms, &probe));
    cr_assert(idle(now_ms));
    (void)end(&probe, OUTCOME_FAILED, 11, now_ms, (uint64_t)1500 << 32);
    cr_assert(eq(u64, schedule.open_count, 2));
    cr_assert(idle(now_ms + 2499));
    now_ms += 2500;
    cr_assert(schedule_next(&schedule, now_ms, &probe));
    (void)end(&probe, OUTCOME_DELIVERED, 11, now_ms, 0);
    cr_assert(eq(u64, schedule.open_count, 0));
    struct schedule_delivery others[2];
    cr_assert(schedule_next(&schedule, now_ms, &others[0]));
    cr_assert(schedule_next(&schedule, now_ms, &others[1]));
}

Test(schedule, a_probe_is_of_what_has_not_failed)
{
    struct schedule_limits touchy = limits;
    touchy.breaker = 1;
    finish();
    start_with(&touchy);
    change("bad", 11);
    change("good", 11);
    struct schedule_delivery bad = take("bad", NOW);
    (void)end(&bad, OUTCOME_FAILED, 11, NOW, 0);
    struct schedule_delivery good = take("good", NOW + 1000);
    (void)end(&good, OUTCOME_DELIVERED, 11, NOW + 1000, 0);
    change("good", 12);
    bad = take("bad", NOW + 1000);
    cr_assert(eq(u64, bad.attempts, 1));
}

Test(schedule, nothing_to_tell_says_nothing_of_the_target)
{
    change("a", 11);
    struct schedule_delivery first = take("a", NOW);
    (void)end(&first, OUTCOME_FAILED, 11, NOW, 0);
    first = take("a", NOW);
    cr_assert(eq(int, end(&first, OUTCOME_NOTHING, 12, NOW, 0), VERDICT_SETTLED));
    cr_assert(eq(u64, schedule.failures, 1));
}

Test(schedule, a_paused_target_is_sent_nothing_but_owed_all)
{
    schedule_pause(&schedule, true);
    change("a", 11);
    cr_assert(idle(NOW));
    cr_assert(eq(u64, schedule_wake_ms(&schedule), UINT64_MAX));
    schedule_pause(&schedule, false);
    (void)take("a", NOW);
}

Test(schedule, without_room_the_cursor_stands_still)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        change(names[i], 11 + i);
    }
    cr_assert(eq(u64, schedule.cursor.position, 14));
    cr_assert(not(schedule_changed(&schedule, text_of("e"), 15, NOW)));
    schedule_heard(&schedule, 20);
    cr_assert(schedule.behind);
    cr_assert(eq(u64, schedule.cursor.position, 14));
    cr_assert(eq(sz, schedule_ask(&schedule, 20, NOW), 0));
    struct schedule_delivery a = take("a", NOW);
    struct schedule_delivery b = take("b", NOW);
    (void)end(&a, OUTCOME_DELIVERED, 11, NOW, 0);
    (void)end(&b, OUTCOME_DELIVERED, 12, NOW, 0);
    cr_assert(eq(sz, schedule_ask(&schedule, 20, NOW), 2));
    cr_assert(schedule_page(&schedule, text_of("e"), (struct schedule_cursor){15, 5}, true, NOW));
    cr_assert(schedule_page(&schedule, text_of("x"), (struct schedule_cursor){16, 9}, false, NOW));
    schedule_page_ends(&schedule, true, false, NOW);
    cr_assert(not(schedule.behind));
    cr_assert(eq(u64, schedule.cursor.position, 20));
    cr_assert(eq(sz, schedule.owed_count, 3));
}

Test(schedule, a_page_that_does_not_get_on_is_not_asked_for_again_at_once)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        (void)!schedule_changed(&schedule, text_of(names[i]), 11 + i, NOW);
    }
    for (size_t i = 0; i < 4; i++) {
        struct schedule_delivery delivery = take(names[i], NOW);
        (void)end(&delivery, OUTCOME_DELIVERED, 11 + i, NOW, 0);
    }
    cr_assert(eq(sz, schedule_ask(&schedule, 15, NOW), 4));
    for (size_t i = 5; i-- > 0;) {
        bool told = schedule_changed(&schedule, text_of(names[i]), 11 + i, NOW);
        cr_assert(eq(int, told, i > 0));
    }
    schedule_page_ends(&schedule, true, false, NOW);
    cr_assert(schedule.behind);
    for (size_t i = 5; i-- > 1;) {
        struct schedule_delivery delivery = take(names[i], NOW);
        (void)end(&delivery, OUTCOME_DELIVERED, 11 + i, NOW, 0);
    }
    cr_assert(eq(sz, schedule_ask(&schedule, 15, NOW + 499), 0));
    cr_assert(eq(u64, schedule_wake_ms(&schedule), NOW + 500));
    cr_assert(eq(sz, schedule_ask(&schedule, 15, NOW + 500), 4));
}

Test(schedule, what_is_resent_while_it_is_sent_follows)
{
    change("a", 11);
    struct schedule_delivery first = take("a", NOW);
    cr_assert(schedule_owe(&schedule, text_of("a"), 3, 0, 0, NOW));
    (void)end(&first, OUTCOME_DELIVERED, 11, NOW, 0);
    cr_assert(eq(u64, take("a", NOW).delivered, 3));
}
