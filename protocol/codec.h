/*
 * Codec: a type's changes, content, full states and rows as bytes. Each type has one, found by its
 * name; whoever handles fields goes through this table and names no type.
 *
 * Readers fail with PROTOCOL_MALFORMED (not the form of the type), PROTOCOL_BAD_ELEMENT or
 * PROTOCOL_NO_MEMORY, and then answer NULL.
 */
#ifndef PROTOCOL_CODEC_H
#define PROTOCOL_CODEC_H

#include "crdt/field.h"
#include "protocol/reader.h"
#include "protocol/replica.h"
#include "protocol/rows.h"
#include "protocol/schema.h"
#include "protocol/writer.h"

/* How a full state names replicas: nil is the sender, an integer is an index, 16 bytes are a
 * replica. */
struct codec_names {
    crdt_replica_id sender;
    /* When reading. False: the document does not know it, so the state is malformed. */
    bool (*find)(void *context, const struct replica_id *replica, crdt_replica_id *id);
    bool (*index)(void *context, uint64_t index, crdt_replica_id *id);
    size_t *dots_left; /* that entries and keys may still take, all together */
    /* When writing. False: write its index. */
    bool (*name)(void *context, crdt_replica_id id, struct replica_id *replica);
    void (*dot)(void *context, const struct crdt_dot *dot); /* told of each; NULL: nobody is */
    void *context;
};

/* What its value is for SQL: the one in its row, or all of its rows' together. */
enum codec_shape { SHAPE_VALUE, SHAPE_LIST, SHAPE_OBJECT };

struct protocol_codec {
    const struct crdt_type *type;
    enum codec_shape shape;
    bool takes_of;     /* the option `of` with the kind of elements */
    bool takes_type;   /* the option `of` with a type: a map */
    bool takes_bounds; /* `min` and `max` */
    bool takes_wins;
    const struct protocol_codec *in_map; /* what takes its place inside a map; NULL: itself */
    const char *empty;                   /* its value as JSON before anything happened */

    /* Of the types that are OR-sets (protocol/codec_orset.h): an entry as the algebra holds it,
     * from and to one msgpack value. What is read may live in `scratch` until the next. */
    struct bytes (*read_entry)(struct reader *reader, enum element_of of, struct buffer *scratch);
    void (*write_entry)(struct writer *writer, struct bytes entry);

    /* DELTA */
    struct crdt_change *(*read_change)(struct reader *reader, const struct declaration *declared);
    void (*write_change)(struct writer *writer, const struct crdt_change *change);

    /* SNAPSHOT and UPDATE: what changed after position `since`; 0: all there is. `read_content`
     * makes it so in a field that stands at the position where the content starts. */
    void (*write_content)(struct writer *writer, const struct crdt_field *field, uint64_t since);
    void (*read_content)(struct reader *reader, const struct declaration *declared,
                         struct crdt_field *field, uint64_t position);

    /* STATE */
    struct crdt_field *(*read_state)(struct reader *reader, const struct declaration *declared,
                                     const struct codec_names *names);
    void (*write_state)(struct writer *writer, const struct crdt_field *field,
                        const struct codec_names *names);

    /* The rows that changed after `since`, and a row's way back. */
    void (*write_rows)(struct writer *writer, const struct crdt_field *field, uint32_t number,
                       uint64_t since);
    enum protocol_status (*read_row)(const struct declaration *declared, struct crdt_field *field,
                                     const struct row *row);

    /* What stands, for an edit that was rejected because of it; NULL: nothing is told. */
    void (*write_standing)(struct writer *writer, const struct crdt_field *field);

    /* The value as JSON. */
    void (*write_json)(struct writer *writer, const struct crdt_field *field);
};

extern const struct protocol_codec codec_gcounter;
extern const struct protocol_codec codec_pncounter;
extern const struct protocol_codec codec_orset;
extern const struct protocol_codec codec_gset;
extern const struct protocol_codec codec_twophase;
extern const struct protocol_codec codec_flag;
extern const struct protocol_codec codec_lww_register;
extern const struct protocol_codec codec_mv_register;
extern const struct protocol_codec codec_map;
extern const struct protocol_codec codec_bounded;
/* What stands for counters inside maps. */
extern const struct protocol_codec codec_gtally;
extern const struct protocol_codec codec_pntally;
extern const struct protocol_codec codec_bounded_tally;

/* NULL: there is no such type. */
const struct protocol_codec *protocol_codec_find(struct bytes name);

/* The codec of a type that is known here. */
const struct protocol_codec *protocol_codec_of(const struct crdt_type *type);

/* The n-th codec, or NULL after the last: for messages that list the types. */
const struct protocol_codec *protocol_codec_at(size_t n);

/* One replica's name in a full state. */
crdt_replica_id codec_read_name(struct reader *reader, const struct codec_names *names);
void codec_write_name(struct writer *writer, crdt_replica_id id, const struct codec_names *names);

/* Replica and seq, without the array around them. */
void codec_write_dot_name(struct writer *writer, const struct crdt_dot *dot,
                          const struct codec_names *names);

/* A dot's name and seq. Its position is pending, or, where an index names its replica, one that
 * every hub has seen: the sender has the dot from the hub. */
struct crdt_dot codec_read_dot_name(struct reader *reader, const struct codec_names *names);

#endif
