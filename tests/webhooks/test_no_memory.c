/*
 * Goal:   where memory runs out webhooks lose nothing: what could not be told is told later, what
 *         could not be kept is in the log, each operator's call is answered, and once there is
 *         memory again everything goes on.
 * Method: a day of a target that fails and refuses at first is played while the n-th allocation of
 *         the webhooks fails, alone or with others behind it, until the day gets by: of all
 *         allocations in wider and wider steps, and each single one of the program's own. The
 *         oracle is what was changed and asked. A failure tells n.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/memory/failing.h"
#include "tests/webhooks/office.h"

enum { SWEEP_MAX = 100000, CALLS = 6, RESENDS_MAX = 5 };

static struct office office;
static bool good_target;
static bool logged; /* the dead letter */
static uint64_t play_n;
static const char *const names[] = {"post/taken", "post/failed", "post/refused"};

static void enter(bool inside) { (void)failing_enter(inside ? ROOM_HUB : ROOM_TEST); }

static struct receiver_reply answer(void *context, const struct receiver_message *message)
{
    (void)context;
    unsigned status = strcmp(message->document, "post/failed") == 0    ? 500
                      : strcmp(message->document, "post/refused") == 0 ? 404
                                                                       : 200;
    return (struct receiver_reply){.status = good_target ? 200 : status};
}

static void begin(void)
{
    office_init(&office);
    office.enter = enter;
    office.receiver.answer = answer;
    office.targets.items[0].limits.breaker = 1000;
    office.targets.items[0].limits.retry_max_ms = 2000;
    office.targets.items[0].timeout_ms = 200;
    office.random = 997; /* the wait */
    good_target = false;
    logged = false;
}

static void change_all(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        office_change(&office, names[i]);
    }
    office_pass(&office, 1500);
}

static void play_day(void)
{
    static const char orders[] = "{\"target\":\"orders\"}";
    change_all();
    office_store(&office);
    office_call(&office, "webhooks", "{}");
    office_call(&office, "webhooks_dead", orders);
    office_call(&office, "webhooks_pause", orders);
    change_all();
    office_call(&office, "webhooks_resume", orders);
    office_call(&office, "webhooks_resend", "{\"target\":\"orders\",\"id\":1}");
    office_pass(&office, 3000);
    office_store(&office);
    change_all();
    office_call(&office, "webhooks_resume", orders);
    office_pass(&office, 3000);
}

static void check_answers(void)
{
    size_t count = 0;
    const char *text = office_answer(&office);
    for (; (text = strchr(text, '\n')) != NULL; text++) {
        count++;
    }
    cr_assert(eq(sz, count, CALLS), "n=%" PRIu64, play_n);
}

static bool is_told(const struct office_document *document)
{
    for (size_t i = 0; i < office.receiver.length; i++) {
        const struct receiver_message *message = &office.receiver.messages[i];
        if (message->taken && message->position == document->position &&
            strcmp(message->document, document->name) == 0) {
            return true;
        }
    }
    return false;
}

/* A letter that there was no memory to keep is in the log, as it is when it cannot be written. */
static void check_told(void)
{
    logged = logged || strstr(office_log(&office), "webhook-dead target=orders "
                                                   "document=post/refused") != NULL;
    for (size_t i = 0; i < office.document_count; i++) {
        bool dead = logged && strcmp(office.documents[i].name, "post/refused") == 0;
        cr_assert(dead || is_told(&office.documents[i]), "n=%" PRIu64 ": %s", play_n,
                  office.documents[i].name);
    }
    cr_assert(eq(sz, office_stats(&office).owed, 0), "n=%" PRIu64, play_n);
    cr_assert(not(office_stats(&office).behind), "n=%" PRIu64, play_n);
}

/* True: the failure was met. */
static bool play(unsigned rooms, uint64_t n, uint64_t length)
{
    play_n = n;
    begin();
    office_open(&office);
    failing_begin(rooms, n, length);
    office_rest(&office);
    play_day();
    bool met = failing_failed() > 0;
    failing_end();
    good_target = true;
    office_pass(&office, 120000);
    check_answers();
    check_told();
    office_change(&office, "post/last");
    office_store(&office);
    office_pass(&office, 1000);
    cr_assert(office_stop(&office));
    office_open(&office);
    office_pass(&office, 120000);
    check_told();
    office_finish(&office);
    return met;
}

static void sweep(unsigned rooms, uint64_t length)
{
    uint64_t n = 1;
    while (n < SWEEP_MAX && play(rooms, n, length)) {
        n += (rooms & ROOM_OWN) != 0 ? 1 : 1 + n / 5;
    }
    cr_expect(n > 20, "the day met %" PRIu64 " failures only", n);
    cr_expect(n < SWEEP_MAX);
}

Test(no_memory, once) { sweep(ROOM_HUB, 1); }

Test(no_memory, for_a_while) { sweep(ROOM_HUB, 8); }

Test(no_memory, once_of_its_own) { sweep(ROOM_HUB | ROOM_OWN, 1); }

Test(no_memory, for_a_while_of_its_own) { sweep(ROOM_HUB | ROOM_OWN, 8); }

/* What a refused one has begun ends with the process, which LeakSanitizer does not know. */
#ifndef __SANITIZE_ADDRESS__
Test(no_memory, at_the_start_refuses_it_or_is_made_up_for)
{
    bool met = true;
    for (uint64_t n = 1; met; n++) {
        begin();
        failing_begin(ROOM_HUB, n, 1);
        bool opened = office_try_open(&office);
        met = failing_failed() > 0;
        failing_end();
        cr_assert(opened || met, "n=%" PRIu64, n);
        if (opened) {
            office_change(&office, "post/1");
            office_pass(&office, 3000);
            cr_assert(eq(sz, office_count(&office, "post/1"), 1), "n=%" PRIu64, n);
        }
        office_finish(&office);
    }
}
#endif
