/* Problem documents (RFC 9457): every code that the API answers with, its own and the hub's. */
#include <inttypes.h>
#include <stdio.h>

#include "protocol/json.h"
#include "server/api/state.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum { RETRY_S = 1, HEADERS_MAX = 4 };

struct problem {
    const char *code;
    unsigned status;
    const char *title;
};

static const struct problem problems[] = {
    [PROBLEM_NONE] = {"UNKNOWN", 500, "The hub failed in a way that it has no word for."},
    [PROBLEM_NOT_FOUND] = {"NOT_FOUND", 404, "There is nothing at this path."},
    [PROBLEM_METHOD] = {"METHOD_NOT_ALLOWED", 405, "This path does not take that method."},
    [PROBLEM_BAD_QUERY] = {"BAD_QUERY", 400, "The query is not what this path takes."},
    [PROBLEM_BAD_JSON] = {"BAD_JSON", 400,
                          "The body is not one JSON object without duplicate names."},
    [PROBLEM_TOO_DEEP] = {"TOO_DEEP", 400, "The body is nested more deeply than any edit is."},
    [PROBLEM_UNSUPPORTED_TYPE] = {"UNSUPPORTED_TYPE", 415, "A body is application/json."},
    [PROBLEM_BAD_EDIT] = {"BAD_EDIT", 422, "The field does not take such an edit."},
    [PROBLEM_TOO_LONG] = {"TOO_LONG", 413, "The edits are longer than the hub takes at once."},
    [PROBLEM_BAD_KEY] = {"BAD_IDEMPOTENCY_KEY", 400,
                         "An Idempotency-Key is 1 to 255 visible characters, quoted or not."},
    [PROBLEM_KEY_REUSED] = {"IDEMPOTENCY_KEY_REUSED", 422,
                            "This Idempotency-Key came before with another request."},
    [PROBLEM_KEY_IN_USE] = {"IDEMPOTENCY_KEY_IN_USE", 409,
                            "A request with this Idempotency-Key is under way."},
    [PROBLEM_TOO_MANY_KEYS] = {"TOO_MANY_KEYS", 429,
                               "The hub remembers no more Idempotency-Keys of this principal; each "
                               "leaves a day after its use."},
    [PROBLEM_TOO_MANY_WATCHES] = {"TOO_MANY_WATCHES", 429,
                                  "No more documents can be watched now; close one first."},
    [PROBLEM_TOO_MANY_REQUESTS] = {"BUSY", 503, "Too many requests wait for the hub."},
    [PROBLEM_UNAVAILABLE] = {"UNAVAILABLE", 503, "The hub cannot answer now."},
    [PROBLEM_NO_MEMORY] = {"BUSY", 503, "The hub is out of memory."},
};

/* What the hub's codes are in HTTP; others are 409: the request was good, and what stands is not.
 */
static const struct {
    const char *code;
    unsigned status;
} statuses[] = {
    {"TOKEN_REQUIRED", 401},
    {"TOKEN_INVALID", 401},
    {"TOKEN_EXPIRED", 401},
    {"FORBIDDEN", 403},
    {"BAD_NAME", 400},
    {"BAD_PARAMETERS", 400},
    {"UNKNOWN_SCHEMA", 404},
    {"UNKNOWN_FIELD", 404},
    {"BAD_CHANGE", 422},
    {"BAD_ELEMENT", 422},
    {"TOO_LARGE", 422},
    {"BUSY", 503},
    {"READ_ONLY", 503},
    {"UNAVAILABLE", 503},
    {"TOO_OFTEN", 429},
    {"TOO_MANY_STREAMS", 429},
    {"TOO_MANY_CONNECTIONS", 429},
};

static unsigned status_of(struct bytes code)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (bytes_equal(code, bytes_of_text(statuses[i].code))) {
            return statuses[i].status;
        }
    }
    return 409;
}

/* --- the document --- */

struct document_of {
    struct bytes code;
    struct bytes title;
    struct bytes detail; /* empty: none */
    unsigned status;
    struct bytes details; /* of the hub, raw map; empty: none */
    const char *request_id;
};

static void member(struct writer *writer, const char *name, struct bytes text)
{
    json_raw(writer, ",");
    json_quoted(writer, bytes_of_text(name));
    json_raw(writer, ":");
    json_quoted(writer, text);
}

