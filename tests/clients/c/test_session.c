/*
 * Goal:   the session sends again what the hub did not take, and never as fast as it can.
 * Method: one session and the packets that a hub would send, in JSON.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "clients/c/edits.h"
#include "clients/c/session.h"
#include "crdt/counter.h"
#include "tests/support/json_packet.h"

#define UUID(first)                                                                                \
    {                                                                                              \
        first, 0, 0, 0, 0, 0, 0x70, 0, 0x80                                                        \
    }

static struct session session;

static enum session_status try_receive(const char *json, struct session_news *news)
{
    struct buffer bytes;
    struct packet packet;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    cr_assert(json_packet_write(&writer, json));
    struct reader reader = reader_of(buffer_bytes(&bytes));
    cr_assert(packet_read(&reader, &packet));
    enum session_status status = session_receive(&session, &packet, news);
    buffer_finish(&bytes);
    return status;
}

static struct session_news receive(const char *json)
{
    struct session_news news;
    cr_assert(eq(int, try_receive(json, &news), SESSION_OK));
    return news;
}

/* The seqs of what is sent now, as "1-2 3-3 ". */
static const char *sends(void)
{
    static char text[256];
    struct buffer bytes;
    struct packet packet;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    cr_assert(not(session_send(&session, &writer)));
    struct reader reader = reader_of(buffer_bytes(&bytes));
    text[0] = '\0';
    while (packet_read(&reader, &packet)) {
        size_t length = strlen(text);
        (void)snprintf(text + length, sizeof text - length, "%d-%d ", (int)packet.update.first,
                       (int)packet.update.last);
    }
    buffer_finish(&bytes);
    return text;
}

static void expect_sends(const char *seqs)
{
    cr_assert(eq(str, (char *)(uintptr_t)sends(), (char *)(uintptr_t)seqs));
}

static void increment(void)
{
    const struct edit edit = {.verb = "increment"};
    cr_assert(eq(int, session_edit(&session, "likes", &edit), SESSION_OK));
}

static void ask_for_stream_in(struct journal_id journal)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    session_open(&session, 1, &journal, &writer);
    buffer_finish(&bytes);
}

static void ask_for_stream(void) { ask_for_stream_in((struct journal_id){{7}}); }

/* One on which the ledger stands at `seq`. */
static void open_stream(const char *opened)
{
    ask_for_stream();
    (void)receive(opened);
    (void)receive("[\"SNAPSHOT\",1,0,{\"0\":0}]");
}

#define OPENED(seq) "[\"OPENED\",1,[[0,\"likes\",\"g-counter\",{}]],3,0,[[null," #seq "]]]"

static void start(void)
{
    const struct replica_id replica = {{1}};
    session_init(&session, "post/1", &replica);
    open_stream(OPENED(0));
}

static void finish(void) { session_finish(&session); }

TestSuite(session, .init = start, .fini = finish);

Test(session, an_update_turned_away_twice_waits)
{
    increment();
    expect_sends("1-1 ");
    cr_assert(not(receive("[\"GAP\",1,null,1]").error));
    expect_sends("1-1 ");
    cr_assert(eq(u64, receive("[\"GAP\",1,null,1]").retry_ms, 1000));
}

static size_t move(void)
{
    const struct replica_id fresh = {{9}};
    struct session_news news = {0};
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    cr_assert(eq(int, session_move(&session, &fresh, &writer, &news), SESSION_OK));
    cr_assert(bytes.length > 0, "the stream is closed");
    cr_assert(eq(i64, session.stream, 0));
    buffer_finish(&bytes);
    return news.rejected;
}

static int64_t likes(void)
{
    struct crdt_field *view = session_view(&session, 0);
    cr_assert(view != NULL);
    int64_t total = ((const struct crdt_counter *)view)->total;
    view->type->destroy(view);
    return total;
}

static const struct crdt_counter_change *claim_of(const struct delta *delta)
{
    return (const struct crdt_counter_change *)delta->changes[0];
}

