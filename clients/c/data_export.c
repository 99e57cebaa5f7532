/*
 * `export [PATTERN...]` and `import`: documents with their full states, as JSON, one on each line:
 * `{"document", "position", "values", "state"}`. `values` are for people; `state` is all that an
 * import reads.
 */
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/base64.h"
#include "clients/c/data_call.h"
#include "protocol/json.h"

enum { PART_BYTES = 256 << 10, PAGE = 1000 };

struct transfer {
    struct link *link;
    const struct data_options *options;
    struct buffer parameters;
    struct buffer answer;
    struct buffer state; /* of one document */
    struct buffer text;
    size_t left_out; /* documents of schemas that the hub does not know */
};

static void transfer_init(struct transfer *transfer, struct link *link,
                          const struct data_options *options)
{
    *transfer = (struct transfer){.link = link, .options = options};
    buffer_init(&transfer->parameters, DATA_PARAMETERS_BYTES);
    buffer_init(&transfer->answer, LIMIT_BODY_BYTES);
    buffer_init(&transfer->state, LIMIT_BODY_BYTES);
    buffer_init(&transfer->text, (size_t)2 * LIMIT_BODY_BYTES);
}

static void transfer_finish(struct transfer *transfer)
{
    buffer_finish(&transfer->parameters);
    buffer_finish(&transfer->answer);
    buffer_finish(&transfer->state);
    buffer_finish(&transfer->text);
}

static int ask(struct transfer *transfer, const char *method,
               bool (*taken)(void *context, struct bytes bytes))
{
    return data_ask(transfer->link, &(struct data_call){
                                        .method = method,
                                        .parameters = buffer_bytes(&transfer->parameters),
                                        .taken = taken,
                                        .context = transfer,
                                        .answer = &transfer->answer,
                                        .timeout_ms = transfer->options->timeout_ms,
                                        .waits = true,
                                        .passes_undeclared = strcmp(method, "export") == 0,
                                    });
}

static struct writer begin_parameters(struct transfer *transfer, size_t length)
{
    buffer_clear(&transfer->parameters);
    struct writer writer = writer_to(&transfer->parameters);
    write_map(&writer, length);
    return writer;
}

/* --- export --- */

static bool take_state(void *context, struct bytes bytes)
{
    struct transfer *transfer = context;
    return buffer_append(&transfer->state, bytes.data, bytes.length) == PROTOCOL_OK;
}

/* Of the export: its document's name, its position and its values. */
struct shown {
    struct bytes name;
    uint64_t position;
    struct bytes values;
};

static bool read_shown(struct bytes state, struct shown *shown)
{
    struct reader reader = reader_of(state);
    (void)read_tuple(&reader, 9);
    (void)read_uint(&reader);
    shown->name = read_bin(&reader, LIMIT_DOCUMENT_NAME_BYTES);
    (void)read_bin(&reader, LIMIT_BODY_BYTES);
    shown->position = read_uint(&reader);
    reader_skip(&reader, 4);
    shown->values = read_bin(&reader, LIMIT_BODY_BYTES);
    return reader_ok(&reader);
}

static bool write_line(struct transfer *transfer)
{
    struct shown shown;
    struct writer json = writer_to(&transfer->text);
    buffer_clear(&transfer->text);
    if (!read_shown(buffer_bytes(&transfer->state), &shown)) {
        return false;
    }
    json_raw(&json, "{\"document\":");
    json_quoted(&json, shown.name);
    json_raw(&json, ",\"position\":");
    json_int(&json, (int64_t)shown.position);
    json_raw(&json, ",\"values\":");
    bool good =
        buffer_append(&transfer->text, shown.values.data, shown.values.length) == PROTOCOL_OK;
    json_raw(&json, ",\"state\":\"");
    good = good && base64_encode(buffer_bytes(&transfer->state), &transfer->text);
    json_raw(&json, "\"}\n");
    return good && json.status == PROTOCOL_OK;
}

static int print_line(const struct transfer *transfer)
{
    const struct buffer *text = &transfer->text;
    return fwrite(text->data, 1, text->length, stdout) == text->length
               ? EXIT_SUCCESS
               : data_fail(EXIT_FAILURE, "standard output cannot be written", "");
}

