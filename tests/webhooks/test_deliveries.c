/*
 * Goal:   what is sent is what has changed, signed, one message of a document at a time; and each
 *         answer of a target, and none, has the consequences that docs/webhooks.md tells.
 * Method: a target on loopback that answers as the test says, a clock that the test moves; what
 *         came is compared with what was changed, and with what the log and the metrics say.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/metrics.h"
#include "tests/webhooks/office.h"

static struct office office;

static void start(void) { office_init(&office); }

static void finish(void) { office_finish(&office); }

TestSuite(deliveries, .init = start, .fini = finish);

static void open_at_rest(void)
{
    office_open(&office);
    office_rest(&office);
}

static struct webhook_target *orders(void) { return &office.targets.items[0]; }

static const struct receiver_message *message(size_t index)
{
    cr_assert(lt(sz, index, office.receiver.length), "message %zu has not come", index);
    return &office.receiver.messages[index];
}

static bool sent(const char *what)
{
    return strstr((const char *)office.receiver.last.data, what) != NULL;
}

/* The counter or gauge of the first target. */
static uint64_t metric(const char *name)
{
    struct buffer text;
    char sample[128];
    uint64_t value = UINT64_MAX;
    buffer_init(&text, 1 << 16);
    struct metrics metrics = {.out = &text};
    metrics_webhooks(&metrics, &office.loop);
    cr_assert(not(metrics.failed));
    cr_assert(eq(int, buffer_append(&text, "", 1), PROTOCOL_OK));
    (void)snprintf(sample, sizeof sample, "\nsyncline_webhook_%s{target=\"orders\"} ", name);
    const char *at = strstr((const char *)text.data, sample);
    cr_assert(at != NULL, "%s", name);
    cr_assert(eq(int, sscanf(at + strlen(sample), "%" SCNu64, &value), 1));
    buffer_finish(&text);
    return value;
}

/* --- what is sent --- */

Test(deliveries, a_message_tells_what_changed_and_is_signed_by_each_secret)
{
    struct webhook_message signed_message;
    char signatures[2][WEBHOOK_SIGNATURE_BYTES];
    char header[256];
    struct webhook_secrets *secrets = &orders()->secrets;
    secrets->items[1] = secrets->items[0];
    secrets->items[1].bytes[0] ^= 1;
    secrets->length = 2;
    open_at_rest();
    office.now_ms = 1795307029745;
    office_change(&office, "post/\"1\"");
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 1));
    cr_assert(sent("POST /hook?key=hidden HTTP/1.1\r\n"));
    cr_assert(sent("\r\nContent-Type: application/json\r\n"));
    cr_assert(sent("\r\nUser-Agent: syncline/"));
    cr_assert(sent("\r\nwebhook-timestamp: 1795307029\r\n"));
    cr_assert(
        sent(",\"target\":\"orders\",\"document\":\"post/\\\"1\\\"\",\"position\":1,\"after\":0,"
             "\"at\":\"2026-11-22T00:23:49.795Z\","
             "\"journal\":\"6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a\",\"changes\":{\"n\":1}}"));
    const char *body = strstr((const char *)office.receiver.last.data, "\r\n\r\n") + 4;
    signed_message = (struct webhook_message){.id = message(0)->id,
                                              .timestamp = 1795307029,
                                              .body = {(const uint8_t *)body, strlen(body)}};
    for (size_t i = 0; i < 2; i++) {
        cr_assert(webhook_sign(&secrets->items[i], &signed_message, signatures[i]));
    }
    (void)snprintf(header, sizeof header, "\r\nwebhook-signature: %s %s\r\n", signatures[0],
                   signatures[1]);
    cr_assert(sent(header), "%s", (const char *)office.receiver.last.data);
    (void)snprintf(header, sizeof header, "\r\nwebhook-id: %s\r\n", message(0)->id);
    cr_assert(sent(header));
}