/* The hub's name for the connection is the request's id, which stands beside them. */
static void write_details(struct writer *writer, struct bytes details)
{
    struct reader reader = reader_of(details);
    size_t length = details.length == 0 ? 0 : read_map(&reader, LIMIT_OBJECTS);
    size_t written = 0;
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes name = read_string(&reader, LIMIT_TEXT_BYTES);
        struct reader value = reader_of(read_raw(&reader));
        if (!bytes_equal(name, bytes_of_text("correlation"))) {
            json_raw(writer, written++ == 0 ? ",\"details\":{" : ",");
            json_quoted(writer, name);
            json_raw(writer, ":");
            json_value(writer, &value);
        }
    }
    json_raw(writer, written > 0 ? "}" : "");
}

static void write_document(struct writer *writer, const struct document_of *document)
{
    json_raw(writer, "{\"type\":\"urn:syncline:problem:");
    write_raw(writer, document->code); /* letters and underscores */
    json_raw(writer, "\"");
    member(writer, "title", document->title);
    json_raw(writer, ",\"status\":");
    json_int(writer, document->status);
    if (document->detail.length > 0) {
        member(writer, "detail", document->detail);
    }
    member(writer, "code", document->code);
    member(writer, "request_id", bytes_of_text(document->request_id));
    write_details(writer, document->details);
    json_raw(writer, "}\n");
}

/* In seconds, as Retry-After counts; the hub says milliseconds. */
static uint64_t retry_of(const struct document_of *document)
{
    struct reader reader = reader_of(document->details);
    size_t length = document->details.length == 0 ? 0 : read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes name = read_string(&reader, LIMIT_TEXT_BYTES);
        if (bytes_equal(name, bytes_of_text("retry_ms"))) {
            return read_uint(&reader) / 1000 + 1;
        }
        reader_skip(&reader, 1);
    }
    bool again = document->status == 503 || document->status == 429 ||
                 bytes_equal(document->code, bytes_of_text(problems[PROBLEM_KEY_IN_USE].code));
    return again ? RETRY_S : 0;
}

static void answer_with(struct api *api, uint64_t id, const struct document_of *document,
                        const char *allow)
{
    char retry[24];
    struct buffer body;
    struct net_header headers[HEADERS_MAX];
    size_t count = 0;
    buffer_init(&body, LIMIT_MESSAGE_BYTES);
    struct writer writer = writer_to(&body);
    uint64_t retry_s = retry_of(document);
    write_document(&writer, document);
    (void)snprintf(retry, sizeof retry, "%" PRIu64, retry_s);
    headers[count++] = (struct net_header){"x-request-id", document->request_id};
    if (retry_s > 0) {
        headers[count++] = (struct net_header){"retry-after", retry};
    }
    if (document->status == 401) {
        headers[count++] = (struct net_header){"www-authenticate", "Bearer"};
    }
    if (allow != NULL) {
        headers[count++] = (struct net_header){"allow", allow};
    }
    struct net_answer answer = {.code = document->status,
                                .type = "application/problem+json",
                                .headers = headers,
                                .header_count = count,
                                .body = buffer_bytes(&body)};
    api->config.answer(api->config.context, id, &answer);
    buffer_finish(&body);
}

static struct document_of document_from(enum api_problem problem, const char *detail,
                                        const char *request_id)
{
    const struct problem *known = &problems[problem];
    return (struct document_of){.code = bytes_of_text(known->code),
                                .title = bytes_of_text(known->title),
                                .detail = bytes_of_text(detail == NULL ? "" : detail),
                                .status = known->status,
                                .request_id = request_id};
}

void problem_answer(struct api *api, uint64_t id, const char *request_id, enum api_problem problem,
                    const char *allow)
{
    struct document_of document = document_from(problem, NULL, request_id);
    api->refused[problem]++;
    answer_with(api, id, &document, allow);
}

/* A watch that has begun is told by its last event. */
static void refuse(struct errand *errand, const struct document_of *document)
{
    if (errand->over) {
        return;
    }
    if (!errand->watch.begun) {
        answer_with(errand->api, errand->id, document, NULL);
        errand_over(errand);
        return;
    }
    struct buffer body;
    buffer_init(&body, LIMIT_MESSAGE_BYTES);
    struct writer writer = writer_to(&body);
    write_document(&writer, document);
    watch_end(errand, "end", buffer_bytes(&body));
    buffer_finish(&body);
}

void errand_refuse(struct errand *errand, enum api_problem problem, const char *detail)
{
    struct document_of document = document_from(problem, detail, errand->request_id);
    errand->api->refused[problem]++;
    refuse(errand, &document);
}

void errand_refuse_code(struct errand *errand, struct bytes code, struct bytes text,
                        struct bytes details)
{
    refuse(errand, &(struct document_of){.code = code,
                                         .title = text,
                                         .status = status_of(code),
                                         .details = details,
                                         .request_id = errand->request_id});
}
