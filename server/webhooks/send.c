/* Send: one delivery, from the schedule's turn to what becomes of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/json.h"
#include "protocol/limits.h"
#include "server/webhooks/state.h"

/* --- the end of a delivery --- */

static void destroy(struct delivery *delivery)
{
    struct delivery **at = &delivery->webhooks->deliveries;
    while (*at != NULL && *at != delivery) {
        at = &(*at)->next;
    }
    if (*at == delivery) {
        *at = delivery->next;
    }
    buffer_finish(&delivery->body);
    free(delivery);
}

void send_finish(struct webhooks *webhooks)
{
    while (webhooks->deliveries != NULL) {
        destroy(webhooks->deliveries);
    }
}

static void tell(const struct delivery *delivery, enum webhook_event event)
{
    const struct webhooks_config *config = &delivery->webhooks->config;
    const struct target *target = delivery->target;
    config->tell(config->context, &(struct webhook_news){.event = event,
                                                         .target = target->config->name,
                                                         .document = delivery->due.name,
                                                         .status = target->last_status,
                                                         .reason = target->last_reason});
}

/* Too many wait to be written only while the disk fails: the log has it then. */
static void bury(struct delivery *delivery, uint64_t now_ms)
{
    struct target *target = delivery->target;
    target->dead++;
    bool kept = keep_row(target, &(struct row){.kind = ROW_LETTER,
                                               .name = delivery->due.name,
                                               .horizon = delivery->due.delivered,
                                               .position = delivery->position,
                                               .at_ms = now_ms,
                                               .seq = delivery->due.attempts + 1,
                                               .field = target->last_status,
                                               .text = bytes_of_text(target->last_reason)});
    target->letters += kept && target->letters < LIMIT_KEPT_LETTERS;
    tell(delivery, WEBHOOK_DEAD);
}

static void settle(struct delivery *delivery, struct schedule_result *result)
{
    struct webhooks *webhooks = delivery->webhooks;
    struct target *target = delivery->target;
    bool was_open = target->schedule.open_count > 0;
    char name[LIMIT_DOCUMENT_NAME_BYTES];
    struct bytes document = delivery->due.name;
    memcpy(name, document.data, document.length); /* the schedule forgets it */
    delivery->due.name.data = (const uint8_t *)name;
    result->position = delivery->position;
    result->now_ms = now_of(webhooks);
    result->random = webhooks->config.random(webhooks->config.context);
    bool failed = result->outcome == OUTCOME_FAILED || result->outcome == OUTCOME_REFUSED;
    target->delivered += result->outcome == OUTCOME_DELIVERED;
    target->failed += failed;
    if (schedule_done(&target->schedule, &delivery->due, result) == VERDICT_DEAD) {
        bury(delivery, result->now_ms);
    } else if (failed) {
        tell(delivery, WEBHOOK_FAILED);
    }
    bool is_open = target->schedule.open_count > 0;
    if (was_open != is_open) {
        tell(delivery, is_open ? WEBHOOK_OPENED : WEBHOOK_CLOSED);
    }
    destroy(delivery);
    webhooks_wake(webhooks);
}

static enum schedule_outcome outcome_of(unsigned status)
{
    if (status >= 200 && status < 300) {
        return OUTCOME_DELIVERED;
    }
    bool refused = status >= 400 && status < 500 && status != 408 && status != 429;
    return refused ? OUTCOME_REFUSED : OUTCOME_FAILED;
}

static void on_posted(void *context, const struct http_result *posted)
{
    struct delivery *delivery = context;
    struct target *target = delivery->target;
    struct schedule_result result = {.outcome = outcome_of(posted->status),
                                     .retry_after_ms = posted->retry_after_ms};
    target->last_ms = now_of(delivery->webhooks);
    target->last_status = posted->status;
    if (posted->status == 0) {
        (void)snprintf(target->last_reason, sizeof target->last_reason, "%s", posted->error);
    } else {
        (void)snprintf(target->last_reason, sizeof target->last_reason, "HTTP %u", posted->status);
    }
    settle(delivery, &result);
}

/* --- the body --- */

static void write_pair(struct writer *writer, const char *key, struct bytes text)
{
    json_raw(writer, ",");
    json_quoted(writer, bytes_of_text(key));
    json_raw(writer, ":");
    json_quoted(writer, text);
}

static void write_number(struct writer *writer, const char *key, uint64_t number)
{
    json_raw(writer, ",");
    json_quoted(writer, bytes_of_text(key));
    json_raw(writer, ":");
    json_int(writer, (int64_t)number);
}

/* RFC 3339. */
static void write_time(struct writer *writer, uint64_t at_ms)
{
    char text[64];
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + length, sizeof text - length, ".%03uZ", (unsigned)(at_ms % 1000));
    write_pair(writer, "at", bytes_of_text(text));
}

static void write_journal(struct writer *writer, const struct journal_id *journal)
{
    char text[2 * JOURNAL_ID_BYTES + 1];
    for (size_t i = 0; i < JOURNAL_ID_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", journal->bytes[i]);
    }
    write_pair(writer, "journal", bytes_of_text(text));
}

static void write_href(struct writer *writer, struct bytes document)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~/";
    char text[3 * LIMIT_DOCUMENT_NAME_BYTES + 1];
    size_t length = 0;
    for (size_t i = 0; i < document.length; i++) {
        char one = (char)document.data[i];
        bool plain = one != '\0' && strchr(unreserved, one) != NULL;
        length += (size_t)snprintf(text + length, sizeof text - length, plain ? "%c" : "%%%02X",
                                   plain ? (unsigned char)one : document.data[i]);
    }
    json_raw(writer, ",\"href\":\"/api/documents/");
    json_raw(writer, text);
    json_raw(writer, "\"");
}

