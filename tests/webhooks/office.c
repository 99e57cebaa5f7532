#include "tests/webhooks/office.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "protocol/json.h"
#include "server/log.h"
#include "tests/storage/faulty_sqlite.h"
#include "tests/support/json_packet.h"

enum { WAIT_S = 20, DRAIN_STEPS = 100, DRAIN_STEP_MS = 100 };

static struct office *here;

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void enter(bool inside)
{
    if (here->enter != NULL) {
        here->enter(inside);
    }
}

static void add_text(struct buffer *buffer, const char *text, size_t length)
{
    REQUIRE(buffer_append(buffer, text, length) == PROTOCOL_OK);
}

/* --- the clock, randomness and the log: instead of the program's --- */

struct clock_reading clock_read(void) { return (struct clock_reading){.wall_ms = here->now_ms}; }

uint64_t clock_tell(struct clock *clock, struct clock_reading reading)
{
    (void)clock;
    return reading.wall_ms;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names for what it puts in between. */
ssize_t __wrap_getrandom(void *data, size_t length, unsigned flags);

ssize_t __wrap_getrandom(void *data, size_t length, unsigned flags)
{
    (void)flags;
    REQUIRE(length == sizeof here->random);
    memcpy(data, &here->random, length);
    return here->no_random ? -1 : (ssize_t)length;
}

void __wrap_log_event(enum log_level level, const char *event, const struct log_field *fields);

void __wrap_log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    char line[2048];
    enter(false);
    int length = snprintf(line, sizeof line, "%s %s", log_level_name(level), event);
    for (; fields != NULL && fields->key != NULL; fields++) {
        size_t at = (size_t)length;
        length +=
            fields->kind == FIELD_NUMBER
                ? snprintf(line + at, sizeof line - at, " %s=%" PRIu64, fields->key, fields->number)
                : snprintf(line + at, sizeof line - at, " %s=%.*s", fields->key,
                           (int)fields->text.length, (const char *)fields->text.data);
        REQUIRE((size_t)length < sizeof line);
    }
    add_text(&here->log, line, (size_t)length);
    add_text(&here->log, "\n", 1);
    enter(true);
}

/* libcurl's timer is a real one; the webhooks' own, the first that is started, is played. */
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait_ms,
                          uint64_t again);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait_ms,
                          uint64_t again);
int __real_uv_timer_stop(uv_timer_t *timer);
int __wrap_uv_timer_stop(uv_timer_t *timer);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait_ms, uint64_t again)
{
    here->timer = here->timer == NULL ? timer : here->timer;
    if (timer != here->timer) {
        return __real_uv_timer_start(timer, callback, wait_ms, again);
    }
    here->on_timer = callback;
    here->due_ms = here->now_ms + wait_ms;
    return 0;
}

int __wrap_uv_timer_stop(uv_timer_t *timer)
{
    if (timer != here->timer) {
        return __real_uv_timer_stop(timer);
    }
    here->due_ms = UINT64_MAX;
    return 0;
}

CURLMcode __real_curl_multi_socket_action(CURLM *multi, curl_socket_t socket, int flags, int *left);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t socket, int flags, int *left);

CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t socket, int flags, int *left)
{
    if (here->no_curl) {
        return CURLM_OUT_OF_MEMORY;
    }
    CURLMcode code = __real_curl_multi_socket_action(multi, socket, flags, left);
    return here->no_curl_at_last && *left == 0 ? CURLM_OUT_OF_MEMORY : code;
}

/* NOLINTEND(bugprone-reserved-identifier) */

/* --- the hub --- */

static struct office_document *find(struct office *office, struct bytes name)
{
    for (size_t i = 0; i < office->document_count; i++) {
        if (bytes_equal(text_bytes(office->documents[i].name), name)) {
            return &office->documents[i];
        }
    }
    return NULL;
}

void hub_stats(const struct hub *hub, struct hub_stats *stats)
{
    (void)hub;
    *stats = (struct hub_stats){.position = here->position};
}

void hub_changed_after(const struct hub *hub, uint64_t position, hub_visit_changed *visit,
                       void *context)
{
    (void)hub;
    for (size_t i = 0; i < here->document_count; i++) {
        const struct office_document *document = &here->documents[i];
        if (document->position > position && document->position > document->stored) {
            visit(context, text_bytes(document->name), document->position);
        }
    }
}

