#include "protocol/yaml/yaml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/reader.h"

enum { SHOWN_BYTES_MAX = 48, NAME_BYTES_MAX = 64 };

void yaml_mistake(struct yaml_value value, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    value.reading->mistakes++;
    value.reading->report(value.line, value.column, text, value.reading->context);
}

/* A mistake is one line, whatever was typed. */
struct yaml_shown yaml_show_text(struct bytes text)
{
    struct yaml_shown shown;
    size_t length = 0;
    shown.text[length++] = '"';
    for (size_t i = 0; i < text.length && i < SHOWN_BYTES_MAX; i++) {
        uint8_t byte = text.data[i];
        shown.text[length++] = byte < ' ' || byte == 0x7f ? '?' : (char)byte;
    }
    /* Not in the middle of a character. */
    while (text.length > SHOWN_BYTES_MAX &&
           !utf8_valid((struct bytes){(uint8_t *)shown.text, length})) {
        length--;
    }
    (void)snprintf(&shown.text[length], sizeof shown.text - length, "%s\"",
                   text.length > SHOWN_BYTES_MAX ? "..." : "");
    return shown;
}

static bool is_nothing(struct fy_node *node)
{
    if (node == NULL || fy_node_is_null(node)) {
        return true;
    }
    size_t length = 0;
    const char *text = fy_node_get_scalar(node, &length);
    return text != NULL && fy_node_get_style(node) == FYNS_PLAIN &&
           ((length == 1 && text[0] == '~') || (length == 4 && memcmp(text, "null", 4) == 0));
}

/* Lists and mappings have no token of their own in libfyaml's interface: their first word stands
 * for them. NULL: there is none. */
static const struct fy_mark *first_mark(struct fy_node *node)
{
    void *iterator = NULL;
    while (node != NULL && !fy_node_is_scalar(node)) {
        iterator = NULL;
        if (fy_node_is_sequence(node)) {
            node = fy_node_sequence_iterate(node, &iterator);
        } else {
            struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iterator);
            node = pair == NULL ? NULL : fy_node_pair_key(pair);
        }
    }
    struct fy_token *token = node == NULL ? NULL : fy_node_get_scalar_token(node);
    return token == NULL ? NULL : fy_token_start_mark(token);
}

struct yaml_value yaml_inner(struct yaml_value outer, struct fy_node *node)
{
    struct yaml_value inner = outer;
    const struct fy_mark *mark = first_mark(node);
    inner.node = node;
    if (mark != NULL) {
        inner.line = mark->line + 1;
        inner.column = mark->column + 1;
    }
    return inner;
}

bool yaml_text(struct yaml_value value, struct bytes *text)
{
    if (is_nothing(value.node) || !fy_node_is_scalar(value.node) || fy_node_is_alias(value.node)) {
        return false;
    }
    size_t length = 0;
    const char *data = fy_node_get_scalar(value.node, &length);
    *text = (struct bytes){(const uint8_t *)data, length};
    return data != NULL;
}

struct yaml_shown yaml_show(struct yaml_value value)
{
    struct bytes text;
    struct yaml_shown shown = {"nothing"};
    if (yaml_text(value, &text)) {
        shown = yaml_show_text(text);
    } else if (value.node == NULL || is_nothing(value.node)) {
        return shown;
    } else if (fy_node_is_alias(value.node)) {
        shown = (struct yaml_shown){"an alias"};
    } else if (fy_node_is_sequence(value.node)) {
        shown = (struct yaml_shown){"a list"};
    } else {
        shown = (struct yaml_shown){"a mapping"};
    }
    return shown;
}

/* The number of edits (one character more, less or other, two swapped) from one word to the other.
 */
static size_t edits_between(struct bytes a, struct bytes b)
{
    size_t row[3][NAME_BYTES_MAX + 1];
    for (size_t k = 0; k <= b.length; k++) {
        row[0][k] = k;
    }
    for (size_t i = 1; i <= a.length; i++) {
        size_t *current = row[i % 3];
        const size_t *above = row[(i + 2) % 3];
        const size_t *swap = row[(i + 1) % 3];
        current[0] = i;
        for (size_t k = 1; k <= b.length; k++) {
            size_t best = above[k - 1] + (a.data[i - 1] != b.data[k - 1]);
            best = above[k] + 1 < best ? above[k] + 1 : best;
            best = current[k - 1] + 1 < best ? current[k - 1] + 1 : best;
            if (i > 1 && k > 1 && a.data[i - 1] == b.data[k - 2] &&
                a.data[i - 2] == b.data[k - 1] && swap[k - 2] + 1 < best) {
                best = swap[k - 2] + 1;
            }
            current[k] = best;
        }
    }
    return row[a.length % 3][b.length];
}

/* The key that was probably meant, or NULL: at most a third of it is mistyped. */
static const char *nearest_key(struct bytes name, const struct yaml_key *keys, size_t count)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < count && name.length <= NAME_BYTES_MAX; i++) {
        struct bytes key = bytes_of_text(keys[i].name);
        size_t edits = edits_between(name, key);
        if (edits < least && edits <= (key.length + 2) / 3) {
            least = edits;
            nearest = keys[i].name;
        }
    }
    return nearest;
}

