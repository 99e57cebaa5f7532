/* G-set: change `[added, ...]`; the rest as the OR-set. */
#include "crdt/gset.h"
#include "protocol/codec_orset.h"

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_orset_change *change = codec_orset_change(reader, declared);
    if (change != NULL) {
        codec_orset_read_edits(reader, declared->of, change, crdt_orset_add);
    }
    return codec_orset_read(reader, change);
}

static void write_change(struct writer *writer, const struct crdt_change *change)
{
    codec_orset_write_elements(writer, &((const struct crdt_orset_change *)change)->added);
}

const struct protocol_codec codec_gset = {
    .type = &crdt_gset,
    .shape = SHAPE_LIST,
    .takes_of = true,
    .empty = "[]",
    .read_change = read_change,
    .write_change = write_change,
    .read_entry = codec_orset_read_element,
    .write_entry = codec_orset_write_element,
    CODEC_ORSET_ELEMENTS,
    .write_rows = codec_orset_write_rows,
    .write_json = codec_orset_write_json,
};