bool hub_resolve(const struct hub *hub, const struct journal_id *journal, uint64_t position,
                 uint64_t *resolved)
{
    (void)hub;
    bool own = memcmp(journal, &here->journal, sizeof *journal) == 0;
    bool known = own || memcmp(journal, &here->ancestor, sizeof *journal) == 0;
    *resolved = own ? position : !known ? 0 : position < here->restored ? position : here->restored;
    return known;
}

static void tell_webhooks(struct office *office, const struct hub_effect *effect)
{
    enter(true);
    loop_tell_webhooks(&office->loop, effect);
    enter(false);
}

static void tell_values(struct office *office, const struct office_asked *asked)
{
    const struct office_document *document = &office->documents[asked->document];
    char text[64] = "{}";
    bool changed = document->position > asked->after;
    if (office->truncated) {
        (void)snprintf(text, sizeof text, "[\"n\"]");
    } else if (changed) {
        (void)snprintf(text, sizeof text, "{\"n\":%" PRIu64 "}", document->position);
    }
    loop_tell_webhooks(&office->loop, &(struct hub_effect){.kind = EFFECT_VALUES,
                                                           .request = asked->request,
                                                           .code = office->code,
                                                           .position = document->position,
                                                           .truncated = office->truncated,
                                                           .bytes = office->code == CODE_NONE
                                                                        ? text_bytes(text)
                                                                        : (struct bytes){0}});
}

static void answer_values(struct office *office, const struct hub_event *event)
{
    const struct office_document *document = find(office, event->bytes);
    REQUIRE(document != NULL && event->limit > 0 && office->asked_count < OFFICE_DOCUMENTS);
    struct office_asked asked = {event->request, (size_t)(document - office->documents),
                                 event->position};
    if (office->mute) {
        office->asked[office->asked_count++] = asked;
    } else {
        tell_values(office, &asked);
    }
}

static void note_answer(struct office *office, const struct hub_event *event)
{
    if (event->text != NULL) {
        add_text(&office->answers, event->text, strlen(event->text));
    } else {
        struct writer writer = writer_to(&office->answers);
        struct reader reader = reader_of(event->bytes);
        json_value(&writer, &reader);
        REQUIRE(writer.status == PROTOCOL_OK && reader_ok(&reader));
    }
    add_text(&office->answers, "\n", 1);
}

void loop_step(struct loop *loop, const struct hub_event *event)
{
    enter(false);
    REQUIRE(loop == &here->loop);
    if (event->kind == EVENT_VALUES) {
        answer_values(here, event);
    } else {
        REQUIRE(event->kind == EVENT_ANSWER);
        note_answer(here, event);
    }
    enter(true);
}

void office_change(struct office *office, const char *name)
{
    struct office_document *document = find(office, text_bytes(name));
    if (document == NULL) {
        REQUIRE(office->document_count < OFFICE_DOCUMENTS);
        document = &office->documents[office->document_count++];
        *document = (struct office_document){.position = 0};
        (void)snprintf(document->name, sizeof document->name, "%s", name);
    }
    document->position = ++office->position;
    tell_webhooks(office, &(struct hub_effect){.kind = EFFECT_CHANGED,
                                               .bytes = text_bytes(document->name),
                                               .position = document->position});
}

void office_speak(struct office *office)
{
    size_t count = office->asked_count;
    office->mute = false;
    office->asked_count = 0;
    for (size_t i = 0; i < count; i++) {
        tell_values(office, &office->asked[i]);
    }
}

void office_call(struct office *office, const char *method, const char *parameters)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 16);
    struct writer writer = writer_to(&buffer);
    REQUIRE(json_value_write(&writer, parameters));
    tell_webhooks(office, &(struct hub_effect){.kind = EFFECT_ASK,
                                               .request = 1,
                                               .text = method,
                                               .bytes = buffer_bytes(&buffer)});
    buffer_finish(&buffer);
}

/* --- the storage --- */

