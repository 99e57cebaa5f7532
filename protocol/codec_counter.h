/* What the counters' codecs share: a full state names each replica's entry. */
#ifndef PROTOCOL_CODEC_COUNTER_H
#define PROTOCOL_CODEC_COUNTER_H

#include "crdt/counter.h"
#include "protocol/codec.h"

/* `[[name, up], ...]`, or `[[name, up, down], ...]`. */
void codec_counter_read_entries(struct reader *reader, struct crdt_counter *state, bool down,
                                const struct codec_names *names);
void codec_counter_write_entries(struct writer *writer, const struct crdt_counter *counter,
                                 bool down, const struct codec_names *names);

#endif