static bool write_body(struct delivery *delivery, const struct webhook_values *values,
                       uint64_t now_ms)
{
    const struct webhooks_config *config = &delivery->webhooks->config;
    struct writer writer = writer_to(&delivery->body);
    json_raw(&writer, "{\"id\":");
    json_quoted(&writer, bytes_of_text(delivery->id));
    write_pair(&writer, "target", bytes_of_text(delivery->target->config->name));
    write_pair(&writer, "document", delivery->due.name);
    write_number(&writer, "position", values->position);
    write_number(&writer, "after", delivery->due.delivered);
    write_time(&writer, now_ms);
    write_journal(&writer, &config->journal);
    json_raw(&writer, values->truncated ? ",\"truncated\":true,\"fields\":" : ",\"changes\":");
    write_raw(&writer, values->bytes);
    if (values->truncated) {
        write_href(&writer, delivery->due.name);
    }
    json_raw(&writer, "}");
    return writer.status == PROTOCOL_OK;
}

/* By each of the secrets, a space between. */
static bool write_headers(struct delivery *delivery, uint64_t seconds)
{
    const struct webhook_secrets *secrets = &delivery->target->config->secrets;
    struct webhook_message message = {
        .id = delivery->id, .timestamp = seconds, .body = buffer_bytes(&delivery->body)};
    char *header = delivery->signature_header;
    size_t room = sizeof delivery->signature_header;
    (void)snprintf(delivery->id_header, HEADER_BYTES, "webhook-id: %s", delivery->id);
    (void)snprintf(delivery->timestamp_header, HEADER_BYTES, "webhook-timestamp: %" PRIu64,
                   seconds);
    size_t length = (size_t)snprintf(header, room, "webhook-signature:");
    for (size_t i = 0; i < secrets->length; i++) {
        char signature[WEBHOOK_SIGNATURE_BYTES];
        if (!webhook_sign(&secrets->items[i], &message, signature)) {
            return false;
        }
        length += (size_t)snprintf(header + length, room - length, " %s", signature);
    }
    return true;
}

static const char user_agent[] = "User-Agent: " HUB_NAME;

static bool post(struct delivery *delivery, const struct webhook_values *values)
{
    struct webhooks *webhooks = delivery->webhooks;
    const struct webhook_target *config = delivery->target->config;
    const struct journal_id *journal = &webhooks->config.journal;
    uint64_t now_ms = now_of(webhooks);
    uint64_t positions[2] = {delivery->due.delivered, values->position};
    if (!webhook_id((struct bytes){journal->bytes, sizeof journal->bytes}, config->name,
                    delivery->due.name, positions, delivery->id) ||
        !write_body(delivery, values, now_ms) || !write_headers(delivery, now_ms / 1000)) {
        return false;
    }
    struct http_request request = {
        .url = config->url,
        .ca_file = config->ca_file,
        .headers = {"Content-Type: application/json", user_agent, "Expect:", delivery->id_header,
                    delivery->timestamp_header, delivery->signature_header},
        .body = buffer_bytes(&delivery->body),
        .timeout_ms = config->timeout_ms,
        .done = on_posted,
        .context = delivery};
    return http_post(webhooks->http, &request) != NULL;
}

/* --- the beginning --- */

static struct delivery *find(const struct webhooks *webhooks, uint64_t request)
{
    struct delivery *delivery = webhooks->deliveries;
    while (delivery != NULL && delivery->request != request) {
        delivery = delivery->next;
    }
    return delivery;
}

static void note_reason(struct target *target, enum hub_code code)
{
    target->last_status = 0;
    (void)snprintf(target->last_reason, sizeof target->last_reason, "%s: %s", hub_code_name(code),
                   hub_code_text(code));
}

/* A document of a schema that is declared no more has nothing to tell; one that cannot be read is a
 * dead letter, and one for which there is no room now is tried again. */
static void refuse(struct delivery *delivery, enum hub_code code)
{
    struct schedule_result result = {.outcome = OUTCOME_NOTHING};
    delivery->position = UINT64_MAX;
    if (code == CODE_BUSY) {
        result.outcome = OUTCOME_UNTRIED;
    } else if (code == CODE_UNAVAILABLE) {
        note_reason(delivery->target, code);
        result.outcome = OUTCOME_UNREADABLE;
        delivery->position = delivery->due.delivered;
    }
    settle(delivery, &result);
}

void webhooks_values(struct webhooks *webhooks, uint64_t request,
                     const struct webhook_values *values)
{
    struct delivery *delivery = find(webhooks, request);
    if (delivery == NULL) {
        return;
    }
    if (values->code != CODE_NONE) {
        refuse(delivery, values->code);
        return;
    }
    delivery->position = values->position;
    if (!values->truncated && values->bytes.length <= 2) { /* {} */
        settle(delivery, &(struct schedule_result){.outcome = OUTCOME_NOTHING});
    } else if (!post(delivery, values)) {
        settle(delivery, &(struct schedule_result){.outcome = OUTCOME_UNTRIED});
    }
}

void send_begin(struct webhooks *webhooks, struct target *target,
                const struct schedule_delivery *due)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        struct schedule_result untried = {.outcome = OUTCOME_UNTRIED, .now_ms = now_of(webhooks)};
        (void)schedule_done(&target->schedule, due, &untried);
        return;
    }
    *delivery = (struct delivery){.next = webhooks->deliveries,
                                  .webhooks = webhooks,
                                  .target = target,
                                  .due = *due,
                                  .request = ++webhooks->last_request};
    buffer_init(&delivery->body, LIMIT_BODY_BYTES);
    webhooks->deliveries = delivery;
    webhooks->config.ask(webhooks->config.context, delivery->request, due->name, due->delivered,
                         target->config->body_bytes);
}
