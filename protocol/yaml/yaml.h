/*
 * YAML as the readers of configurations see it: values that know where they stand.
 *
 * A reader takes what it can, reports what it cannot, and goes on, so that all mistakes come out of
 * one run.
 */
#ifndef PROTOCOL_YAML_YAML_H
#define PROTOCOL_YAML_YAML_H

#include <libfyaml.h>
#include <stdbool.h>

#include "crdt/bytes.h"
#include "protocol/buffer.h"

/* Lines and columns count from 1. */
typedef void yaml_report(int line, int column, const char *mistake, void *context);

/* Where the mistakes of one run go. */
struct yaml_reading {
    yaml_report *report;
    void *context;
    size_t mistakes; /* so far */
};

struct yaml_value {
    struct yaml_reading *reading;
    struct fy_node *node; /* NULL or null: `key:` with nothing behind it */
    int line;             /* of its first word, or of its key if it has none */
    int column;
};

/* A value inside another. */
struct yaml_value yaml_inner(struct yaml_value outer, struct fy_node *node);

/* `what was found; expected what`, at the value. */
void yaml_mistake(struct yaml_value value, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A value in the words of a mistake: `"64 KB"`, `a list`, `nothing`; cut where it gets long. */
struct yaml_shown {
    char text[80];
};

struct yaml_shown yaml_show(struct yaml_value value);
struct yaml_shown yaml_show_text(struct bytes text);

/* The text of a single value, borrowed; false, and nothing reported: it is none. */
bool yaml_text(struct yaml_value value, struct bytes *text);

/* One key that a mapping may have. */
struct yaml_key {
    const char *name;
    void (*read)(struct yaml_value value, const struct yaml_key *key, void *target);
    size_t offset;        /* for a reader that fills in one member of the target */
    const char *required; /* what is expected of a mapping that lacks the key; NULL: nothing */
    uint64_t min;         /* for readers of numbers */
    uint64_t max;
};

/*
 * Reads a mapping key by key; a key that is unknown or there twice is a mistake, and so is a
 * required one that is missing. `expected` says what the value should have been if it is no
 * mapping.
 */
void yaml_read_keys(struct yaml_value value, const struct yaml_key *keys, size_t count,
                    const char *expected, void *target);

/* The same for a mapping whose keys are names: `read` is called once for each. */
void yaml_read_names(struct yaml_value value, const char *expected,
                     void (*read)(struct bytes name, struct yaml_value key, struct yaml_value value,
                                  void *target),
                     void *target);

/*
 * Parses `text` and reads its one document with `read`. `report` is called for each mistake, in the
 * order they were found. False: there were mistakes, or no memory.
 */
bool yaml_parse(struct bytes text, void (*read)(struct yaml_value root, void *target), void *target,
                yaml_report *report, void *context);

/* Where mistakes become lines: `file:line:column: mistake`. The buffer keeps what fits: nobody
 * reads the thousandth. */
struct yaml_lines {
    const char *filename;
    struct buffer *mistakes;
};

/* A `yaml_report` whose context is a `struct yaml_lines`. */
void yaml_report_line(int line, int column, const char *mistake, void *context);

#endif
