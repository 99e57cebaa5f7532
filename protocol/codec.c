#include "protocol/codec.h"

#include <assert.h>

static const struct protocol_codec *const codecs[] = {
    &codec_gcounter, &codec_pncounter, &codec_bounded,      &codec_orset,       &codec_gset,
    &codec_twophase, &codec_flag,      &codec_lww_register, &codec_mv_register, &codec_map,
};

const struct protocol_codec *protocol_codec_at(size_t n)
{
    return n < sizeof codecs / sizeof *codecs ? codecs[n] : NULL;
}

const struct protocol_codec *protocol_codec_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        const char *text = codecs[i]->type->name;
        if (bytes_equal(name, bytes_of_text(text))) {
            return codecs[i];
        }
    }
    return NULL;
}

const struct protocol_codec *protocol_codec_of(const struct crdt_type *type)
{
    const struct protocol_codec *found = NULL;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs && found == NULL; i++) {
        if (codecs[i]->type == type) {
            found = codecs[i];
        } else if (codecs[i]->in_map != NULL && codecs[i]->in_map->type == type) {
            found = codecs[i]->in_map;
        }
    }
    assert(found != NULL);
    return found;
}

crdt_replica_id codec_read_name(struct reader *reader, const struct codec_names *names)
{
    crdt_replica_id id = 0;
    bool found = false;
    if (reader_peek(reader) == READER_NIL) {
        read_nil(reader);
        return names->sender;
    }
    if (reader_peek(reader) == READER_INT) {
        found = names->index(names->context, read_uint(reader), &id);
    } else {
        struct replica_id replica;
        found = replica_id_from_bytes(read_bin(reader, REPLICA_BYTES), &replica) &&
                names->find(names->context, &replica, &id);
    }
    if (!found) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return id;
}

struct crdt_dot codec_read_dot_name(struct reader *reader, const struct codec_names *names)
{
    bool merged = reader_peek(reader) == READER_INT;
    struct crdt_dot dot = {.position = merged ? 1 : CRDT_POSITION_PENDING};
    dot.replica = codec_read_name(reader, names);
    dot.seq = read_uint(reader);
    if (dot.seq == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return dot;
}

void codec_write_name(struct writer *writer, crdt_replica_id id, const struct codec_names *names)
{
    struct replica_id replica;
    if (id == names->sender) {
        write_nil(writer);
    } else if (names->name(names->context, id, &replica)) {
        write_bin(writer, replica_id_bytes(&replica));
    } else {
        write_uint(writer, id);
    }
}

void codec_write_dot_name(struct writer *writer, const struct crdt_dot *dot,
                          const struct codec_names *names)
{
    if (names->dot != NULL) {
        names->dot(names->context, dot);
    }
    codec_write_name(writer, dot->replica, names);
    write_uint(writer, dot->seq);
}