Test(deliveries, another_secret_signs_from_then_on)
{
    struct webhook_targets changed = {.length = 0};
    char before[WEBHOOK_SIGNATURE_BYTES];
    char after[WEBHOOK_SIGNATURE_BYTES];
    open_at_rest();
    cr_assert(webhook_targets_copy(&changed, &office.targets));
    changed.items[0].secrets.items[0].bytes[0] ^= 1;
    webhooks_change_secrets(office.loop.webhooks, &changed);
    webhooks_change_secrets(NULL, &changed);
    office_change(&office, "post/1");
    office_pass(&office, 100);
    const char *body = strstr((const char *)office.receiver.last.data, "\r\n\r\n") + 4;
    struct webhook_message one = {.id = message(0)->id,
                                  .timestamp = OFFICE_NOW / 1000,
                                  .body = {(const uint8_t *)body, strlen(body)}};
    cr_assert(webhook_sign(&orders()->secrets.items[0], &one, before));
    cr_assert(webhook_sign(&changed.items[0].secrets.items[0], &one, after));
    cr_assert(not(sent(before)));
    cr_assert(sent(after));
    webhook_targets_finish(&changed);
}

Test(deliveries, what_is_too_long_is_told_by_its_fields_and_where_it_is)
{
    office.truncated = true;
    open_at_rest();
    office_change(&office, "post/a b\xc3\xbc?~");
    office_pass(&office, 100);
    cr_assert(sent(",\"truncated\":true,\"fields\":[\"n\"],"
                   "\"href\":\"/api/documents/post/a%20b%C3%BC%3F~\"}"),
              "%s", (const char *)office.receiver.last.data);
}

Test(deliveries, only_documents_that_a_target_wants_are_told)
{
    struct webhook_target *others = office_target(&office, "others");
    office_wants(others, "cart");
    open_at_rest();
    office_change(&office, "cart");
    office_change(&office, "cart/1");
    office_change(&office, "post/1");
    office_change(&office, "pos");
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 2));
    for (size_t i = 0; i < 2; i++) {
        bool cart = strcmp(message(i)->target, "others") == 0;
        cr_assert(eq(str, (char *)message(i)->document, cart ? "cart" : "post/1"));
    }
    cr_assert(eq(u64, office_stats(&office).position, 4));
}

Test(deliveries, changes_gather_and_what_comes_meanwhile_follows_in_order)
{
    office.receiver.reply.status = REPLY_NEVER;
    open_at_rest();
    office_change(&office, "post/1");
    office_change(&office, "post/1");
    office_pass(&office, 50);
    cr_assert(eq(sz, office.receiver.length, 1));
    cr_assert(eq(u64, message(0)->position, 2));
    office_change(&office, "post/1");
    office_change(&office, "post/1");
    office_pass(&office, 5000);
    cr_assert(eq(sz, office.receiver.length, 1));
    office.receiver.reply.status = 200;
    receiver_release(&office.receiver, 204);
    office_pass(&office, 50);
    office_pass(&office, 50);
    cr_assert(eq(sz, office.receiver.length, 2));
    cr_assert(eq(u64, message(1)->after, 2));
    cr_assert(eq(u64, message(1)->position, 4));
    cr_assert(eq(u64, metric("deliveries_total"), 2));
    cr_assert(eq(u64, metric("owed_documents"), 0));
}

Test(deliveries, so_many_are_under_way_and_no_more)
{
    char name[32];
    office.receiver.reply.status = REPLY_NEVER;
    orders()->limits.parallel = 3;
    open_at_rest();
    for (int i = 0; i < 7; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        office_change(&office, name);
    }
    office_pass(&office, 1000);
    cr_assert(eq(sz, office.receiver.length, 3));
    cr_assert(eq(u64, metric("sending"), 3));
    cr_assert(eq(u64, metric("owed_documents"), 7));
    while (office.receiver.held > 0) {
        receiver_release(&office.receiver, 200);
        office_pass(&office, 1000);
    }
    cr_assert(eq(sz, office.receiver.length, 7));
    cr_assert(eq(sz, office.receiver.held_most, 3));
}

