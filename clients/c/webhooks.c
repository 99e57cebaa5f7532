#include "clients/c/webhooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/limits.h"

enum { EXIT_USAGE = 2, PARAMETERS_BYTES = 1024 };

static int fail(int code, const char *what, const char *detail)
{
    (void)fprintf(stderr, "syncline: %s%s%s\n", what, detail[0] == '\0' ? "" : ": ", detail);
    return code;
}

/* --- a call --- */

struct question {
    struct buffer answer;
    bool answered;
    bool kept;
};

static void on_answer(void *context, struct bytes value)
{
    struct question *question = context;
    question->kept = buffer_append(&question->answer, value.data, value.length) == PROTOCOL_OK;
    question->answered = true;
}

static bool is_answered(void *context)
{
    const struct question *question = context;
    return question->answered;
}

/* What is asked about a target; `number` under `key`, unless that is NULL. */
struct asked {
    const char *method;
    const char *target; /* NULL: all */
    const char *key;
    uint64_t number;
};

static void write_parameters(struct writer *writer, const struct asked *asked)
{
    write_map(writer, (size_t)(asked->target != NULL) + (asked->key != NULL));
    if (asked->target != NULL) {
        write_text(writer, "target");
        write_string(writer, bytes_of_text(asked->target));
    }
    if (asked->key != NULL) {
        write_text(writer, asked->key);
        write_uint(writer, asked->number);
    }
}

/* The answer is appended to `answer`. The exit code. */
static int ask(struct link *link, const struct webhooks_options *options, const struct asked *asked,
               struct buffer *answer)
{
    uint8_t data[PARAMETERS_BYTES];
    struct buffer parameters = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&parameters);
    struct question question = {.answered = false};
    const char *why = "";
    write_parameters(&writer, asked);
    if (writer.status != PROTOCOL_OK) {
        return fail(EXIT_USAGE, "the name of a webhook is not so long", "");
    }
    buffer_init(&question.answer, LIMIT_BODY_BYTES);
    link_call(link, &(struct link_call){.method = asked->method,
                                        .parameters = buffer_bytes(&parameters),
                                        .answered = on_answer,
                                        .context = &question});
    bool good = link_run(link, is_answered, &question, options->timeout_ms, &why);
    link_ask(link, NULL, NULL, NULL);
    *answer = question.answer;
    if (!good) {
        return fail(EXIT_FAILURE, why, "");
    }
    return question.kept ? EXIT_SUCCESS : fail(EXIT_FAILURE, "out of memory", "");
}

/* --- answers --- */

/* The value of that name in a map; empty: there is none. */
static struct bytes pair(struct bytes map, const char *name)
{
    struct reader reader = reader_of(map);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct reader key = reader_of(read_raw(&reader));
        struct bytes value = read_raw(&reader);
        if (bytes_equal(read_string(&key, LIMIT_TEXT_BYTES), bytes_of_text(name))) {
            return value;
        }
    }
    return (struct bytes){0};
}

static int print(struct bytes value)
{
    struct buffer text;
    struct reader reader = reader_of(value);
    buffer_init(&text, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&text);
    json_value(&writer, &reader);
    bool good = writer.status == PROTOCOL_OK;
    if (good) {
        (void)fwrite(text.data, 1, text.length, stdout);
        (void)fputc('\n', stdout);
    }
    buffer_finish(&text);
    return good ? EXIT_SUCCESS : fail(EXIT_FAILURE, "the hub's answer cannot be read", "");
}

static int print_each(struct bytes list)
{
    struct reader reader = reader_of(list);
    size_t length = read_array(&reader, LIMIT_OBJECTS);
    int code = EXIT_SUCCESS;
    for (size_t i = 0; i < length && code == EXIT_SUCCESS; i++) {
        code = print(read_raw(&reader));
    }
    return reader_ok(&reader) ? code : fail(EXIT_FAILURE, "the hub's answer cannot be read", "");
}

/* --- the commands --- */

static int list(struct link *link, const struct webhooks_options *options)
{
    struct buffer answer = {0};
    int code = ask(link, options, &(struct asked){.method = "webhooks"}, &answer);
    code = code == EXIT_SUCCESS ? print_each(pair(buffer_bytes(&answer), "webhooks")) : code;
    buffer_finish(&answer);
    return code;
}

static int list_dead(struct link *link, const struct webhooks_options *options, const char *target)
{
    uint64_t next = UINT64_MAX;
    int code = EXIT_SUCCESS;
    while (code == EXIT_SUCCESS && next != 0) {
        struct asked asked = {.method = "webhooks_dead",
                              .target = target,
                              .key = next == UINT64_MAX ? NULL : "after",
                              .number = next};
        struct buffer answer = {0};
        code = ask(link, options, &asked, &answer);
        if (code == EXIT_SUCCESS) {
            struct reader more = reader_of(pair(buffer_bytes(&answer), "next"));
            next = reader_peek(&more) == READER_NIL ? 0 : read_uint(&more);
            code = print_each(pair(buffer_bytes(&answer), "dead"));
        }
        buffer_finish(&answer);
    }
    return code;
}

static int call_and_print(struct link *link, const struct webhooks_options *options,
                          const struct asked *asked)
{
    struct buffer answer = {0};
    int code = ask(link, options, asked, &answer);
    code = code == EXIT_SUCCESS ? print(buffer_bytes(&answer)) : code;
    buffer_finish(&answer);
    return code;
}

static bool read_id(const char *text, uint64_t *id)
{
    char *end = NULL;
    errno = 0;
    *id = strtoull(text, &end, 10);
    return errno == 0 && *id > 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static int resend(struct link *link, const struct webhooks_options *options, const char *target)
{
    struct asked asked = {.method = "webhooks_resend", .target = target};
    int code = EXIT_SUCCESS;
    if (options->word_count == 3) {
        return call_and_print(link, options, &asked);
    }
    for (int i = 3; i < options->word_count && code == EXIT_SUCCESS; i++) {
        asked.key = "id";
        if (!read_id(options->words[i], &asked.number)) {
            return fail(EXIT_USAGE, "a dead letter's id is a number", options->words[i]);
        }
        code = call_and_print(link, options, &asked);
    }
    return code;
}

int webhooks_run(struct link *link, const struct webhooks_options *options)
{
    char **words = options->words;
    int count = options->word_count;
    const char *what = count == 1 ? "list" : words[1];
    if (count <= 2 && strcmp(what, "list") == 0) {
        return list(link, options);
    }
    if (count == 3 && strcmp(what, "dead") == 0) {
        return list_dead(link, options, words[2]);
    }
    if (count >= 3 && strcmp(what, "resend") == 0) {
        return resend(link, options, words[2]);
    }
    if (count == 3 && strcmp(what, "pause") == 0) {
        return call_and_print(link, options,
                              &(struct asked){.method = "webhooks_pause", .target = words[2]});
    }
    if (count == 3 && strcmp(what, "resume") == 0) {
        return call_and_print(link, options,
                              &(struct asked){.method = "webhooks_resume", .target = words[2]});
    }
    return fail(EXIT_USAGE, "webhooks [list], or dead, resend, pause or resume and a target", what);
}