/* A document that is open and has no edit yet is not there. */
static int export_one(struct transfer *transfer, struct bytes name)
{
    struct writer writer = begin_parameters(transfer, 1);
    write_text(&writer, "name");
    write_string(&writer, name);
    buffer_clear(&transfer->state);
    int code = ask(transfer, "export", take_state);
    if (code == DATA_UNDECLARED) {
        transfer->left_out++;
        return EXIT_SUCCESS;
    }
    if (code != EXIT_SUCCESS || transfer->state.length == 0) {
        return code;
    }
    return write_line(transfer) ? print_line(transfer)
                                : data_fail(EXIT_FAILURE, "the hub's answer cannot be read", "");
}

static bool is_wanted(const struct transfer *transfer, const char *name)
{
    const struct data_options *options = transfer->options;
    bool wanted = options->count == 1;
    for (int i = 1; i < options->count && !wanted; i++) {
        wanted = fnmatch(options->words[i], name, 0) == 0;
    }
    return wanted;
}

static int export_page(struct transfer *transfer, struct bytes documents)
{
    struct reader reader = reader_of(documents);
    size_t length = read_array(&reader, PAGE);
    int code = EXIT_SUCCESS;
    for (size_t i = 0; i < length && code == EXIT_SUCCESS; i++) {
        struct reader name = reader_of(data_pair(read_raw(&reader), "name"));
        struct bytes bytes = read_string(&name, LIMIT_DOCUMENT_NAME_BYTES);
        char text[LIMIT_DOCUMENT_NAME_BYTES + 1];
        if (!reader_ok(&name) || bytes.length == 0) {
            return data_fail(EXIT_FAILURE, "the hub's list of documents cannot be read", "");
        }
        (void)snprintf(text, sizeof text, "%.*s", (int)bytes.length, (const char *)bytes.data);
        code = is_wanted(transfer, text) ? export_one(transfer, bytes) : EXIT_SUCCESS;
    }
    return code;
}

/* `after` is a raw value: where the page begins; no bytes: at the first. */
static int ask_page(struct transfer *transfer, struct bytes after, struct buffer *page)
{
    struct writer writer = begin_parameters(transfer, 2);
    write_text(&writer, "after");
    if (after.length == 0) {
        write_nil(&writer);
    } else {
        write_raw(&writer, after);
    }
    write_text(&writer, "limit");
    write_uint(&writer, PAGE);
    int code = ask(transfer, "documents", NULL);
    buffer_clear(page);
    if (code == EXIT_SUCCESS &&
        buffer_append(page, transfer->answer.data, transfer->answer.length) != PROTOCOL_OK) {
        return data_fail(EXIT_FAILURE, "out of memory", "");
    }
    return code;
}

static int export_all(struct transfer *transfer)
{
    struct buffer page;
    struct buffer after;
    int code = EXIT_SUCCESS;
    bool more = true;
    buffer_init(&page, LIMIT_BODY_BYTES);
    buffer_init(&after, LIMIT_TEXT_BYTES);
    while (code == EXIT_SUCCESS && more) {
        code = ask_page(transfer, buffer_bytes(&after), &page);
        if (code == EXIT_SUCCESS) {
            code = export_page(transfer, data_pair(buffer_bytes(&page), "documents"));
        }
        struct bytes next = data_pair(buffer_bytes(&page), "next");
        struct reader reader = reader_of(next);
        more = next.length > 0 && reader_peek(&reader) == READER_STRING;
        buffer_clear(&after);
        if (more && buffer_append(&after, next.data, next.length) != PROTOCOL_OK) {
            code = data_fail(EXIT_FAILURE, "out of memory", "");
        }
    }
    buffer_finish(&page);
    buffer_finish(&after);
    return code;
}