Test(deliveries, what_stands_where_nothing_has_changed_is_not_sent)
{
    open_at_rest();
    office.mute = true;
    office_change(&office, "post/1");
    office_pass(&office, 100);
    office.documents[0].position = 0; /* it was erased, say */
    office_speak(&office);
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 0));
    cr_assert(eq(u64, metric("owed_documents"), 0));
    cr_assert(eq(u64, metric("deliveries_total") + metric("failures_total"), 0));
}

/* --- what the hub cannot say --- */

Test(deliveries, of_a_schema_that_is_declared_no_more_there_is_nothing_to_tell)
{
    office.code = CODE_UNKNOWN_SCHEMA;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100);
    cr_assert(eq(u64, metric("owed_documents"), 0));
    cr_assert(eq(u64, metric("dead_total"), 0));
}

Test(deliveries, without_room_in_the_hub_it_is_tried_again_soon)
{
    office.code = CODE_BUSY;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100000);
    cr_assert(eq(u64, metric("owed_documents"), 1));
    cr_assert(eq(u64, metric("failures_total"), 0));
    office.code = CODE_NONE;
    office_pass(&office, 200);
    cr_assert(eq(sz, office_count(&office, "post/1"), 1));
}

Test(deliveries, a_document_that_cannot_be_read_is_a_dead_letter_and_none_of_the_targets_faults)
{
    office.code = CODE_UNAVAILABLE;
    orders()->limits.attempts_max = 3;
    orders()->limits.breaker = 1;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 20000);
    cr_assert(eq(sz, office.receiver.length, 0));
    cr_assert(eq(u64, metric("dead_total"), 1));
    cr_assert(eq(u64, metric("breaker_open"), 0));
    const char *log = office_log(&office);
    cr_assert(strstr(log, "warning webhook-dead target=orders document=post/1 status=0 "
                          "reason=UNAVAILABLE: The hub could not read") != NULL,
              "%s", log);
}

/* --- what the target says --- */

static void expect_tried_again(struct receiver_reply first)
{
    office.receiver.reply = first;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 900);
    cr_assert(eq(sz, office.receiver.length, 1));
    cr_assert(eq(u64, metric("failures_total"), 1));
    cr_assert(eq(u64, metric("owed_documents"), 1));
    office.receiver.reply = (struct receiver_reply){.status = 200};
    office_pass(&office, 200);
    cr_assert(eq(sz, office.receiver.length, 2));
    cr_assert(eq(u64, metric("deliveries_total"), 1));
    cr_assert(eq(u64, metric("dead_total"), 0));
    cr_assert(eq(str, (char *)message(0)->id, (char *)message(1)->id));
}

static void try_again(unsigned status)
{
    office.random = 1000; /* of 0 to 1000 ms the longest */
    expect_tried_again((struct receiver_reply){.status = status});
}

Test(deliveries, status_500_is_tried_again) { try_again(500); }
Test(deliveries, status_503_is_tried_again) { try_again(503); }
Test(deliveries, status_408_is_tried_again) { try_again(408); }
Test(deliveries, status_429_is_tried_again) { try_again(429); }
Test(deliveries, a_redirect_is_not_followed_but_tried_again) { try_again(302); }
Test(deliveries, a_connection_that_is_cut_is_tried_again) { try_again(REPLY_CUT); }

Test(deliveries, without_randomness_the_wait_is_as_long_as_it_may_be)
{
    office.no_random = true;
    orders()->limits.retry_min_ms = 1023; /* of UINT64_MAX % 1024 */
    expect_tried_again((struct receiver_reply){.status = 500});
}

Test(deliveries, a_failure_is_logged_with_its_reason)
{
    office.receiver.reply.status = 500;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 50);
    cr_assert(eq(str, (char *)office_log(&office),
                 "info webhook-failed target=orders document=post/1 status=500 reason=HTTP 500\n"));
    receiver_close(&office.receiver);
    office_pass(&office, 3);
    const char *log = office_log(&office);
    cr_assert(strstr(log,
                     "info webhook-failed target=orders document=post/1 status=0 reason=Failed "
                     "to connect") != NULL,
              "%s", log);
}