/* Update 1 is forgotten, 2 and 3 held; then the hub comes back as it was before all of them. */
Test(session, what_a_restored_hub_cannot_take_goes_on_under_a_fresh_replica)
{
    increment();
    expect_sends("1-1 ");
    increment();
    expect_sends("2-2 ");
    increment();
    expect_sends("3-3 ");
    (void)receive("[\"ACK\",1,null,1,1,0]");
    (void)receive("[\"UPDATE\",1,0,1,{\"0\":1}]");
    session_disconnect(&session);
    open_stream(OPENED(0));
    expect_sends("2-2 3-3 ");
    cr_assert(eq(i64, likes(), 2));
    struct session_news news = receive("[\"GAP\",1,null,1]");
    cr_assert(news.stuck);
    cr_assert(not(news.error));
    cr_assert(eq(sz, move(), 0));
    cr_assert(eq(i64, likes(), 2));
    cr_assert(eq(sz, session.length, 1));
    cr_assert(eq(u64, claim_of(&session.outboxes[0].deltas[1])->entry.up, 2), "from nothing");
    increment();
    open_stream(OPENED(0));
    expect_sends("1-1 2-2 3-3 ");
    cr_assert(eq(i64, likes(), 3));
}

/* A restored hub has lost the refusal, too: it cannot come to what follows. */
Test(session, what_follows_a_refusal_that_is_lost_is_sent_and_goes_on)
{
    const struct replica_id replica = {UUID(1)};
    session_finish(&session);
    session_init(&session, "post/1", &replica);
    open_stream(OPENED(0));
    for (int i = 1; i <= 3; i++) {
        increment();
        (void)sends();
    }
    cr_assert(receive("[\"REJECT\",1,null,2,\"OVERFLOW\",\"\",{}]").rejected > 0);
    session_disconnect(&session);
    open_stream(OPENED(0));
    expect_sends("1-1 3-3 ");
    cr_assert(receive("[\"GAP\",1,null,2]").stuck);
    cr_assert(eq(sz, move(), 0));
    open_stream("[\"OPENED\",1,[[0,\"likes\",\"g-counter\",{}]],3,0,[[null,0],[null,0]]]");
    expect_sends("1-1 1-1 ");
}

Test(session, an_update_of_which_the_hub_has_a_part_is_rejected)
{
    increment();
    increment();
    expect_sends("1-2 ");
    increment();
    session_disconnect(&session);
    open_stream(OPENED(1));
    expect_sends("1-2 3-3 ");
    cr_assert(receive("[\"GAP\",1,null,2]").stuck);
    cr_assert(eq(sz, move(), 1));
    cr_assert(eq(u64, session_pending(&session), 1), "what follows it goes on");
    cr_assert(eq(u64, claim_of(&session.outboxes[1].deltas[0])->entry.up, 1));
    cr_assert(eq(u64, session.outboxes[1].deltas[0].seen[0].seq, 1), "what the hub has of them");
    open_stream(OPENED(0));
    expect_sends("1-1 ");
}

Test(session, an_edit_behind_lost_ones_is_sent_all_the_same)
{
    increment();
    expect_sends("1-1 ");
    (void)receive("[\"ACK\",1,null,1,1,0]");
    (void)receive("[\"UPDATE\",1,0,1,{\"0\":1}]");
    session_disconnect(&session);
    open_stream(OPENED(0));
    increment();
    expect_sends("2-2 ");
    cr_assert(receive("[\"GAP\",1,null,1]").stuck);
}

Test(session, of_an_expired_replica_what_was_sent_is_rejected_and_the_rest_goes_on)
{
    increment();
    expect_sends("1-1 ");
    increment();
    struct session_news news = receive("[\"REJECT\",1,null,1,\"REPLICA_EXPIRED\",\"\",{}]");
    cr_assert(eq(sz, news.rejected, 1));
    cr_assert(news.stuck);
    cr_assert(eq(sz, move(), 0));
    cr_assert(eq(i64, likes(), 1));
    open_stream(OPENED(0));
    expect_sends("1-1 ");
    cr_assert(eq(u64, session_pending(&session), 1));
}

Test(session, of_another_principals_replica_all_is_rejected_and_nothing_goes_on)
{
    increment();
    expect_sends("1-1 ");
    increment();
    struct session_news news =
        receive("[\"REJECT\",1,null,1,\"FORBIDDEN\",\"\",{\"replica\":true}]");
    cr_assert(eq(sz, news.rejected, 2), "its owner may send the second one, too");
    cr_assert(news.stuck);
    cr_assert(eq(sz, move(), 0));
    cr_assert(eq(i64, likes(), 0));
    open_stream(OPENED(0));
    expect_sends("");
    increment();
    expect_sends("1-1 ");
}