int data_export(struct link *link, const struct data_options *options)
{
    struct transfer transfer;
    transfer_init(&transfer, link, options);
    int code = export_all(&transfer);
    if (transfer.left_out > 0) {
        (void)fprintf(stderr,
                      "syncline: %zu documents are of schemas that the hub does not declare, and "
                      "were left out\n",
                      transfer.left_out);
    }
    transfer_finish(&transfer);
    if (fflush(stdout) != 0 && code == EXIT_SUCCESS) {
        return data_fail(EXIT_FAILURE, "standard output cannot be written", "");
    }
    return code;
}

/* --- import --- */

struct tally {
    size_t line;
    size_t changed;
    size_t unchanged;
    size_t refused;
};

/* False: `state` holds none, and it was said. */
static bool read_line(struct transfer *transfer, const char *line, size_t number)
{
    json_error_t error;
    char where[64];
    json_t *document = json_loads(line, 0, &error);
    const char *text = json_string_value(json_object_get(document, "state"));
    bool good = text != NULL;
    (void)snprintf(where, sizeof where, "line %zu is no exported document", number);
    buffer_clear(&transfer->state);
    good = good && base64_decode(bytes_of_text(text), &transfer->state);
    json_decref(document);
    if (!good || transfer->state.length == 0) {
        (void)data_fail(EXIT_FAILURE, where, "");
        return false;
    }
    return true;
}

static int send_part(struct transfer *transfer, struct bytes part, bool more)
{
    struct writer writer = begin_parameters(transfer, 2);
    write_text(&writer, "bytes");
    write_bin(&writer, part);
    write_text(&writer, "more");
    write_uint(&writer, more);
    return ask(transfer, "import", NULL);
}

static int send_state(struct transfer *transfer)
{
    struct bytes left = buffer_bytes(&transfer->state);
    int code = EXIT_SUCCESS;
    while (left.length > 0 && code == EXIT_SUCCESS) {
        size_t length = left.length < PART_BYTES ? left.length : (size_t)PART_BYTES;
        struct bytes part = {left.data, length};
        left = (struct bytes){left.data + length, left.length - length};
        code = send_part(transfer, part, left.length > 0);
    }
    return code;
}

static void take_answer(const struct transfer *transfer, struct tally *tally)
{
    struct bytes answer = buffer_bytes(&transfer->answer);
    struct reader changed = reader_of(data_pair(answer, "changed"));
    struct reader refused = reader_of(data_pair(answer, "refused"));
    struct bytes code = {0};
    if (reader_peek(&refused) == READER_STRING) {
        code = read_string(&refused, LIMIT_CODE_BYTES);
    }
    if (code.length > 0) {
        (void)fprintf(stderr, "syncline: line %zu: refused: %.*s\n", tally->line, (int)code.length,
                      (const char *)code.data);
        tally->refused++;
    } else if (read_bool(&changed)) {
        tally->changed++;
    } else {
        tally->unchanged++;
    }
}

static int import_lines(struct transfer *transfer, struct tally *tally)
{
    char *line = NULL;
    size_t size = 0;
    int code = EXIT_SUCCESS;
    while (code == EXIT_SUCCESS && getline(&line, &size, stdin) > 0) {
        tally->line++;
        if (line[strspn(line, " \t\r\n")] == '\0') {
            continue;
        }
        code = read_line(transfer, line, tally->line) ? send_state(transfer) : EXIT_FAILURE;
        if (code == EXIT_SUCCESS) {
            take_answer(transfer, tally);
        } else {
            (void)fprintf(stderr, "syncline: stopped at line %zu\n", tally->line);
        }
    }
    free(line);
    return code;
}

/* What was imported stays where a later line fails: the same file can be imported again. */
int data_import(struct link *link, const struct data_options *options)
{
    struct transfer transfer;
    struct tally tally = {0};
    if (options->count != 1) {
        return data_fail(DATA_USAGE, "import reads standard input", "");
    }
    transfer_init(&transfer, link, options);
    int code = import_lines(&transfer, &tally);
    transfer_finish(&transfer);
    (void)printf("%zu changed, %zu as they were, %zu refused\n", tally.changed, tally.unchanged,
                 tally.refused);
    return code == EXIT_SUCCESS && tally.refused > 0 ? EXIT_FAILURE : code;
}