Test(deliveries, a_target_that_says_nothing_fails_when_its_time_is_up)
{
    office.receiver.reply.status = REPLY_NEVER;
    orders()->timeout_ms = 50;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 50);
    cr_assert(eq(u64, metric("sending"), 1));
    office_wait(&office);
    cr_assert(eq(u64, metric("failures_total"), 1));
    const char *log = office_log(&office);
    cr_assert(strstr(log, "reason=Operation timed out") != NULL, "%s", log);
}

Test(deliveries, what_libcurl_has_no_memory_for_is_tried_again)
{
    office.random = 1000;
    open_at_rest();
    office_change(&office, "post/1");
    office.no_curl = true;
    office_pass(&office, 50);
    cr_assert(eq(u64, metric("failures_total"), 1));
    const char *log = office_log(&office);
    cr_assert(strstr(log, "status=0 reason=Out of memory") != NULL, "%s", log);
    office.no_curl = false;
    office_pass(&office, 1000);
    cr_assert(eq(sz, office.receiver.length, 1));
}

Test(deliveries, what_was_answered_before_libcurl_had_no_memory_counts)
{
    open_at_rest();
    office_change(&office, "post/1");
    office.no_curl_at_last = true;
    office_pass(&office, 3000);
    cr_assert(eq(u64, metric("failures_total"), 0));
    cr_assert(eq(sz, office.receiver.length, 1));
    office_change(&office, "post/1");
    office_pass(&office, 3000);
    cr_assert(eq(sz, office.receiver.length, 2));
}

Test(deliveries, retry_after_holds_all_of_the_target)
{
    office.random = 0;
    office.receiver.reply = (struct receiver_reply){.status = 503, .retry_after_s = 30};
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 50);
    office_change(&office, "post/2");
    office.receiver.reply = (struct receiver_reply){.status = 200};
    office_pass(&office, 29900);
    cr_assert(eq(sz, office.receiver.length, 1));
    office_pass(&office, 100);
    cr_assert(eq(sz, office.receiver.length, 3));
}

Test(deliveries, a_retry_after_of_years_is_cut_short)
{
    office.random = 0;
    office.receiver.reply = (struct receiver_reply){.status = 503, .retry_after_s = 2000000000};
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 50);
    office.receiver.reply = (struct receiver_reply){.status = 200};
    office_pass(&office, orders()->limits.hold_max_ms);
    cr_assert(eq(sz, office.receiver.length, 2));
}

Test(deliveries, what_is_refused_is_a_dead_letter_at_once)
{
    static const unsigned statuses[] = {400, 404, 410, 422, 499};
    char name[32];
    orders()->limits.breaker = 100;
    open_at_rest();
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        office.receiver.reply.status = statuses[i];
        (void)snprintf(name, sizeof name, "post/%zu", i);
        office_change(&office, name);
        office_pass(&office, 100);
        cr_assert(eq(u64, metric("dead_total"), i + 1));
        cr_assert(eq(u64, metric("dead_letters"), i + 1));
    }
    office_pass(&office, 1000000);
    cr_assert(eq(sz, office.receiver.length, 5));
}

Test(deliveries, a_long_answer_is_cut_off_and_counts_by_its_status)
{
    office.receiver.reply.bytes = 1 << 20;
    open_at_rest();
    office_change(&office, "post/1");
    office_pass(&office, 100);
    cr_assert(eq(u64, metric("deliveries_total"), 1));
    office_change(&office, "post/1");
    office.receiver.reply.bytes = 1000;
    office_pass(&office, 100);
    cr_assert(eq(u64, metric("deliveries_total"), 2));
    cr_assert(eq(u64, metric("failures_total"), 0));
}

/* --- the breaker --- */

