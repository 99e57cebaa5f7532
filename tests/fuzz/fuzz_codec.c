/*
 * Goal:   no change, content, full state or stored row makes its type's codec read what is not
 * there, and what it takes it can give back: nothing that a row held is left out without a word.
 * Method: the first byte chooses a declaration, the second what the rest is. What is read is
 * written, read again and written again, to the same bytes; a row that is taken is there again,
 * with its key and its position.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/declared.h"

enum { OUT_BYTES = 1 << 26, POSITION = 1000, SENDER = 999, NAMED = 1000 };

static const struct {
    const char *type;
    const char *options;
} kinds[] = {
    {"g-counter", "{}"},
    {"pn-counter", "{}"},
    {"bounded-counter", "{\"min\":-5,\"max\":100}"},
    {"g-set", "{\"of\":\"int\"}"},
    {"2p-set", "{\"of\":\"string\"}"},
    {"or-set", "{\"of\":\"any\"}"},
    {"or-set", "{\"of\":\"bytes\"}"},
    {"lww-register", "{\"of\":\"any\"}"},
    {"mv-register", "{\"of\":\"float\"}"},
    {"flag", "{\"wins\":\"disable\"}"},
    {"map", "{\"of\":[\"g-counter\",{}]}"},
    {"map", "{\"of\":[\"pn-counter\",{}]}"},
    {"map", "{\"of\":[\"bounded-counter\",{\"min\":0,\"max\":9}]}"},
    {"map", "{\"of\":[\"or-set\",{\"of\":\"any\"}]}"},
    {"map", "{\"of\":[\"lww-register\",{\"of\":\"any\"}]}"},
    {"map", "{\"of\":[\"map\",{\"of\":[\"2p-set\",{\"of\":\"bool\"}]}]}"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static struct declaration declarations[KINDS];

/* Whoever a full state names is known: by its last byte. */
static struct replica_id named[256];

static bool find(void *context, const struct replica_id *replica, crdt_replica_id *id)
{
    (void)context;
    *id = NAMED + replica->bytes[REPLICA_BYTES - 1];
    named[replica->bytes[REPLICA_BYTES - 1]] = *replica;
    return true;
}

static bool by_index(void *context, uint64_t index, crdt_replica_id *id)
{
    (void)context;
    *id = (crdt_replica_id)index;
    return index < SENDER;
}

static bool name(void *context, crdt_replica_id id, struct replica_id *replica)
{
    (void)context;
    if (id >= NAMED && id < NAMED + 256) {
        *replica = named[id - NAMED];
    }
    return id >= NAMED;
}

/* What one way of the codec takes is written to `out`; false: it is refused. */
typedef bool pass(const struct declaration *declared, struct bytes bytes, struct writer *writer);

static void show(const struct declaration *declared, const struct crdt_field *field)
{
    struct buffer out;
    buffer_init(&out, OUT_BYTES);
    struct writer writer = writer_to(&out);
    declared->codec->write_json(&writer, field);
    FUZZ_REQUIRE(writer.status == PROTOCOL_OK && out.length > 0);
    buffer_finish(&out);
}

static bool pass_change(const struct declaration *declared, struct bytes bytes,
                        struct writer *writer)
{
    struct reader reader = reader_of(bytes);
    struct crdt_change *change = declared->codec->read_change(&reader, declared);
    FUZZ_REQUIRE((change != NULL) == reader_ok(&reader));
    if (change == NULL) {
        return false;
    }
    declared->codec->write_change(writer, change);
    change->type->change_destroy(change);
    return true;
}

static struct crdt_field *create(const struct declaration *declared)
{
    struct crdt_field *field = declared->crdt.type->create(&declared->crdt, 7);
    FUZZ_REQUIRE(field != NULL);
    return field;
}

static bool pass_content(const struct declaration *declared, struct bytes bytes,
                         struct writer *writer)
{
    struct reader reader = reader_of(bytes);
    struct crdt_field *field = create(declared);
    declared->codec->read_content(&reader, declared, field, POSITION);
    bool good = reader_ok(&reader);
    if (good) {
        show(declared, field);
        declared->codec->write_content(writer, field, 0);
    }
    field->type->destroy(field);
    return good;
}

static bool pass_state(const struct declaration *declared, struct bytes bytes,
                       struct writer *writer)
{
    size_t dots_left = LIMIT_STATE_DOTS;
    const struct codec_names names = {
        .sender = SENDER, .find = find, .index = by_index, .dots_left = &dots_left, .name = name};
    struct reader reader = reader_of(bytes);
    struct crdt_field *state = declared->codec->read_state(&reader, declared, &names);
    FUZZ_REQUIRE((state != NULL) == reader_ok(&reader));
    if (state == NULL) {
        return false;
    }
    declared->codec->write_state(writer, state, &names);
    state->type->destroy(state);
    return true;
}

