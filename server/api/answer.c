/* What is answered when all went well: values as JSON, lists, and their headers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/json.h"
#include "server/api/state.h"

enum { ETAG_BYTES = 64 };

/* Positions count in a journal: one that was restored from a backup goes on under another id. And a
 * reload may add a field without a change of any document. */
static void etag_format(const struct errand *errand, uint64_t position, char text[ETAG_BYTES])
{
    const uint8_t *journal = errand->journal.bytes;
    const uint8_t *schema = errand->schema;
    (void)snprintf(text, ETAG_BYTES, "\"%02x%02x%02x%02x-%02x%02x%02x%02x-%" PRIu64 "\"",
                   journal[0], journal[1], journal[2], journal[3], schema[0], schema[1], schema[2],
                   schema[3], position);
}

/* Whether a list of tags names the one (RFC 9110, 13.1.2). A tag of ours has no comma in it. */
static bool names_tag(const char *list, const char *etag)
{
    static const char separators[] = ", \t";
    size_t length = strlen(etag);
    for (const char *at = list + strspn(list, separators); *at != '\0';
         at += strspn(at, separators)) {
        size_t word = strcspn(at, separators);
        const char *weak = strncmp(at, "W/", 2) == 0 ? at + 2 : at;
        size_t left = word - (size_t)(weak - at);
        if ((word == 1 && *at == '*') || (left == length && memcmp(weak, etag, length) == 0)) {
            return true;
        }
        at += word;
    }
    return false;
}

void errand_answer(struct errand *errand, struct bytes json, uint64_t position)
{
    char etag[ETAG_BYTES];
    struct net_header headers[3];
    size_t count = 0;
    bool known = false;
    headers[count++] = (struct net_header){"x-request-id", errand->request_id};
    if (position != UINT64_MAX) {
        etag_format(errand, position, etag);
        headers[count++] = (struct net_header){"etag", etag};
        known = errand->target.action == API_GET && names_tag(errand->tags, etag);
    }
    if (errand->repeat) {
        headers[count++] = (struct net_header){"idempotency-replayed", "true"};
    }
    struct net_answer answer = {.code = known ? 304 : 200,
                                .type = known ? NULL : "application/json",
                                .headers = headers,
                                .header_count = count};
    if (!known) {
        answer.body = json;
    }
    errand->api->config.answer(errand->api->config.context, errand->id, &answer);
    errand_over(errand);
}

/* --- values --- */

static void write_pair(struct writer *writer, const char *name, struct bytes text)
{
    json_quoted(writer, bytes_of_text(name));
    json_raw(writer, ":");
    json_quoted(writer, text);
}

static void write_told(struct writer *writer, struct reader *reader, size_t length)
{
    struct told_field field;
    json_raw(writer, ",\"values\":{");
    for (size_t i = 0; i < length && told_read(reader, &field); i++) {
        struct reader value = reader_of(field.value);
        json_raw(writer, i == 0 ? "" : ",");
        json_quoted(writer, field.name);
        json_raw(writer, ":");
        write_raw(writer, read_string(&value, LIMIT_BODY_BYTES));
        reader_fail(reader, value.status);
        declaration_finish(&field.declared);
    }
    json_raw(writer, "}");
}

static void write_one(struct writer *writer, struct reader *reader, uint64_t *position)
{
    struct told_field field;
    if (!told_read(reader, &field)) {
        return;
    }
    struct reader value = reader_of(field.value);
    *position = field.position;
    json_raw(writer, ",");
    write_pair(writer, "field", field.name);
    json_raw(writer, ",\"value\":");
    write_raw(writer, read_string(&value, LIMIT_BODY_BYTES));
    reader_fail(reader, value.status);
    declaration_finish(&field.declared);
}

bool answer_write_values(const struct errand *errand, struct bytes result, struct writer *writer,
                         uint64_t *position)
{
    struct reader reader;
    size_t length = told_begin(result, &reader, position);
    json_raw(writer, "{");
    write_pair(writer, "document", bytes_of_text(errand->target.document));
    bool one = errand->target.action == API_GET && errand->target.field[0] != '\0';
    struct buffer told;
    buffer_init(&told, LIMIT_BODY_BYTES);
    struct writer values = writer_to(&told);
    if (one) {
        write_one(&values, &reader, position);
    } else {
        write_told(&values, &reader, length);
    }
    json_raw(writer, ",\"position\":");
    json_int(writer, (int64_t)*position);
    write_raw(writer, buffer_bytes(&told));
    json_raw(writer, "}\n");
    buffer_finish(&told);
    return reader_ok(&reader) && values.status == PROTOCOL_OK && writer->status == PROTOCOL_OK;
}

/* --- lists --- */

static bool is_key(struct bytes key, const char *name)
{
    return bytes_equal(key, bytes_of_text(name));
}

struct listed {
    struct bytes name;
    uint64_t position;
};

static struct listed read_listed(struct reader *reader)
{
    struct listed listed = {.position = 0};
    size_t length = read_map(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct bytes key = read_string(reader, LIMIT_TEXT_BYTES);
        if (is_key(key, "name")) {
            listed.name = read_string(reader, LIMIT_DOCUMENT_NAME_BYTES);
        } else if (is_key(key, "position")) {
            listed.position = read_uint(reader);
        } else {
            reader_skip(reader, 1);
        }
    }
    return listed;
}

/* Names come schema by schema: the first of another ends the list of one. */
static bool is_of(struct bytes name, const char *wanted)
{
    struct bytes schema;
    struct bytes key;
    document_name_split(name, &schema, &key);
    return wanted[0] == '\0' || is_key(schema, wanted);
}

/* False: others follow that are of another schema. */
static bool write_entries(struct writer *writer, struct bytes raw, const char *schema)
{
    struct reader reader = reader_of(raw);
    size_t length = read_array(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct listed listed = read_listed(&reader);
        if (!is_of(listed.name, schema)) {
            return false;
        }
        json_raw(writer, i == 0 ? "{" : ",{");
        write_pair(writer, "document", listed.name);
        json_raw(writer, ",\"position\":");
        json_int(writer, (int64_t)listed.position);
        json_raw(writer, "}");
    }
    return true;
}

static void write_next(struct writer *writer, struct bytes raw, const char *schema)
{
    struct reader reader = reader_of(raw);
    struct bytes name = {0};
    if (reader_peek(&reader) == READER_STRING) {
        name = read_string(&reader, LIMIT_DOCUMENT_NAME_BYTES);
    }
    if (name.length > 0 && is_of(name, schema)) {
        json_quoted(writer, name);
    } else {
        json_raw(writer, "null");
    }
}

bool answer_write_list(struct bytes result, const char *schema, struct writer *writer)
{
    struct reader reader = reader_of(result);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    struct bytes documents = {0};
    struct bytes next = {0};
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes key = read_string(&reader, LIMIT_TEXT_BYTES);
        struct bytes value = read_raw(&reader);
        documents = is_key(key, "documents") ? value : documents;
        next = is_key(key, "next") ? value : next;
    }
    json_raw(writer, "{\"documents\":[");
    bool more = write_entries(writer, documents, schema);
    json_raw(writer, "],\"next\":");
    write_next(writer, more ? next : (struct bytes){0}, schema);
    json_raw(writer, "}\n");
    return reader_ok(&reader) && documents.length > 0 && writer->status == PROTOCOL_OK;
}
