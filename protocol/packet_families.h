/* The packet families, one file each; packet.c dispatches. Private to the packet files. */
#ifndef PROTOCOL_PACKET_FAMILIES_H
#define PROTOCOL_PACKET_FAMILIES_H

#include "protocol/packet.h"

/* What stands after kind and id: so many values at least, then the reader and the writer of them.
 */
struct packet_layout {
    size_t length;
    void (*read)(struct reader *reader, struct packet *packet, size_t length);
    void (*write)(struct writer *writer, const struct packet *packet);
    /* How many values the writer writes; NULL: always `length`. */
    size_t (*written)(const struct packet *packet);
};

/* NULL: not of this family. */
const struct packet_layout *packet_layout_connection(uint64_t kind);
const struct packet_layout *packet_layout_stream(uint64_t kind);
const struct packet_layout *packet_layout_update(uint64_t kind);

/* A raw value that must be of the type. */
struct bytes packet_read_typed(struct reader *reader, enum reader_type type);

/* A position that the hub says: an integer that is ever sent, so that it can be written, too. */
uint64_t packet_read_position(struct reader *reader);

struct journal_id packet_read_journal(struct reader *reader);
void packet_write_journal(struct writer *writer, const struct journal_id *journal);

/* A key of a map of the protocol's own: a text, or an integer, which is none that we know, and so
 * empty. */
struct bytes packet_read_key(struct reader *reader);

/* Whether the key is that text. */
bool packet_key_is(struct bytes key, const char *text);

#endif
