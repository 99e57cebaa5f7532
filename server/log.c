#include "server/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "protocol/reader.h"

enum { LINE_BYTES = 16384, TEXT_BYTES = 2048 };

static struct log_config configured = {LEVEL_INFO, FORMAT_TEXT};

static enum log_level usual = LEVEL_INFO;

void log_configure(const struct log_config *config)
{
    configured = *config;
    usual = config->level;
}

void log_shift(bool all) { configured.level = all ? LEVEL_DEBUG : usual; }

struct log_config log_configured(void) { return configured; }

bool log_takes(enum log_level level) { return level >= configured.level; }

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {[LEVEL_DEBUG] = "debug",
                                        [LEVEL_INFO] = "info",
                                        [LEVEL_WARNING] = "warning",
                                        [LEVEL_ERROR] = "error"};
    return names[level];
}

/* --- fields --- */

struct log_field log_number(const char *key, uint64_t number)
{
    return (struct log_field){.key = key, .kind = FIELD_NUMBER, .number = number};
}

struct log_field log_text(const char *key, struct bytes text)
{
    return (struct log_field){.key = key, .kind = FIELD_TEXT, .text = text};
}

struct log_field log_sentence(const char *key, const char *text)
{
    return log_text(key, bytes_of_text(text));
}

struct log_field log_word(const char *key, const char *word)
{
    struct log_field field = log_sentence(key, word);
    field.kind = FIELD_WORD;
    return field;
}

/* --- the line --- */

/* A field that does not fit is left out as a whole; for a line's end there is always room. */
struct line {
    size_t length;
    bool full;
    char text[LINE_BYTES + 4];
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    size_t room = LINE_BYTES - line->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room) {
        line->full = true;
    } else {
        line->length += (size_t)length;
    }
}

/* Its beginning, ending with a whole character. */
static struct bytes cut(struct bytes text)
{
    if (text.length > TEXT_BYTES) {
        text.length = TEXT_BYTES;
        while (text.length > 0 && (text.data[text.length] & 0xc0) == 0x80) {
            text.length--;
        }
    }
    return text;
}

/* The same in both forms. Bytes that are no UTF-8 stand as question marks, since a JSON line must
 * be. */
static void add_quoted(struct line *line, struct bytes text)
{
    text = cut(text);
    bool valid = utf8_valid(text);
    add(line, "\"");
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\') {
            add(line, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            add(line, "\\u%04x", byte);
        } else {
            add(line, "%c", byte < 0x80 || valid ? byte : '?');
        }
    }
    add(line, "\"");
}

static void add_field(struct line *line, const struct log_field *field)
{
    bool json = configured.format == FORMAT_JSON;
    size_t before = line->length;
    if (field->kind != FIELD_NUMBER && field->text.length == 0) {
        return;
    }
    add(line, json ? ",\"%s\":" : " %s=", field->key);
    if (field->kind == FIELD_NUMBER) {
        add(line, "%" PRIu64, field->number);
    } else if (field->kind == FIELD_TEXT || json) {
        add_quoted(line, field->text);
    } else {
        add(line, "%.*s", (int)field->text.length, (const char *)field->text.data);
    }
    if (line->full) {
        line->length = before;
        line->full = false;
    }
}

static void begin(struct line *line, enum log_level level, const char *event)
{
    char when[32];
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    line->length = 0;
    line->full = false;
    add(line,
        configured.format == FORMAT_JSON
            ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\""
            : "%s.%03ldZ %s %s",
        when, now.tv_nsec / 1000000, log_level_name(level), event);
}

/* One write, so that lines of several processes do not mix. A log that cannot be written is
 * nobody's reason to stop. */
static void end(struct line *line)
{
    if (configured.format == FORMAT_JSON) {
        line->text[line->length++] = '}';
    }
    line->text[line->length++] = '\n';
    (void)fwrite(line->text, 1, line->length, stderr);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line line;
    if (!log_takes(level)) {
        return;
    }
    begin(&line, level, event);
    for (const struct log_field *field = fields; field != NULL && field->key != NULL; field++) {
        add_field(&line, field);
    }
    end(&line);
}

void log_lines(enum log_level level, const char *event, const char *key, struct bytes text)
{
    while (text.length > 0) {
        const uint8_t *feed = memchr(text.data, '\n', text.length);
        size_t length = feed == NULL ? text.length : (size_t)(feed - text.data);
        size_t line = feed == NULL ? length : length + 1;
        log_event(level, event, LOG_FIELDS(log_text(key, (struct bytes){text.data, length})));
        text = (struct bytes){text.data + line, text.length - line};
    }
}