Test(session, no_more_is_on_its_way_than_is_told_again)
{
    struct buffer saved;
    for (int i = 0; i < LIMIT_REJECTIONS + 2; i++) {
        increment();
        buffer_init(&saved, LIMIT_BODY_BYTES); /* nothing joins what is stored */
        struct writer writer = writer_to(&saved);
        session_save(&session, &writer);
        buffer_finish(&saved);
    }
    expect_sends("1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10 11-11 12-12 13-13 14-14 15-15 16-16 ");
    (void)receive("[\"REJECT\",1,null,1,\"FORBIDDEN\",\"\",{}]");
    (void)receive("[\"ACK\",1,null,1,1,0]");
    expect_sends("17-17 ");
}

static void save_to(struct buffer *saved)
{
    buffer_init(saved, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(saved);
    session_save(&session, &writer);
    cr_assert(eq(int, writer.status, PROTOCOL_OK));
}

static void save(void)
{
    struct buffer saved;
    save_to(&saved);
    buffer_finish(&saved);
}

#define UUID(first)                                                                                \
    {                                                                                              \
        first, 0, 0, 0, 0, 0, 0x70, 0, 0x80                                                        \
    }

static void restart(void)
{
    const struct replica_id replica = {UUID(8)};
    struct buffer saved;
    save_to(&saved);
    session_finish(&session);
    session_init(&session, "post/1", &replica);
    cr_assert(eq(int, session_load(&session, buffer_bytes(&saved)), SESSION_OK));
    buffer_finish(&saved);
}

static void expect_json(const char *json)
{
    struct buffer text;
    buffer_init(&text, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&text);
    cr_assert(eq(int, session_json(&session, NULL, &writer), SESSION_OK));
    write_raw(&writer, (struct bytes){(const uint8_t *)"", 1});
    cr_assert(eq(str, (char *)text.data, (char *)(uintptr_t)json));
    buffer_finish(&text);
}

/* The earlier session's outbox is empty by then, and the remove has seen what it held. */
Test(session, what_a_pending_remove_has_seen_is_not_shown_again)
{
    const char *const values[] = {"a"};
    const struct edit add = {.verb = "add", .values = values, .length = 1};
    const struct edit remove = {.verb = "remove", .values = values, .length = 1};
    const struct replica_id replica = {UUID(1)};
    session_finish(&session);
    session_init(&session, "post/1", &replica);
    ask_for_stream();
    (void)receive("[\"OPENED\",1,[[0,\"tags\",\"or-set\",{\"of\":\"string\"}]],3,0,[[null,0]]]");
    (void)receive("[\"SNAPSHOT\",1,0,{\"0\":[]}]");
    session_disconnect(&session);
    cr_assert(eq(int, session_edit(&session, "tags", &add), SESSION_OK));
    restart();
    cr_assert(eq(int, session_edit(&session, "tags", &remove), SESSION_OK));
    expect_json("{\"tags\":[]}");
    ask_for_stream();
    (void)receive(
        "[\"OPENED\",1,[[0,\"tags\",\"or-set\",{\"of\":\"string\"}]],3,1,[[null,0],[0,1]]]");
    (void)receive("[\"UPDATE\",1,0,1,{\"0\":[[[[0,1,1]],[\"a\"]]]}]");
    cr_assert(eq(u64, session_pending(&session), 1));
    expect_json("{\"tags\":[]}");
}

/* As it is told by a hub to which a copy of the store has sent the first two. */
Test(session, what_was_stored_can_be_told_from_what_came_later)
{
    session_disconnect(&session);
    increment();
    increment();
    save();
    increment();
    open_stream(OPENED(2));
    expect_sends("3-3 ");
}

Test(session, however_often_it_is_stored_there_are_not_many_updates)
{
    session_disconnect(&session);
    for (int i = 0; i < 100; i++) {
        increment();
        save();
    }
    cr_assert(eq(sz, session.outboxes[0].length, 64));
    cr_assert(eq(u64, session.outboxes[0].deltas[63].last, 100));
}

#define OPENED_AS(field) "[\"OPENED\",1,[[0," field "]],3,0,[[null,0]]]"

Test(session, a_number_that_means_another_field_is_another_hubs)
{
    static const char *const opened[] = {
        OPENED_AS("\"views\",\"g-counter\",{}"),
        OPENED_AS("\"likes\",\"pn-counter\",{}"),
        OPENED_AS("\"title\",\"lww-register\",{\"of\":\"string\"}"),
    };
    increment();
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++) {
        struct session_news news;
        session_disconnect(&session);
        ask_for_stream();
        cr_assert(eq(int, try_receive(opened[i], &news), SESSION_OTHER_HUB), "%s", opened[i]);
        cr_assert(eq(u64, session_pending(&session), 1));
        expect_sends("");
    }
    open_stream(OPENED(0));
    expect_sends("1-1 ");
}

