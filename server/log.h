/*
 * The log: one line on stderr for each event, for people or as JSON (RFC 8259):
 *
 *     2026-11-21T23:41:50.123Z info close connection=7 principal="ada" code=1008 reason="no PONG
 * came"
 *     {"time":"2026-11-21T23:41:50.123Z","level":"info","event":"close","connection":7,...}
 *
 * What came from outside is escaped, so that it can neither end a line nor pass for another field.
 * No token and no value of a document is ever given to it. One thread writes.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "crdt/bytes.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR };
enum log_format { FORMAT_TEXT, FORMAT_JSON };

/* `{LEVEL_INFO, FORMAT_TEXT}` until somebody says otherwise. */
struct log_config {
    enum log_level level; /* what is less is not written */
    enum log_format format;
};

/* From the next line on. */
void log_configure(const struct log_config *config);

/* What is in force. */
struct log_config log_configured(void);

/* Everything is written, or again what is configured. */
void log_shift(bool all);

/* Whether a line of this level would be written: for what costs something to find out. */
bool log_takes(enum log_level level);

/* One field of a line; `log_number` and those beside it make them. A text without a length is left
 * out. */
struct log_field {
    const char *key; /* NULL: the end of the list */
    enum log_field_kind { FIELD_NUMBER, FIELD_TEXT, FIELD_WORD } kind;
    uint64_t number;
    struct bytes text; /* borrowed */
};

struct log_field log_number(const char *key, uint64_t number);
/* From outside, or a sentence: quoted and escaped. */
struct log_field log_text(const char *key, struct bytes text);
struct log_field log_sentence(const char *key, const char *text);
/* One of ours, a code or a name: for people it stands without quotes. */
struct log_field log_word(const char *key, const char *word);

/* `fields` by LOG_FIELDS, or NULL. `event` is one word. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {.key = NULL}})

/* One event for each line of the text, which is its only field. */
void log_lines(enum log_level level, const char *event, const char *key, struct bytes text);

/* `debug`, `info`, `warning` or `error`. */
const char *log_level_name(enum log_level level);

#endif