Test(deliveries, the_breaker_opens_is_probed_and_closes)
{
    char name[32];
    office.receiver.reply.status = 500;
    office.random = 0;
    orders()->limits.attempts_max = 1000;
    open_at_rest();
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        office_change(&office, name);
    }
    office_pass(&office, 50);
    cr_assert(eq(u64, metric("breaker_open"), 1));
    const char *log = office_log(&office);
    cr_assert(strstr(log, "warning webhook-open target=orders reason=HTTP 500") != NULL, "%s", log);
    size_t before = office.receiver.length;
    cr_assert(ge(sz, before, 5));
    cr_assert(le(sz, before, 8)); /* those that were under way when it opened */
    office_pass(&office, 949);
    cr_assert(eq(sz, office.receiver.length, before));
    office.receiver.held_most = 0;
    office_pass(&office, 60000);
    size_t probes = office.receiver.length - before;
    cr_assert(gt(sz, probes, 5));
    cr_assert(le(sz, probes, 61), "%zu probes in a minute", probes);
    cr_assert(eq(sz, office.receiver.held_most, 1));
    (void)office_log(&office);
    office.receiver.reply.status = 200;
    office_pass(&office, 2000);
    cr_assert(eq(u64, metric("breaker_open"), 0));
    cr_assert(eq(u64, metric("deliveries_total"), 5));
    cr_assert(eq(str, (char *)office_log(&office), "info webhook-closed target=orders\n"));
}

Test(deliveries, one_target_that_fails_holds_no_other)
{
    struct webhook_target *others = office_target(&office, "others");
    char name[32];
    (void)snprintf(others->url, 64, "http://127.0.0.1:1/");
    open_at_rest();
    for (int i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        office_change(&office, name);
        office_pass(&office, 100);
    }
    cr_assert(eq(u64, office_stats(&office).delivered, 8));
    cr_assert(eq(u64, office_stats(&office).failed, 0));
}

/* --- behind --- */

static void change_many(int count)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        office_change(&office, name);
    }
}

static void expect_all_told(int count)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "post/%d", i);
        cr_assert(ge(sz, office_count(&office, name), 1), "%s was not told", name);
    }
    cr_assert(eq(u64, metric("owed_documents"), 0));
    cr_assert(eq(u64, metric("behind"), 0));
    cr_assert(eq(u64, metric("position"), office.position));
}

Test(deliveries, what_there_is_no_room_for_is_found_in_the_database)
{
    orders()->limits.owed_max = 10;
    office.receiver.reply.status = REPLY_NEVER;
    open_at_rest();
    change_many(40);
    office_store(&office);
    office_pass(&office, 1000);
    cr_assert(eq(u64, metric("behind"), 1));
    cr_assert(eq(u64, metric("owed_documents"), 10));
    office.receiver.reply.status = 200;
    receiver_release(&office.receiver, 200);
    office_pass(&office, 2000);
    expect_all_told(40);
}

Test(deliveries, what_is_in_no_row_yet_is_asked_of_the_hub)
{
    orders()->limits.owed_max = 10;
    office.receiver.reply.status = REPLY_NEVER;
    open_at_rest();
    change_many(10);
    office_store(&office);
    office_rest(&office);
    change_many(14);
    cr_assert(eq(u64, metric("behind"), 1));
    office.receiver.reply.status = 200;
    office_pass(&office, 50);
    receiver_release(&office.receiver, 200);
    office_pass(&office, 5000); /* and nothing is stored */
    expect_all_told(14);
}

Test(deliveries, what_cannot_be_stored_is_not_sent_without_end)
{
    orders()->limits.owed_max = 10;
    open_at_rest();
    change_many(40); /* and nothing is stored: the disk is full, say */
    office_pass(&office, 10000);
    cr_assert(le(sz, office.receiver.length, 10 + 21 * 10));
    office_store(&office);
    office_pass(&office, 2000);
    expect_all_told(40);
}

Test(deliveries, from_the_beginning_all_there_is_is_told)
{
    office_open(&office);
    orders()->from_beginning = true;
    change_many(25);
    office_store(&office);
    office_rest(&office);
    cr_assert(office_stop(&office));
    office.receiver.length = 0;
    free(orders()->name);
    orders()->name = strdup("fresh");
    office_open(&office);
    office_pass(&office, 1000);
    cr_assert(eq(sz, office.receiver.length, 25));
    cr_assert(eq(u64, message(0)->after, 0));
}