void office_store(struct office *office)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    struct writer writer = writer_to(&buffer);
    for (size_t i = 0; i < office->document_count; i++) {
        struct office_document *document = &office->documents[i];
        if (document->position > document->stored) {
            row_write(&writer, &(struct row){.kind = ROW_DOCUMENT,
                                             .name = text_bytes(document->name),
                                             .position = document->position});
        }
        document->storing = document->position;
    }
    REQUIRE(writer.status == PROTOCOL_OK &&
            storage_store(office->loop.storage, buffer_bytes(&buffer)));
    buffer_finish(&buffer);
}

static void note_stored(struct office *office)
{
    for (size_t i = 0; i < office->document_count; i++) {
        office->documents[i].stored = office->documents[i].storing;
    }
}

/* As server/loop.c does. */
static void complete(struct office *office, const struct storage_completion *completion)
{
    if (completion->kind == STORAGE_LOAD_FAILED || completion->kind == STORAGE_KEEP_FAILED) {
        log_event(LEVEL_ERROR, "storage-failed",
                  LOG_FIELDS(log_sentence("reason", completion->text)));
        enter(false);
    }
    if (completion->kind == STORAGE_STORED) {
        note_stored(office);
    } else if (completion->kind != STORAGE_STORE_FAILED) {
        enter(true);
        bool taken = loop_complete_webhooks(&office->loop, completion);
        enter(false);
        REQUIRE(taken);
    }
}

static bool work(struct office *office)
{
    struct storage *storage = office->loop.storage;
    struct storage_completion completion;
    if (office->idle_storage) {
        return false;
    }
    bool any = storage_write_some(storage);
    any = storage_read_one(storage) || any;
    while (storage_poll(storage, &completion)) {
        complete(office, &completion);
        storage_completion_finish(&completion);
        any = true;
    }
    return any;
}

/* --- time --- */

/* Deliveries that the network, or the target, is to come back with. */
static size_t under_way(const struct office *office)
{
    struct webhook_stats stats[WEBHOOKS_MAX];
    size_t sending = 0;
    size_t length = webhooks_stats(office->loop.webhooks, stats, WEBHOOKS_MAX);
    for (size_t i = 0; i < length; i++) {
        sending += stats[i].sending;
    }
    return sending - office->asked_count;
}

static void wait_for_network(struct office *office)
{
    struct pollfd polls[RECEIVER_CONNECTIONS + 2];
    size_t length = receiver_polls(&office->receiver, polls);
    int wait_ms = uv_backend_timeout(&office->loop.uv);
    polls[length++] = (struct pollfd){.fd = uv_backend_fd(&office->loop.uv), .events = POLLIN};
    (void)poll(polls, length, wait_ms < 0 || wait_ms > 20 ? 20 : wait_ms);
}

static bool turn(struct office *office)
{
    bool any = work(office);
    receiver_turn(&office->receiver);
    enter(true);
    (void)uv_run(&office->loop.uv, UV_RUN_NOWAIT);
    if (office->due_ms <= office->now_ms) {
        office->due_ms = UINT64_MAX;
        office->on_timer(office->timer);
        any = true;
    }
    enter(false);
    return any;
}

static void rest(struct office *office, bool also_held)
{
    time_t until = time(NULL) + WAIT_S;
    for (;;) {
        size_t held = also_held ? 0 : office->receiver.held;
        bool any = turn(office);
        bool waits = under_way(office) > held;
        if (!any && !waits) {
            return;
        }
        if (!any) {
            REQUIRE(time(NULL) < until);
            wait_for_network(office);
        }
    }
}

void office_rest(struct office *office) { rest(office, false); }

void office_wait(struct office *office) { rest(office, true); }

void office_pass(struct office *office, uint64_t milliseconds)
{
    uint64_t end_ms = office->now_ms + milliseconds;
    office_rest(office);
    while (office->due_ms <= end_ms) {
        office->now_ms = office->due_ms;
        office_rest(office);
    }
    office->now_ms = end_ms;
}

/* --- beginning and end --- */

void office_wants(struct webhook_target *target, const char *pattern)
{
    if (target->documents == NULL) {
        target->documents = calloc(1, sizeof *target->documents);
    }
    if (target->documents == NULL) {
        abort();
    }
    free(target->documents[0]);
    target->documents[0] = strdup(pattern);
    target->document_count = 1;
}