Test(session, a_schema_that_was_only_remembered_gives_way)
{
    const struct replica_id replica = {{2}};
    struct buffer fields;
    buffer_init(&fields, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&fields);
    session_write_fields(&session, &writer);
    session_finish(&session);
    session_init(&session, "post/2", &replica);
    cr_assert(eq(int, session_remember(&session, buffer_bytes(&fields)), SESSION_OK));
    buffer_finish(&fields);
    ask_for_stream();
    (void)receive(OPENED_AS("\"tags\",\"g-set\",{\"of\":\"string\"}"));
    (void)receive("[\"SNAPSHOT\",1,0,{\"0\":[]}]");
    const char *const values[] = {"a"};
    const struct edit edit = {.verb = "add", .values = values, .length = 1};
    cr_assert(eq(int, session_edit(&session, "tags", &edit), SESSION_OK));
    expect_sends("1-1 ");
}

#define ANEW(ledger) "[\"OPENED\",1,[[1,\"likes\",\"pn-counter\",{}]],3,0,[" ledger "]]"

/* The session has liked in vain when the field begins anew. */
static void begin_anew(void)
{
    const struct replica_id replica = {UUID(1)};
    session_finish(&session);
    session_init(&session, "post/1", &replica);
    open_stream(OPENED(0));
    increment();
    session_disconnect(&session);
    ask_for_stream();
    (void)receive(ANEW("[null,0]"));
}

/* It held nothing on the hub, so the operator could give it another type. */
Test(session, an_edit_of_a_field_that_has_begun_anew_is_kept_with_it)
{
    begin_anew();
    restart();
    cr_assert(eq(u64, session_pending(&session), 1));
    ask_for_stream();
    (void)receive(ANEW("[null,0],[null,0]"));
    (void)receive("[\"SNAPSHOT\",1,0,{\"1\":0}]");
    expect_sends("1-1 ");
}

/* The name is the new one's alone, for edits too; so it is behind a restart. */
Test(session, a_field_that_is_served_no_more_stands_aside)
{
    begin_anew();
    (void)receive("[\"SNAPSHOT\",1,0,{\"1\":5}]");
    expect_json("{\"likes\":5}");
    restart();
    expect_json("{\"likes\":5}");
    ask_for_stream();
    (void)receive(ANEW("[null,0],[null,0]"));
    (void)receive("[\"SNAPSHOT\",1,0,{\"1\":5}]");
    increment();
    cr_assert(eq(u64, session_pending(&session), 2));
    expect_json("{\"likes\":6}");
    session_disconnect(&session);
    ask_for_stream();
    (void)receive("[\"OPENED\",1,[],3,0,[[null,0],[null,0]]]");
    expect_json("{}");
}

/* The same number means another point there: a backup was restored in between. */
Test(session, an_edit_joins_none_that_was_made_in_another_journal)
{
    (void)receive("[\"UPDATE\",1,0,5,{\"0\":1}]");
    increment();
    session_disconnect(&session);
    ask_for_stream_in((struct journal_id){{8}});
    (void)receive(OPENED(0));
    (void)receive("[\"SNAPSHOT\",1,5,{\"0\":2}]");
    increment();
    increment();
    expect_sends("1-1 2-3 ");
}
