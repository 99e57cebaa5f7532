/* Flag: change and entries are `true` and `false`; content is whole. */
#include "crdt/flag.h"
#include "protocol/codec_orset.h"
#include "protocol/json.h"

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_orset_change *change = codec_orset_change(reader, declared);
    if (change == NULL) {
        return NULL;
    }
    bool enabled = read_bool(reader);
    if (reader_ok(reader) && crdt_flag_set(change, enabled) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    return codec_orset_read(reader, change);
}

static void write_entry(struct writer *writer, struct bytes entry)
{
    write_bool(writer, entry.data[0] == CRDT_FLAG_ENABLED);
}

static struct bytes read_entry(struct reader *reader, enum element_of of, struct buffer *scratch)
{
    static const uint8_t entries[] = {CRDT_FLAG_DISABLED, CRDT_FLAG_ENABLED};
    (void)of;
    (void)scratch;
    return (struct bytes){&entries[read_bool(reader) ? 1 : 0], 1};
}

static void write_change(struct writer *writer, const struct crdt_change *change)
{
    const struct crdt_orset *added = &((const struct crdt_orset_change *)change)->added;
    write_entry(writer, crdt_orset_bytes(crdt_orset_since(added, &added->removed, 0)));
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    json_raw(writer, crdt_flag_value(field) ? "true" : "false");
}

const struct protocol_codec codec_flag = {
    .type = &crdt_flag,
    .takes_wins = true,
    .empty = "false",
    .read_change = read_change,
    .write_change = write_change,
    .read_entry = read_entry,
    .write_entry = write_entry,
    CODEC_ORSET_WHOLE,
    .write_json = write_json,
};