static bool is_kept(const struct row *row, struct bytes written)
{
    struct reader reader = reader_of(written);
    struct row again;
    bool kept = false;
    while (row_read(&reader, &again)) {
        kept = kept || (again.kind == row->kind && again.position == row->position &&
                        bytes_equal(again.key, row->key));
    }
    FUZZ_REQUIRE(reader_ok(&reader));
    return kept;
}

/* A field and its rows, as the database has them. */
static bool pass_rows(const struct declaration *declared, struct bytes bytes, struct writer *writer)
{
    struct reader reader = reader_of(bytes);
    struct crdt_field *field = create(declared);
    struct row row;
    struct row last = {0};
    enum protocol_status status = PROTOCOL_OK;
    while (status == PROTOCOL_OK && row_read(&reader, &row)) {
        if (row.kind == ROW_ENTRY || row.kind == ROW_REMOVAL) {
            status = declared->codec->read_row(declared, field, &row);
            field->position = row.position > field->position ? row.position : field->position;
            last = row;
        }
    }
    bool good = status == PROTOCOL_OK && reader_ok(&reader);
    if (good) {
        show(declared, field);
        declared->codec->write_rows(writer, field, 3, 0);
        FUZZ_REQUIRE(last.kind == 0 || last.position == 0 ||
                     is_kept(&last, buffer_bytes(writer->buffer)));
    }
    field->type->destroy(field);
    return good;
}

/* One row, so that the rest of the input is its detail, and its key is likely one. */
static bool pass_row(const struct declaration *declared, struct bytes bytes, struct writer *writer)
{
    struct fuzz_input input = {bytes};
    struct row row = {.field = 3, .kind = ROW_ENTRY, .position = fuzz_number(&input)};
    row.kind = fuzz_below(&input, 4) == 0 ? ROW_REMOVAL : ROW_ENTRY;
    row.key = fuzz_bytes(&input, fuzz_below(&input, 32));
    row.detail = input.left;
    struct buffer run;
    buffer_init(&run, OUT_BYTES);
    struct writer rows = writer_to(&run);
    row_write(&rows, &row);
    bool good = pass_rows(declared, buffer_bytes(&run), writer);
    buffer_finish(&run);
    return good;
}

static bool pass_declaration(const struct declaration *unused, struct bytes bytes,
                             struct writer *writer)
{
    struct reader reader = reader_of(bytes);
    struct declaration read;
    (void)unused;
    bool good = declaration_read(&reader, &read);
    if (good) {
        declaration_write(writer, &read);
        declaration_finish(&read);
    }
    return good;
}

static bool pass_request(const struct declaration *unused, struct bytes bytes,
                         struct writer *writer)
{
    struct replica_id replicas[LIMIT_NAMED_REPLICAS];
    struct reader reader = reader_of(bytes);
    struct row_request request;
    (void)unused;
    if (!row_request_read(&reader, &request)) {
        return false;
    }
    size_t length = 0;
    while (length < LIMIT_NAMED_REPLICAS && row_request_next(&request, &replicas[length])) {
        length++;
    }
    request.replicas = replicas;
    request.length = length;
    row_request_write(writer, &request);
    return true;
}

static pass *const passes[] = {pass_change, pass_content,     pass_state,  pass_rows,
                               pass_row,    pass_declaration, pass_request};

static void declare(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        declarations[i] = declared(kinds[i].type, kinds[i].options);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct fuzz_input input = {{data, length}};
    if (declarations[0].codec == NULL) {
        declare();
    }
    const struct declaration *declared = &declarations[fuzz_below(&input, KINDS)];
    pass *one = passes[fuzz_below(&input, sizeof passes / sizeof *passes)];
    struct buffer first;
    struct buffer second;
    buffer_init(&first, OUT_BYTES);
    buffer_init(&second, OUT_BYTES);
    struct writer writer = writer_to(&first);
    struct writer again = writer_to(&second);
    if (one(declared, input.left, &writer)) {
        FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
        pass *back = one == pass_row ? pass_rows : one;
        FUZZ_REQUIRE(back(declared, buffer_bytes(&first), &again));
        FUZZ_REQUIRE(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    }
    buffer_finish(&first);
    buffer_finish(&second);
    return 0;
}
