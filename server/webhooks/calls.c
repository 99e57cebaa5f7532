/* An operator's calls: the targets, their dead letters, and what is to be done with them. */
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "server/webhooks/state.h"

enum { LISTED = 50, CALLS_MAX = 64 };

static const char no_target[] = "There is no webhook of this name; `webhooks` lists them.";
static const char no_memory[] = "The hub has no memory for this now; try again later.";
static const char no_rows[] = "The hub could not read its database; its log says why.";

/* The hub has looked at their types and bounds. */
struct parameters {
    struct bytes target;
    uint64_t id;
    uint64_t after;
    uint64_t limit;
};

static void read_parameter(struct reader *reader, struct parameters *parameters)
{
    struct reader key = reader_of(read_raw(reader));
    struct reader value = reader_of(read_raw(reader));
    struct bytes name = read_string(&key, LIMIT_TEXT_BYTES);
    if (reader_peek(&value) == READER_NIL) {
        return;
    }
    if (bytes_equal(name, bytes_of_text("target"))) {
        parameters->target = read_string(&value, LIMIT_TEXT_BYTES);
    } else if (bytes_equal(name, bytes_of_text("id"))) {
        parameters->id = read_uint(&value);
    } else if (bytes_equal(name, bytes_of_text("after"))) {
        parameters->after = read_uint(&value);
    } else if (bytes_equal(name, bytes_of_text("limit"))) {
        parameters->limit = read_uint(&value);
    }
}

static struct parameters read_parameters(struct bytes raw)
{
    struct parameters parameters = {.limit = LISTED};
    struct reader reader = reader_of(raw);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        read_parameter(&reader, &parameters);
    }
    return parameters;
}

/* --- answers --- */

static void refuse(struct webhooks *webhooks, uint64_t request, const char *why)
{
    webhooks->config.answer(webhooks->config.context, request, (struct bytes){0}, why);
}

static void answer(struct webhooks *webhooks, uint64_t request, const struct writer *writer)
{
    if (writer->status == PROTOCOL_OK) {
        webhooks->config.answer(webhooks->config.context, request, buffer_bytes(writer->buffer),
                                NULL);
    } else {
        refuse(webhooks, request, no_memory);
    }
}

static void write_pair_uint(struct writer *writer, const char *key, uint64_t value)
{
    write_text(writer, key);
    write_uint(writer, value);
}

static void write_pair_bool(struct writer *writer, const char *key, bool value)
{
    write_text(writer, key);
    write_bool(writer, value);
}

static void write_pair_text(struct writer *writer, const char *key, struct bytes text)
{
    write_text(writer, key);
    if (text.length == 0) {
        write_nil(writer);
    } else {
        write_string(writer, text);
    }
}

static void answer_count(struct webhooks *webhooks, uint64_t request, const char *key,
                         uint64_t count)
{
    struct buffer buffer;
    buffer_init(&buffer, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&buffer);
    write_map(&writer, 1);
    write_pair_uint(&writer, key, count);
    answer(webhooks, request, &writer);
    buffer_finish(&buffer);
}

/* What stands behind `?` may be a secret. */
static struct bytes shown_url(const char *url)
{
    return (struct bytes){(const uint8_t *)url, strcspn(url, "?#")};
}

static void write_target(struct writer *writer, const struct target *target,
                         const struct webhook_stats *stats)
{
    write_map(writer, 16);
    write_pair_text(writer, "name", bytes_of_text(stats->name));
    write_pair_text(writer, "url", shown_url(target->config->url));
    write_pair_bool(writer, "paused", stats->paused);
    write_pair_bool(writer, "open", stats->open);
    write_pair_bool(writer, "behind", stats->behind);
    write_pair_uint(writer, "position", stats->position);
    write_pair_uint(writer, "owed", stats->owed);
    write_pair_uint(writer, "sending", stats->sending);
    write_pair_uint(writer, "delivered", stats->delivered);
    write_pair_uint(writer, "failed", stats->failed);
    write_pair_uint(writer, "dead", stats->dead);
    write_pair_uint(writer, "letters", stats->letters);
    write_pair_uint(writer, "failures", target->schedule.failures);
    write_pair_uint(writer, "last_ms", target->last_ms);
    write_pair_uint(writer, "last_status", target->last_status);
    write_pair_text(writer, "last_reason", bytes_of_text(target->last_reason));
}

static void list(struct webhooks *webhooks, uint64_t request)
{
    struct webhook_stats stats[WEBHOOKS_MAX];
    struct buffer buffer;
    size_t length = webhooks_stats(webhooks, stats, WEBHOOKS_MAX);
    buffer_init(&buffer, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&buffer);
    write_map(&writer, 2);
    write_pair_uint(&writer, "position", webhooks->position);
    write_text(&writer, "webhooks");
    write_array(&writer, length);
    for (size_t i = 0; i < length; i++) {
        write_target(&writer, &webhooks->targets[i], &stats[i]);
    }
    answer(webhooks, request, &writer);
    buffer_finish(&buffer);
}

/* --- dead letters --- */

static void write_letter(struct writer *writer, const struct row *row)
{
    write_map(writer, 8);
    write_pair_uint(writer, "id", row->index);
    write_pair_text(writer, "document", row->name);
    write_pair_uint(writer, "after", row->horizon);
    write_pair_uint(writer, "position", row->position);
    write_pair_uint(writer, "at_ms", row->at_ms);
    write_pair_uint(writer, "attempts", row->seq);
    write_pair_uint(writer, "status", row->field);
    write_pair_text(writer, "reason", row->text);
}

