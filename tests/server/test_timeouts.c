/*
 * Goal:   a timeout is sorted in where libwebsockets would sort it in, and what thousands of
 *         handshakes have in common, an end some seconds from now, costs no walk past all of them.
 * Method: random times, many of them the same, against a walk from the front; and a count of
 *         comparisons, of a connection's timeouts behind, before and among 10,000.
 */
#include <libwebsockets.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { SEEDS = 200, LENGTH = 64, WAITING = 10000 };

struct timeout {
    lws_dll2_t link; /* first: it is taken for the whole */
    int at;
    int serial;
};

static size_t comparisons;

static int at_of(const lws_dll2_t *link) { return ((const struct timeout *)link)->at; }

static int compare(const lws_dll2_t *a, const lws_dll2_t *b)
{
    comparisons++;
    return (at_of(a) > at_of(b)) - (at_of(a) < at_of(b));
}

/* Before the first that is not less: what came later comes first among the same. */
static int by_time_then_last(const void *a, const void *b)
{
    const struct timeout *left = a;
    const struct timeout *right = b;
    return left->at != right->at ? left->at - right->at : right->serial - left->serial;
}

Test(timeouts, are_in_the_order_that_libwebsockets_keeps)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        unsigned state = seed;
        lws_dll2_owner_t owner = {0};
        struct timeout timeouts[LENGTH] = {0};
        struct timeout sorted[LENGTH];
        for (int i = 0; i < LENGTH; i++) {
            timeouts[i] = (struct timeout){.at = rand_r(&state) % 20, .serial = i};
            sorted[i] = timeouts[i];
            lws_dll2_add_sorted(&timeouts[i].link, &owner, compare);
        }
        qsort(sorted, LENGTH, sizeof *sorted, by_time_then_last);
        const lws_dll2_t *at = owner.head;
        for (int i = 0; i < LENGTH; i++, at = at->next) {
            cr_assert(eq(int, ((const struct timeout *)at)->serial, sorted[i].serial), "seed %u",
                      seed);
        }
        cr_assert(at == NULL && owner.count == LENGTH);
    }
}

Test(timeouts, of_ten_thousand_handshakes_cost_the_next_one_no_walk)
{
    static struct timeout waiting[WAITING];
    static struct timeout more[3];
    lws_dll2_owner_t owner = {0};
    for (int i = 0; i < WAITING; i++) {
        waiting[i].at = 10000 + i;
        lws_dll2_add_sorted(&waiting[i].link, &owner, compare);
    }
    cr_expect(comparisons <= 2 * WAITING, "%zu comparisons", comparisons);
    comparisons = 0;
    more[0].at = 1;                     /* a close that is due */
    more[1].at = 10000 + WAITING;       /* the next handshake */
    more[2].at = 10000 + WAITING - 100; /* not quite the last */
    for (size_t i = 0; i < 3; i++) {
        lws_dll2_add_sorted(&more[i].link, &owner, compare);
    }
    cr_expect(comparisons <= 300, "%zu comparisons", comparisons);
}
