/* `erase NAME [FIELD ELEMENT]`: a document's content, or an element, leaves the hub for ever. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/c/data_call.h"
#include "clients/c/edits.h"

struct wish {
    const char *name;
    const char *field; /* NULL: all */
    const char *text;
    struct buffer element; /* what the text stands for */
    struct buffer parameters;
    struct buffer answer;
};

static bool has_arrived(void *context) { return ((const struct session *)context)->arrived; }

/* The schema says what an element is. */
static int read_element(struct link *link, const struct data_options *options, struct wish *wish,
                        struct bytes *element)
{
    const char *why = "";
    struct session *session = link_add(link, wish->name);
    if (session == NULL) {
        return data_fail(EXIT_FAILURE, "out of memory", "");
    }
    if (!link_run(link, has_arrived, session, options->timeout_ms, &why)) {
        return data_fail(EXIT_FAILURE, why, "");
    }
    struct bytes name = bytes_of_text(wish->field);
    const struct schema_field *field = schema_field_by_name(&session->schema, name);
    if (field == NULL) {
        return data_fail(DATA_USAGE, "there is no such field", wish->field);
    }
    if (!edit_read_element(&field->declared, wish->text, &wish->element, element)) {
        return data_fail(DATA_USAGE, "this is no element of the field", wish->text);
    }
    return EXIT_SUCCESS;
}

static void write_parameters(struct wish *wish, struct bytes element)
{
    struct writer writer = writer_to(&wish->parameters);
    write_map(&writer, wish->field == NULL ? 1 : 3);
    write_text(&writer, "name");
    write_text(&writer, wish->name);
    if (wish->field != NULL) {
        write_text(&writer, "field");
        write_text(&writer, wish->field);
        write_text(&writer, "element");
        write_bin(&writer, element);
    }
}

static void print(const struct wish *wish)
{
    struct bytes answer = buffer_bytes(&wish->answer);
    struct reader found = reader_of(data_pair(answer, "found"));
    uint64_t position = data_number(answer, "position");
    bool all = wish->field == NULL;
    (void)printf("%s: %s at position %" PRIu64 "\n", wish->name,
                 read_bool(&found) ? "erased" : "nothing of it was there any more; erased",
                 position);
    (void)printf("  rows       %s", all ? "all fields" : "the element, all removals");
    if (all) {
        (void)printf(" (%" PRIu64 ") and %" PRIu64 " replicas", data_number(answer, "fields"),
                     data_number(answer, "replicas"));
    }
    (void)printf(", updates that were refused\n");
    (void)printf("  journal    everything up to position %" PRIu64 "\n", position);
    (void)printf("  data file  written anew, the log is empty\n");
    (void)printf("  clients    take the document anew when they open it, or have it open\n");
    (void)printf("  stays      %sbackups, exports, what webhooks have told, and what clients hold "
                 "until then\n",
                 all ? "the name; " : "");
}

static int erase(struct link *link, const struct data_options *options, struct wish *wish)
{
    struct bytes element = {0};
    int code = wish->field == NULL ? EXIT_SUCCESS : read_element(link, options, wish, &element);
    if (code != EXIT_SUCCESS) {
        return code;
    }
    write_parameters(wish, element);
    code = data_ask(link, &(struct data_call){.method = "erase",
                                              .parameters = buffer_bytes(&wish->parameters),
                                              .answer = &wish->answer,
                                              .timeout_ms = options->timeout_ms,
                                              .waits = true});
    if (code == EXIT_SUCCESS) {
        print(wish);
    }
    return code;
}

int data_erase(struct link *link, const struct data_options *options)
{
    struct bytes schema;
    struct bytes key;
    struct wish wish = {.field = NULL};
    if (options->count != 2 && options->count != 4) {
        return data_fail(DATA_USAGE, "erase takes NAME, or NAME FIELD ELEMENT", "");
    }
    wish.name = options->words[1];
    if (!document_name_valid(bytes_of_text(wish.name), &schema, &key)) {
        return data_fail(DATA_USAGE, "a document's name is schema/key", wish.name);
    }
    if (options->count == 4) {
        wish.field = options->words[2];
        wish.text = options->words[3];
    }
    buffer_init(&wish.element, LIMIT_BODY_BYTES);
    buffer_init(&wish.parameters, DATA_PARAMETERS_BYTES);
    buffer_init(&wish.answer, LIMIT_BODY_BYTES);
    int code = erase(link, options, &wish);
    buffer_finish(&wish.element);
    buffer_finish(&wish.parameters);
    buffer_finish(&wish.answer);
    return code;
}
