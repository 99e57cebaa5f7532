#include "clients/c/generate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/typescript.h"
#include "protocol/yaml/file.h"
#include "protocol/yaml/schema_file.h"

enum { EXIT_USAGE = 2, FILE_BYTES_MAX = 1 << 20, TEXT_BYTES_MAX = 1 << 24 };

static int fail(int code, const char *what, const char *detail)
{
    (void)fprintf(stderr, "syncline: %s%s%s\n", what, detail[0] == '\0' ? "" : ": ", detail);
    return code;
}

/* --- from a file --- */

static int read_config(const char *path, struct schema_set *schemas)
{
    struct buffer text;
    struct buffer mistakes;
    buffer_init(&text, FILE_BYTES_MAX);
    buffer_init(&mistakes, FILE_BYTES_MAX);
    int error = file_read(path, &text);
    int code = EXIT_SUCCESS;
    if (error != 0) {
        code = fail(EXIT_FAILURE, path, strerror(error));
    } else if (!schema_file_parse(buffer_bytes(&text), path, schemas, &mistakes)) {
        (void)fwrite(mistakes.data, 1, mistakes.length, stderr);
        code = EXIT_FAILURE;
    }
    buffer_finish(&mistakes);
    buffer_finish(&text);
    return code;
}

/* --- from a hub --- */

struct question {
    struct schema_set schemas;
    enum session_status status;
    bool answered;
};

/* A session reads OPENED's list of fields, and this is one. */
static enum session_status add_schema(struct schema_set *schemas, struct bytes name,
                                      struct bytes fields)
{
    static const struct replica_id nobody = {0};
    struct session session;
    session_init(&session, "", &nobody);
    enum session_status status = session_declare(&session, fields);
    if (status == SESSION_OK) {
        struct schema *added = schema_set_add(schemas, name);
        status = added == NULL ? SESSION_NO_MEMORY : SESSION_OK;
        if (added != NULL) {
            struct schema taken = session_take_schema(&session);
            added->fields = taken.fields;
            added->length = taken.length;
        }
    }
    session_finish(&session);
    return status;
}

static void on_answer(void *context, struct bytes value)
{
    struct question *question = context;
    struct reader reader = reader_of(value);
    size_t length = read_map(&reader, LIMIT_SCHEMAS);
    for (size_t i = 0; i < length && question->status == SESSION_OK; i++) {
        struct bytes name = read_string(&reader, LIMIT_SCHEMA_NAME_BYTES);
        struct bytes fields = read_raw(&reader);
        if (reader_ok(&reader) && schema_name_valid(name)) {
            question->status = add_schema(&question->schemas, name, fields);
        } else {
            question->status = SESSION_PROTOCOL;
        }
    }
    if (!reader_ok(&reader)) {
        question->status = SESSION_PROTOCOL; /* no map, or one that is too long */
    }
    question->answered = true;
}

static bool is_answered(void *context)
{
    const struct question *question = context;
    return question->answered;
}

static int ask_hub(struct link *link, uint64_t timeout_ms, struct schema_set *schemas)
{
    struct question question = {.status = SESSION_OK};
    const char *why = "";
    link_ask(link, "schema", on_answer, &question);
    bool answered = link_run(link, is_answered, &question, timeout_ms, &why);
    link_ask(link, NULL, NULL, NULL);
    *schemas = question.schemas;
    if (!answered) {
        return fail(EXIT_FAILURE, why, "");
    }
    return question.status == SESSION_OK
               ? EXIT_SUCCESS
               : fail(EXIT_FAILURE, session_status_text(question.status), "");
}

/* --- to a file --- */

static int put_file(const char *path, struct bytes text)
{
    FILE *file = path == NULL ? stdout : fopen(path, "we");
    bool written = file != NULL && fwrite(text.data, 1, text.length, file) == text.length;
    if (file == stdout) {
        written = fflush(stdout) == 0 && written;
    } else if (file != NULL) {
        written = fclose(file) == 0 && written;
    }
    return written ? EXIT_SUCCESS
                   : fail(EXIT_FAILURE, path == NULL ? "standard output" : path, strerror(errno));
}

int generate(struct link *link, const struct generate_options *options)
{
    struct schema_set schemas = {0};
    struct buffer text;
    if (strcmp(options->language, "typescript") != 0) {
        return fail(EXIT_USAGE, "the only language is typescript", options->language);
    }
    buffer_init(&text, TEXT_BYTES_MAX);
    int code = options->config != NULL ? read_config(options->config, &schemas)
                                       : ask_hub(link, options->timeout_ms, &schemas);
    if (code == EXIT_SUCCESS) {
        code = typescript_write(&schemas, &text) ? put_file(options->output, buffer_bytes(&text))
                                                 : fail(EXIT_FAILURE, "out of memory", "");
    }
    buffer_finish(&text);
    schema_set_finish(&schemas);
    return code;
}