/* One more than is told was asked for, to know whether there are others. */
static void answer_letters(struct webhooks *webhooks, const struct waiting_call *call,
                           struct bytes rows)
{
    struct reader reader = reader_of(rows);
    struct buffer letters;
    struct buffer buffer;
    struct row row;
    size_t length = 0;
    uint64_t last = 0;
    bool more = false;
    buffer_init(&letters, LIMIT_BODY_BYTES);
    buffer_init(&buffer, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&letters);
    while (row_read(&reader, &row) && !more) {
        more = length == call->limit;
        if (!more) {
            write_letter(&writer, &row);
            last = row.index;
            length++;
        }
    }
    struct writer whole = writer_to(&buffer);
    write_map(&whole, 2);
    write_text(&whole, "dead");
    write_array(&whole, length);
    write_raw(&whole, buffer_bytes(&letters));
    write_text(&whole, "next");
    if (more) {
        write_uint(&whole, last);
    } else {
        write_nil(&whole);
    }
    whole.status = writer.status != PROTOCOL_OK ? writer.status : whole.status;
    answer(webhooks, call->request, &whole);
    buffer_finish(&letters);
    buffer_finish(&buffer);
}

/* Each leaves its table in the transaction that makes its document wait. */
static void resend(struct webhooks *webhooks, const struct waiting_call *call, struct bytes rows)
{
    struct target *target = call->target;
    struct reader reader = reader_of(rows);
    struct row row;
    uint64_t count = 0;
    while (row_read(&reader, &row) && (call->id == 0 || call->id == row.index) &&
           schedule_owe(&target->schedule, row.name, row.horizon, 0, 0, now_of(webhooks)) &&
           keep_row(target, &(struct row){.kind = ROW_RESENT, .index = row.index})) {
        target->letters -= target->letters > 0;
        count++;
    }
    answer_count(webhooks, call->request, "resent", count);
}

static void ask_letters(struct webhooks *webhooks, const struct waiting_call *asked,
                        uint64_t before, size_t limit)
{
    const char *name = asked->target->config->name;
    struct waiting_call *call = malloc(sizeof *call);
    size_t waiting = 0;
    for (const struct waiting_call *at = webhooks->calls; at != NULL; at = at->next) {
        waiting++;
    }
    uint64_t load = 0;
    if (call != NULL && waiting < CALLS_MAX) {
        load = webhooks_ask_rows(webhooks, &(struct row_request){.kind = ROWS_LETTERS,
                                                                 .search = bytes_of_text(name),
                                                                 .before = before,
                                                                 .limit = limit});
    }
    if (load == 0) {
        free(call);
        refuse(webhooks, asked->request, no_memory);
        return;
    }
    *call = *asked;
    call->load = load;
    call->next = webhooks->calls;
    webhooks->calls = call;
}

static struct waiting_call *take(struct webhooks *webhooks, uint64_t load)
{
    struct waiting_call **at = &webhooks->calls;
    while (*at != NULL && (*at)->load != load) {
        at = &(*at)->next;
    }
    struct waiting_call *call = *at;
    if (call != NULL) {
        *at = call->next;
    }
    return call;
}

bool call_loaded(struct webhooks *webhooks, uint64_t load, struct bytes rows)
{
    struct waiting_call *call = take(webhooks, load);
    if (call == NULL) {
        return false;
    }
    if (call->resend) {
        resend(webhooks, call, rows);
    } else {
        answer_letters(webhooks, call, rows);
    }
    free(call);
    return true;
}

bool call_load_failed(struct webhooks *webhooks, uint64_t load)
{
    struct waiting_call *call = take(webhooks, load);
    if (call != NULL) {
        refuse(webhooks, call->request, no_rows);
        free(call);
    }
    return call != NULL;
}

void calls_finish(struct webhooks *webhooks)
{
    while (webhooks->calls != NULL) {
        free(take(webhooks, webhooks->calls->load));
    }
}

/* --- the calls --- */

static void list_letters(struct webhooks *webhooks, const struct waiting_call *call,
                         const struct parameters *parameters)
{
    ask_letters(webhooks, call, parameters->after, call->limit + 1);
}

static void resend_letters(struct webhooks *webhooks, struct waiting_call *call,
                           const struct parameters *parameters)
{
    bool one = parameters->id != 0;
    call->id = parameters->id;
    ask_letters(webhooks, call, one ? parameters->id + 1 : 0, one ? 1 : LIMIT_LISTED_LETTERS);
}

static void set_paused(struct webhooks *webhooks, const struct waiting_call *call, bool paused)
{
    schedule_pause(&call->target->schedule, paused);
    answer_count(webhooks, call->request, "owed", call->target->schedule.owed_count);
    webhooks_wake(webhooks);
}

void webhooks_call(struct webhooks *webhooks, uint64_t request, const char *method,
                   struct bytes parameters)
{
    struct parameters read = read_parameters(parameters);
    if (strcmp(method, "webhooks") == 0) {
        list(webhooks, request);
        return;
    }
    struct waiting_call call = {.request = request,
                                .target = webhooks_find(webhooks, read.target),
                                .limit = (size_t)read.limit};
    if (call.target == NULL) {
        refuse(webhooks, request, no_target);
    } else if (webhooks->loading != 0) {
        refuse(webhooks, request, no_rows);
    } else if (strcmp(method, "webhooks_dead") == 0) {
        list_letters(webhooks, &call, &read);
    } else if (strcmp(method, "webhooks_resend") == 0) {
        call.resend = true;
        resend_letters(webhooks, &call, &read);
    } else {
        set_paused(webhooks, &call, strcmp(method, "webhooks_pause") == 0);
    }
}