static void report_unknown_key(struct yaml_value at, struct bytes name, const struct yaml_key *keys,
                               size_t count)
{
    const char *nearest = nearest_key(name, keys, count);
    if (nearest != NULL) {
        yaml_mistake(at, "unknown key %s; did you mean \"%s\"?", yaml_show_text(name).text,
                     nearest);
        return;
    }
    char list[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof list; i++) {
        const char *before = i == 0 ? "" : i + 1 == count ? " or " : ", ";
        length +=
            (size_t)snprintf(&list[length], sizeof list - length, "%s%s", before, keys[i].name);
    }
    yaml_mistake(at, "unknown key %s; expected %s", yaml_show_text(name).text, list);
}

/* Where a key stands first, counted from 1, or 0: it is the first of its name. */
static int line_of_first(struct yaml_value mapping, struct fy_node *key, struct bytes name)
{
    void *iterator = NULL;
    struct fy_node_pair *pair = NULL;
    while ((pair = fy_node_mapping_iterate(mapping.node, &iterator)) != NULL) {
        struct yaml_value other = yaml_inner(mapping, fy_node_pair_key(pair));
        struct bytes other_name;
        if (other.node == key) {
            return 0;
        }
        if (yaml_text(other, &other_name) && bytes_equal(name, other_name)) {
            return other.line;
        }
    }
    return 0;
}

void yaml_read_names(struct yaml_value value, const char *expected,
                     void (*read)(struct bytes name, struct yaml_value key, struct yaml_value value,
                                  void *target),
                     void *target)
{
    if (value.node == NULL || !fy_node_is_mapping(value.node)) {
        yaml_mistake(value, "%s; expected %s", yaml_show(value).text, expected);
        return;
    }
    if (fy_node_mapping_item_count(value.node) == 0) {
        yaml_mistake(value, "an empty mapping; expected %s", expected);
    }
    void *iterator = NULL;
    struct fy_node_pair *pair = NULL;
    while ((pair = fy_node_mapping_iterate(value.node, &iterator)) != NULL) {
        struct yaml_value key = yaml_inner(value, fy_node_pair_key(pair));
        struct yaml_value inner = yaml_inner(key, fy_node_pair_value(pair));
        struct bytes name;
        if (!yaml_text(key, &name)) {
            yaml_mistake(key, "%s as a key; expected a name", yaml_show(key).text);
            continue;
        }
        int line = line_of_first(value, key.node, name);
        if (line > 0) {
            yaml_mistake(key, "the key %s again; expected it once, and it is in line %d",
                         yaml_show_text(name).text, line);
            continue;
        }
        read(name, key, inner, target);
    }
}

struct keys_reading {
    const struct yaml_key *keys;
    size_t count;
    void *target;
    uint64_t seen; /* a bit for each of the keys */
};

static void read_key(struct bytes name, struct yaml_value key, struct yaml_value value,
                     void *target)
{
    struct keys_reading *reading = target;
    for (size_t i = 0; i < reading->count; i++) {
        if (bytes_equal(name, bytes_of_text(reading->keys[i].name))) {
            reading->seen |= UINT64_C(1) << i;
            reading->keys[i].read(value, &reading->keys[i], reading->target);
            return;
        }
    }
    report_unknown_key(key, name, reading->keys, reading->count);
}

void yaml_read_keys(struct yaml_value value, const struct yaml_key *keys, size_t count,
                    const char *expected, void *target)
{
    struct keys_reading reading = {keys, count, target, 0};
    assert(count <= 64);
    yaml_read_names(value, expected, read_key, &reading);
    bool mapping = value.node != NULL && fy_node_is_mapping(value.node);
    for (size_t i = 0; i < count && mapping; i++) {
        if (keys[i].required != NULL && (reading.seen & UINT64_C(1) << i) == 0) {
            yaml_mistake(value, "no key \"%s\"; expected %s", keys[i].name, keys[i].required);
        }
    }
}

/* The column of a key's mark, `? key`, or 0. A fuzzer found that libfyaml 0.7.12 frees memory twice
 * after some of them, and no key here needs one. */
static int column_of_key_mark(struct bytes line)
{
    size_t i = 0;
    while (i < line.length && strchr(" \t-", line.data[i]) != NULL) {
        i++;
    }
    bool mark = i < line.length && line.data[i] == '?' &&
                (i + 1 == line.length || strchr(" \t\r", line.data[i + 1]) != NULL);
    return mark ? (int)i + 1 : 0;
}

/* What libfyaml takes for the end of the file, without a word, or does not survive. */
static bool check_line(struct bytes line, struct yaml_value at)
{
    if (!utf8_valid(line) || memchr(line.data, 0, line.length) != NULL) {
        yaml_mistake(at, "a line with bytes that are no text; expected UTF-8");
        return false;
    }
    int column = column_of_key_mark(line);
    if (column > 0) {
        at.column = column;
        yaml_mistake(at, "a key marked with \"?\"; expected its name alone");
        return false;
    }
    return true;
}