struct webhook_target *office_target(struct office *office, const char *name)
{
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    char url[64];
    REQUIRE(office->targets.length < WEBHOOKS_MAX);
    struct webhook_target *target = &office->targets.items[office->targets.length++];
    webhook_target_init(target);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/hook?key=hidden", office->receiver.port);
    target->name = strdup(name);
    target->url = strdup(url);
    office_wants(target, "post/*");
    REQUIRE(webhook_secrets_parse(text_bytes(secret), &target->secrets));
    return target;
}

void office_init(struct office *office)
{
    *office = (struct office){.now_ms = OFFICE_NOW, .random = 1};
    here = office;
    fixture_init(&office->fixture);
    office->fixture.relaxed = true;
    receiver_init(&office->receiver);
    buffer_init(&office->log, OFFICE_LINES_BYTES);
    buffer_init(&office->answers, OFFICE_LINES_BYTES);
    memset(&office->journal, 'j', sizeof office->journal);
    office->targets.items = calloc(WEBHOOKS_MAX, sizeof *office->targets.items);
    if (office->targets.items == NULL) {
        abort();
    }
    (void)office_target(office, "orders");
}

static void close_storage(struct office *office)
{
    (void)storage_close(office->fixture.storage);
    office->fixture.storage = NULL;
    for (size_t i = 0; i < office->document_count; i++) {
        office->documents[i].storing = office->documents[i].stored;
    }
}

static void close_loop(struct office *office)
{
    (void)uv_run(&office->loop.uv, UV_RUN_DEFAULT);
    REQUIRE(uv_loop_close(&office->loop.uv) == 0);
}

bool office_try_open(struct office *office)
{
    char error[STORAGE_ERROR_BYTES];
    office->timer = NULL;
    office->due_ms = UINT64_MAX;
    office->asked_count = 0;
    bool opened = fixture_try_open(&office->fixture, error) &&
                  storage_open_webhooks(office->fixture.storage, error);
    fixture_require(opened, error, __FILE__, __LINE__);
    office->loop.storage = office->fixture.storage;
    REQUIRE(uv_loop_init(&office->loop.uv) == 0);
    enter(true);
    opened = loop_open_webhooks(&office->loop, &office->targets, &office->journal, 7);
    enter(false);
    if (!opened) {
        close_loop(office);
        close_storage(office);
    }
    return opened;
}

void office_open(struct office *office) { REQUIRE(office_try_open(office)); }

static void close_webhooks(struct office *office)
{
    struct webhooks *webhooks = office->loop.webhooks;
    webhooks_close(webhooks);
    close_loop(office);
    webhooks_finish(webhooks);
    office->loop.webhooks = NULL;
}

bool office_stop(struct office *office)
{
    webhooks_drain(office->loop.webhooks);
    for (int i = 0; i < DRAIN_STEPS && !webhooks_drained(office->loop.webhooks); i++) {
        office_pass(office, DRAIN_STEP_MS);
    }
    bool drained = webhooks_drained(office->loop.webhooks);
    close_webhooks(office);
    close_storage(office);
    return drained;
}

void office_kill(struct office *office)
{
    close_webhooks(office);
    faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, true);
    close_storage(office);
    faulty_heal();
}

void office_finish(struct office *office)
{
    if (office->loop.webhooks != NULL) {
        close_webhooks(office);
    }
    receiver_finish(&office->receiver);
    fixture_finish(&office->fixture);
    webhook_targets_finish(&office->targets);
    buffer_finish(&office->log);
    buffer_finish(&office->answers);
}

/* --- what can be seen --- */

/* The text stays until something else is written. */
static const char *read_lines(struct buffer *lines)
{
    add_text(lines, "", 1);
    const char *text = (const char *)lines->data;
    buffer_clear(lines);
    return text;
}

const char *office_log(struct office *office) { return read_lines(&office->log); }

const char *office_answer(struct office *office) { return read_lines(&office->answers); }

struct webhook_stats office_stats(const struct office *office)
{
    struct webhook_stats stats[WEBHOOKS_MAX];
    REQUIRE(webhooks_stats(office->loop.webhooks, stats, WEBHOOKS_MAX) > 0);
    return stats[0];
}

size_t office_count(const struct office *office, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < office->receiver.length; i++) {
        count += strcmp(office->receiver.messages[i].document, name) == 0;
    }
    return count;
}
