/* `retire [--idle TIME] [--dry-run]`: the ledger forgets replicas that were silent for that long.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/data_call.h"

/* 0: it is none. */
static uint64_t milliseconds_of(const char *text)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end = NULL;
    uint64_t number = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    for (size_t i = 0; i < sizeof units / sizeof *units && end != NULL; i++) {
        if (strcmp(end, units[i].name) == 0 && number <= UINT32_MAX) {
            return number * units[i].ms;
        }
    }
    return 0;
}

static void write_parameters(struct buffer *parameters, uint64_t idle_ms, bool dry)
{
    struct writer writer = writer_to(parameters);
    write_map(&writer, 2);
    write_text(&writer, "idle_ms");
    if (idle_ms == 0) {
        write_nil(&writer);
    } else {
        write_uint(&writer, idle_ms);
    }
    write_text(&writer, "dry");
    write_uint(&writer, dry);
}

int data_retire(struct link *link, const struct data_options *options)
{
    uint64_t idle_ms = options->idle == NULL ? 0 : milliseconds_of(options->idle);
    struct buffer parameters;
    struct buffer answer;
    if (options->count != 1 || (options->idle != NULL && idle_ms == 0)) {
        return data_fail(DATA_USAGE,
                         "retire takes --idle with a time, such as 12h or 30d, and "
                         "--dry-run",
                         "");
    }
    buffer_init(&parameters, DATA_PARAMETERS_BYTES);
    buffer_init(&answer, LIMIT_BODY_BYTES);
    write_parameters(&parameters, idle_ms, options->dry_run);
    int code = data_ask(link, &(struct data_call){.method = "retire",
                                                  .parameters = buffer_bytes(&parameters),
                                                  .answer = &answer,
                                                  .timeout_ms = options->timeout_ms,
                                                  .waits = true});
    if (code == EXIT_SUCCESS) {
        struct bytes told = buffer_bytes(&answer);
        (void)printf("%" PRIu64 " replicas silent, %" PRIu64 " retired\n",
                     data_number(told, "found"), data_number(told, "retired"));
    }
    buffer_finish(&parameters);
    buffer_finish(&answer);
    return code;
}
