/*
 * What the codecs of the types that are OR-sets share (crdt/orset.h). Their content and full state
 * are groups `[[[dot, ...], [entry, ...]], ...]`; an entry is what `read_entry` and `write_entry`
 * of their codec say. Sets send what changed and have a row for each entry; registers and flags
 * send all there is (`whole`) and have one row.
 */
#ifndef PROTOCOL_CODEC_ORSET_H
#define PROTOCOL_CODEC_ORSET_H

#include "crdt/orset.h"
#include "protocol/codec.h"

/* An empty change, or NULL: the reader has failed. */
struct crdt_orset_change *codec_orset_change(struct reader *reader,
                                             const struct declaration *declared);

/* The change that was read, or NULL, and it is freed: the reader has failed. Takes NULL. */
struct crdt_change *codec_orset_read(struct reader *reader, struct crdt_orset_change *change);

/* A list of elements in a change, each given to `apply`; and its way back from the change's part.
 */
typedef enum crdt_status codec_orset_edit(struct crdt_orset_change *change, struct bytes element);
void codec_orset_read_edits(struct reader *reader, enum element_of of,
                            struct crdt_orset_change *change, codec_orset_edit *apply);
void codec_orset_write_elements(struct writer *writer, const struct crdt_orset *set);

/* Content and full states. */
void codec_orset_write_content(struct writer *writer, const struct crdt_field *field,
                               uint64_t since);
void codec_orset_read_content(struct reader *reader, const struct declaration *declared,
                              struct crdt_field *field, uint64_t position);
void codec_orset_write_whole(struct writer *writer, const struct crdt_field *field, uint64_t since);
void codec_orset_read_whole(struct reader *reader, const struct declaration *declared,
                            struct crdt_field *field, uint64_t position);
struct crdt_field *codec_orset_read_state(struct reader *reader, const struct declaration *declared,
                                          const struct codec_names *names);
void codec_orset_write_state(struct writer *writer, const struct crdt_field *field,
                             const struct codec_names *names);

/* Lists of dots alone. What is read is to be freed; NULL with `count` 0: none. */
void codec_write_dots(struct writer *writer, const struct crdt_dot *dots, size_t count);
void codec_write_named_dots(struct writer *writer, const struct crdt_dot *dots, size_t count,
                            const struct codec_names *names);
struct crdt_dot *codec_read_dots(struct reader *reader, size_t *count);
struct crdt_dot *codec_read_named_dots(struct reader *reader, size_t *count,
                                       const struct codec_names *names);

/* A row for each entry; `show` writes the element as JSON, or nothing if it does not show. */
typedef void codec_orset_show(struct writer *json, const struct crdt_orset *set,
                              const struct crdt_orset_element *element);
void codec_orset_write_shown_rows(struct writer *writer, const struct crdt_orset *set,
                                  uint32_t number, uint64_t since, codec_orset_show *show);
void codec_orset_write_removal_rows(struct writer *writer, const struct crdt_orset *set,
                                    uint32_t number, uint64_t since);
void codec_orset_write_rows(struct writer *writer, const struct crdt_field *field, uint32_t number,
                            uint64_t since);
enum protocol_status codec_orset_read_row(const struct declaration *declared,
                                          struct crdt_field *field, const struct row *row);
/* Of a type whose keys have so many bytes before the element. */
enum protocol_status codec_orset_read_tagged_row(const struct declaration *declared,
                                                 struct crdt_field *field, const struct row *row,
                                                 size_t tag_bytes);

/* One row: the value, and the whole content for the hub. For any type whose content is whole. */
void codec_write_whole_row(struct writer *writer, const struct crdt_field *field, uint32_t number,
                           uint64_t since);
enum protocol_status codec_read_whole_row(const struct declaration *declared,
                                          struct crdt_field *field, const struct row *row);

/* A sorted JSON list of the values that `listed` answers, borrowed from the element; false: none,
 * or the writer has failed. */
typedef bool codec_orset_listed(struct writer *writer, const struct crdt_orset *set,
                                const struct crdt_orset_element *element, struct bytes *value);
void codec_orset_write_list(struct writer *writer, const struct crdt_orset *set,
                            codec_orset_listed *listed);
void codec_orset_write_json(struct writer *writer, const struct crdt_field *field);

/* Entries that are the elements themselves. */
struct bytes codec_orset_read_element(struct reader *reader, enum element_of of,
                                      struct buffer *scratch);
void codec_orset_write_element(struct writer *writer, struct bytes entry);

#define CODEC_ORSET_ELEMENTS                                                                       \
    .write_content = codec_orset_write_content, .read_content = codec_orset_read_content,          \
    .read_state = codec_orset_read_state, .write_state = codec_orset_write_state,                  \
    .read_row = codec_orset_read_row

#define CODEC_ORSET_WHOLE                                                                          \
    .write_content = codec_orset_write_whole, .read_content = codec_orset_read_whole,              \
    .read_state = codec_orset_read_state, .write_state = codec_orset_write_state,                  \
    .write_rows = codec_write_whole_row, .read_row = codec_read_whole_row

#endif
