#include "clients/c/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/data_call.h"

static const struct {
    const char *name;
    int (*run)(struct link *link, const struct data_options *options);
} commands[] = {
    {"backup", data_backup}, {"erase", data_erase},   {"export", data_export},
    {"import", data_import}, {"retire", data_retire},
};

bool data_is_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return true;
        }
    }
    return false;
}

int data_run(struct link *link, const struct data_options *options)
{
    size_t i = 0;
    while (strcmp(options->words[0], commands[i].name) != 0) {
        i++;
    }
    return commands[i].run(link, options);
}

int data_fail(int code, const char *what, const char *detail)
{
    (void)fprintf(stderr, "syncline: %s%s%s\n", what, detail[0] == '\0' ? "" : ": ", detail);
    return code;
}

/* --- a call --- */

struct asked {
    const struct data_call *call;
    bool answered;
    bool complete;
    bool ended;
    bool failed;
    uint64_t heard;    /* how often something came */
    uint64_t retry_ms; /* the hub has no room now, but then; 0: it has not said so */
    bool undeclared;
};

static void on_answer(void *context, struct bytes value)
{
    struct asked *asked = context;
    buffer_clear(asked->call->answer);
    asked->answered = true;
    struct reader reader = reader_of(value);
    asked->ended = reader_peek(&reader) == READER_NIL; /* nothing is there: no transfer comes */
    asked->complete = asked->ended;
    asked->failed = buffer_append(asked->call->answer, value.data, value.length) != PROTOCOL_OK;
    asked->heard++;
}

static bool on_taken(void *context, struct bytes bytes)
{
    struct asked *asked = context;
    asked->heard++;
    return asked->call->taken(asked->call->context, bytes);
}

static void on_ended(void *context, bool complete)
{
    struct asked *asked = context;
    asked->ended = true;
    asked->complete = complete;
}

static bool on_refused(void *context, const struct packet_error *error)
{
    static const char undeclared[] = "UNKNOWN_SCHEMA";
    struct asked *asked = context;
    asked->retry_ms = data_number(error->details, "retry_ms");
    asked->undeclared = asked->call->passes_undeclared &&
                        bytes_equal(error->code, (struct bytes){(const uint8_t *)undeclared,
                                                                sizeof undeclared - 1});
    return asked->retry_ms > 0 || asked->undeclared;
}

static bool is_done(void *context)
{
    const struct asked *asked = context;
    bool transfers = asked->call->taken != NULL;
    return asked->failed || asked->undeclared || asked->retry_ms > 0 ||
           (asked->answered && (!transfers || asked->ended));
}

/* As long as something comes, or the hub is there and has much to do. */
static bool wait(struct link *link, struct asked *asked, const char **why)
{
    const struct data_call *call = asked->call;
    uint64_t heard;
    do {
        heard = asked->heard;
        if (link_run(link, is_done, asked, call->timeout_ms, why)) {
            return true;
        }
    } while (asked->heard > heard || (call->waits && link_is_up(link) && !link_failed(link)));
    return false;
}

static int ask_once(struct link *link, struct asked *asked, const char **why)
{
    static const uint8_t empty_map = 0x80;
    const struct data_call *call = asked->call;
    bool given = call->parameters.length > 0;
    link_call(link, &(struct link_call){.method = call->method,
                                        .parameters = given ? call->parameters
                                                            : (struct bytes){&empty_map, 1},
                                        .answered = on_answer,
                                        .taken = call->taken == NULL ? NULL : on_taken,
                                        .ended = on_ended,
                                        .refused = on_refused,
                                        .context = asked});
    bool done = wait(link, asked, why);
    link_ask(link, NULL, NULL, NULL);
    if (!done) {
        return data_fail(EXIT_FAILURE, *why, "");
    }
    if (asked->failed) {
        return data_fail(EXIT_FAILURE, "out of memory", "");
    }
    if (asked->undeclared) {
        return DATA_UNDECLARED;
    }
    if (asked->retry_ms == 0 && call->taken != NULL && !asked->complete) {
        return data_fail(EXIT_FAILURE, "the hub gave up in the middle", "its log says why");
    }
    return EXIT_SUCCESS;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

int data_ask(struct link *link, const struct data_call *call)
{
    uint64_t left_ms = call->timeout_ms;
    for (;;) {
        struct asked asked = {.call = call};
        const char *why = "";
        int code = ask_once(link, &asked, &why);
        if (code != EXIT_SUCCESS || asked.retry_ms == 0) {
            return code;
        }
        if (asked.retry_ms > left_ms || link_failed(link)) {
            return data_fail(EXIT_FAILURE, why, "");
        }
        left_ms -= asked.retry_ms;
        (void)!link_run(link, never, NULL, asked.retry_ms, &why);
    }
}

struct bytes data_pair(struct bytes map, const char *name)
{
    struct reader reader = reader_of(map);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct reader key = reader_of(read_raw(&reader));
        struct bytes value = read_raw(&reader);
        struct bytes found = read_string(&key, LIMIT_TEXT_BYTES);
        if (reader_ok(&key) && found.length == strlen(name) &&
            memcmp(found.data, name, found.length) == 0) {
            return value;
        }
    }
    return (struct bytes){0};
}

uint64_t data_number(struct bytes map, const char *name)
{
    struct reader reader = reader_of(data_pair(map, name));
    return read_uint(&reader);
}
