/*
 * Goal:   operators see each target, its dead letters page by page, and what they resend, pause and
 *         resume is done; a call that cannot be answered now says why.
 * Method: calls as the hub passes them on, and their answers in JSON; a target that refuses at
 *         first.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/storage/faulty_sqlite.h"
#include "tests/webhooks/office.h"

static struct office office;

static void start(void)
{
    faulty_install();
    office_init(&office);
    office.targets.items[0].limits.breaker = 1000;
    office_open(&office);
    office_rest(&office);
}

static void finish(void) { office_finish(&office); }

TestSuite(calls, .init = start, .fini = finish);

static const char *call(const char *method, const char *parameters)
{
    office_call(&office, method, parameters);
    office_rest(&office);
    return office_answer(&office);
}

#define EXPECT(method, parameters, expected)                                                       \
    cr_assert(eq(str, (char *)call(method, parameters), expected "\n"))

static void refuse(const char *name)
{
    office.receiver.reply.status = 422;
    office_change(&office, name);
    office_pass(&office, 1100);
    office.receiver.reply.status = 200;
}

Test(calls, each_target_is_listed_without_what_its_address_hides)
{
    char expected[512];
    refuse("post/1");
    office_change(&office, "post/2");
    office_pass(&office, 100);
    (void)snprintf(expected, sizeof expected,
                   "{\"position\":2,\"webhooks\":[{\"name\":\"orders\",\"url\":\"http://"
                   "127.0.0.1:%u/hook\",\"paused\":false,\"open\":false,\"behind\":false,"
                   "\"position\":2,\"owed\":0,\"sending\":0,\"delivered\":1,\"failed\":1,"
                   "\"dead\":1,\"letters\":1,\"failures\":0,\"last_ms\":%d,\"last_status\":200,"
                   "\"last_reason\":\"HTTP 200\"}]}\n",
                   office.receiver.port, OFFICE_NOW + 1150);
    cr_assert(eq(str, (char *)call("webhooks", "{}"), expected));
}

Test(calls, a_target_that_was_never_sent_anything_has_no_last_answer)
{
    const char *text = call("webhooks", "{}");
    cr_assert(strstr(text, "\"last_ms\":0,\"last_status\":0,\"last_reason\":null}]}") != NULL, "%s",
              text);
}

Test(calls, dead_letters_are_listed_the_latest_first_and_page_by_page)
{
    refuse("post/1");
    refuse("post/2");
    refuse("post/1");
    EXPECT("webhooks_dead", "{\"target\":\"orders\",\"limit\":2}",
           "{\"dead\":[{\"id\":3,\"document\":\"post/1\",\"after\":2,\"position\":3,"
           "\"at_ms\":1002250,\"attempts\":1,\"status\":422,\"reason\":\"HTTP 422\"},"
           "{\"id\":2,\"document\":\"post/2\",\"after\":1,\"position\":2,"
           "\"at_ms\":1001150,\"attempts\":1,\"status\":422,\"reason\":\"HTTP 422\"}],\"next\":2}");
    EXPECT("webhooks_dead", "{\"target\":\"orders\",\"limit\":2,\"after\":2}",
           "{\"dead\":[{\"id\":1,\"document\":\"post/1\",\"after\":0,\"position\":1,"
           "\"at_ms\":1000050,\"attempts\":1,\"status\":422,\"reason\":\"HTTP 422\"}],"
           "\"next\":null}");
    EXPECT("webhooks_dead", "{\"target\":\"orders\",\"after\":1,\"limit\":null}",
           "{\"dead\":[],\"next\":null}");
}

Test(calls, what_is_resent_is_told_from_the_gap_on_and_its_letter_leaves)
{
    refuse("post/1");
    office_change(&office, "post/1");
    office_pass(&office, 100);
    EXPECT("webhooks_resend", "{\"target\":\"orders\",\"id\":7}", "{\"resent\":0}");
    EXPECT("webhooks_resend", "{\"target\":\"orders\",\"id\":1}", "{\"resent\":1}");
    office_pass(&office, 1100);
    const struct receiver_message *last = &office.receiver.messages[office.receiver.length - 1];
    cr_assert(eq(u64, last->after, 0));
    cr_assert(eq(u64, last->position, 2));
    cr_assert(eq(u64, office_stats(&office).letters, 0));
    EXPECT("webhooks_dead", "{\"target\":\"orders\"}", "{\"dead\":[],\"next\":null}");
}

Test(calls, all_that_is_resent_is_one_message_of_each_document)
{
    refuse("post/1");
    refuse("post/2");
    refuse("post/1");
    size_t before = office.receiver.length;
    EXPECT("webhooks_resend", "{\"target\":\"orders\",\"id\":null}", "{\"resent\":3}");
    office_pass(&office, 1100);
    cr_assert(eq(sz, office.receiver.length, before + 2));
    for (size_t i = before; i < before + 2; i++) {
        const struct receiver_message *one = &office.receiver.messages[i];
        cr_assert(eq(u64, one->after, strcmp(one->document, "post/1") == 0 ? 0 : 1));
    }
    cr_assert(eq(u64, office_stats(&office).letters, 0));
    EXPECT("webhooks_dead", "{\"target\":\"orders\"}", "{\"dead\":[],\"next\":null}");
}

Test(calls, what_there_is_no_room_to_resend_stays_a_letter)
{
    char name[32];
    office.targets.items[0].limits.owed_max = 10;
    cr_assert(office_stop(&office));
    office_open(&office);
    office_rest(&office);
    for (int i = 0; i < 12; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        refuse(name);
    }
    EXPECT("webhooks_pause", "{\"target\":\"orders\"}", "{\"owed\":0}");
    EXPECT("webhooks_resend", "{\"target\":\"orders\"}", "{\"resent\":10}");
    office_pass(&office, 1100);
    cr_assert(eq(u64, office_stats(&office).letters, 2));
    EXPECT("webhooks_dead", "{\"target\":\"orders\",\"limit\":1}",
           "{\"dead\":[{\"id\":2,\"document\":\"post/1\",\"after\":1,\"position\":2,"
           "\"at_ms\":1001150,\"attempts\":1,\"status\":422,\"reason\":\"HTTP 422\"}],\"next\":2}");
}

Test(calls, a_paused_target_is_sent_nothing_also_after_a_restart)
{
    EXPECT("webhooks_pause", "{\"target\":\"orders\"}", "{\"owed\":0}");
    office_change(&office, "post/1");
    office_pass(&office, 2000);
    cr_assert(office_stats(&office).paused);
    cr_assert(office_stop(&office));
    office_open(&office);
    office_pass(&office, 2000);
    cr_assert(eq(sz, office.receiver.length, 0));
    EXPECT("webhooks_resume", "{\"target\":\"orders\"}", "{\"owed\":1}");
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 1));
}

#define NOBODY "There is no webhook of this name; `webhooks` lists them."
#define UNREAD "The hub could not read its database; its log says why."
#define BUSY "The hub has no memory for this now; try again later."

Test(calls, nobody_has_no_letters)
{
    EXPECT("webhooks_dead", "{\"target\":\"nobody\"}", NOBODY);
    EXPECT("webhooks_resume", "{\"target\":null}", NOBODY);
}

Test(calls, a_database_that_cannot_be_read_is_said_to_be_so)
{
    refuse("post/1");
    (void)fixture_sql(&office.fixture, "UPDATE webhook_dead SET status = -1");
    EXPECT("webhooks_dead", "{\"target\":\"orders\"}", UNREAD);
    EXPECT("webhooks_resend", "{\"target\":\"orders\"}", UNREAD);
    const char *log = office_log(&office);
    cr_assert(strstr(log, "a row of the table webhook_dead is damaged") != NULL, "%s", log);
    (void)fixture_sql(&office.fixture, "UPDATE webhook_dead SET status = 0");
    EXPECT("webhooks_resend", "{\"target\":\"orders\"}", "{\"resent\":1}");
}

Test(calls, of_a_start_that_cannot_read_yet_only_the_list_is_answered)
{
    cr_assert(office_stop(&office));
    office.idle_storage = true;
    office_open(&office);
    EXPECT("webhooks_dead", "{\"target\":\"orders\"}", UNREAD);
    EXPECT("webhooks_pause", "{\"target\":\"orders\"}", UNREAD);
    cr_assert(strstr(call("webhooks", "{}"), "\"orders\"") != NULL);
    office.idle_storage = false;
    office_rest(&office);
    EXPECT("webhooks_pause", "{\"target\":\"orders\"}", "{\"owed\":0}");
}

Test(calls, more_than_so_many_do_not_wait)
{
    office.idle_storage = true;
    for (int i = 0; i < 64; i++) {
        office_call(&office, "webhooks_dead", "{\"target\":\"orders\"}");
    }
    cr_assert(eq(str, (char *)office_answer(&office), ""));
    EXPECT("webhooks_dead", "{\"target\":\"orders\"}", BUSY);
    office.idle_storage = false;
    office_rest(&office);
    const char *text = office_answer(&office);
    size_t count = 0;
    for (; (text = strstr(text, "{\"dead\":[],\"next\":null}\n")) != NULL; text++) {
        count++;
    }
    cr_assert(eq(sz, count, 64));
}

Test(calls, that_wait_when_the_hub_stops_are_not_answered)
{
    office.idle_storage = true;
    office_call(&office, "webhooks_dead", "{\"target\":\"orders\"}");
    office_kill(&office);
    cr_assert(eq(str, (char *)office_answer(&office), ""));
}