static bool check_lines(struct bytes text, struct yaml_value at)
{
    size_t start = 0;
    bool good = true;
    for (size_t i = 0; i <= text.length; i++) {
        if (i == text.length || text.data[i] == '\n' || text.data[i] == '\r') {
            good = check_line((struct bytes){&text.data[start], i - start}, at) && good;
            at.line += i + 1 >= text.length || text.data[i] != '\r' || text.data[i + 1] != '\n';
            start = i + 1;
        }
    }
    return good;
}

/* Beside what it collects, libfyaml says that it failed, which adds nothing. */
static void ignore_output(struct fy_diag *diag, void *user, const char *data, size_t length)
{
    (void)diag;
    (void)user;
    (void)data;
    (void)length;
}

static struct fy_diag *create_diag(void)
{
    struct fy_diag_cfg config;
    fy_diag_cfg_default(&config);
    config.fp = NULL;
    config.output_fn = ignore_output;
    config.colorize = false;
    struct fy_diag *diag = fy_diag_create(&config);
    if (diag != NULL) {
        fy_diag_set_collect_errors(diag, true);
    }
    return diag;
}

static void report_syntax(struct fy_diag *diag, struct yaml_reading *reading)
{
    void *iterator = NULL;
    struct fy_diag_error *error = NULL;
    while ((error = fy_diag_errors_iterate(diag, &iterator)) != NULL) {
        struct yaml_value at = {reading, NULL, error->line, error->column};
        yaml_mistake(at, "%s; expected well-formed YAML", error->msg);
    }
}

static void read_documents(struct yaml_value file, struct fy_document *first,
                           struct fy_document *second,
                           void (*read)(struct yaml_value root, void *target), void *target)
{
    struct yaml_value root = yaml_inner(file, first == NULL ? NULL : fy_document_root(first));
    if (is_nothing(root.node)) {
        yaml_mistake(file, "nothing; expected keys and values, such as \"data: syncline.db\"");
        return;
    }
    read(root, target);
    if (second != NULL) {
        yaml_mistake(yaml_inner(file, fy_document_root(second)), "a second document; expected one");
    }
}

/* Both documents are parsed before the first is read: mistakes of form come alone. */
static void parse_documents(struct fy_parser *parser, struct fy_diag *diag,
                            struct yaml_reading *reading,
                            void (*read)(struct yaml_value root, void *target), void *target)
{
    struct yaml_value file = {reading, NULL, 1, 1};
    struct fy_document *first = fy_parse_load_document(parser);
    struct fy_document *second = first == NULL ? NULL : fy_parse_load_document(parser);
    report_syntax(diag, reading);
    if (reading->mistakes == 0 && fy_parser_get_stream_error(parser)) {
        yaml_mistake(file, "something that cannot be parsed; expected well-formed YAML");
    }
    if (reading->mistakes == 0) {
        read_documents(file, first, second, read, target);
    }
    fy_parse_document_destroy(parser, second);
    fy_parse_document_destroy(parser, first);
}

bool yaml_parse(struct bytes text, void (*read)(struct yaml_value root, void *target), void *target,
                yaml_report *report, void *context)
{
    struct yaml_reading reading = {report, context, 0};
    struct yaml_value file = {&reading, NULL, 1, 1};
    if (text.length == 0) { /* which libfyaml refuses */
        read_documents(file, NULL, NULL, read, target);
        return false;
    }
    if (!check_lines(text, file)) {
        return false;
    }
    struct fy_diag *diag = create_diag();
    /* Duplicates are let through to be reported with the other mistakes, instead of them. */
    const struct fy_parse_cfg config = {
        .flags = FYPCF_COLLECT_DIAG | FYPCF_ALLOW_DUPLICATE_KEYS | FYPCF_DEFAULT_VERSION_1_2 |
                 FYPCF_JSON_NONE,
        .diag = diag,
    };
    struct fy_parser *parser = diag == NULL ? NULL : fy_parser_create(&config);
    if (parser == NULL || fy_parser_set_string(parser, (const char *)text.data, text.length) != 0) {
        yaml_mistake(file, "no memory; expected some");
    } else {
        parse_documents(parser, diag, &reading, read, target);
    }
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return reading.mistakes == 0;
}

void yaml_report_line(int line, int column, const char *mistake, void *context)
{
    const struct yaml_lines *lines = context;
    char text[2048];
    int length =
        snprintf(text, sizeof text - 1, "%.512s:%d:%d: %s", lines->filename, line, column, mistake);
    size_t kept = length < 0 ? 0 : (size_t)length;
    kept = kept < sizeof text - 1 ? kept : sizeof text - 2;
    text[kept] = '\n';
    (void)!buffer_append(lines->mistakes, text, kept + 1);
}
