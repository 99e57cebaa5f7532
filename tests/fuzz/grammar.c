#include "tests/fuzz/grammar.h"

#include <string.h>

#include "tests/fuzz/grammar_values.h"

enum { NAMED = 4, LONG_AGO_MS = 100000000 };

const struct grammar_field grammar_fields[GRAMMAR_FIELDS] = {
    {"likes", "g-counter", "{}"},
    {"points", "pn-counter", "{}"},
    {"stock", "bounded-counter", "{\"min\":0,\"max\":20}"},
    {"seen", "g-set", "{\"of\":\"int\"}"},
    {"tags", "or-set", "{\"of\":\"string\"}"},
    {"words", "2p-set", "{\"of\":\"any\"}"},
    {"name", "lww-register", "{\"of\":\"any\"}"},
    {"note", "mv-register", "{\"of\":\"any\"}"},
    {"open", "flag", "{\"wins\":\"disable\"}"},
    {"cart", "map", "{\"of\":[\"pn-counter\",{}]}"},
    {"shelf", "map", "{\"of\":[\"bounded-counter\",{\"min\":0,\"max\":9}]}"},
    {"labels", "map", "{\"of\":[\"or-set\",{\"of\":\"string\"}]}"},
    {"titles", "map", "{\"of\":[\"lww-register\",{\"of\":\"string\"}]}"},
    {"deep", "map", "{\"of\":[\"map\",{\"of\":[\"g-counter\",{}]}]}"},
    {"clicks", "map", "{\"of\":[\"flag\",{}]}"},
};

static void mint(struct grammar *grammar, size_t place, uint64_t made_ms)
{
    uint8_t random[REPLICA_BYTES] = {[15] = (uint8_t)(place + 1)};
    grammar->replicas[place] = replica_id_make(made_ms, random);
    for (size_t i = 0; i < GRAMMAR_DOCUMENTS; i++) {
        grammar->seqs[i][place] = 0;
    }
}

void grammar_init(struct grammar *grammar, const struct schema *schema, uint64_t now_ms)
{
    *grammar = (struct grammar){.schema = schema, .now_ms = now_ms, .stream = 1};
    for (size_t i = 0; i < GRAMMAR_REPLICAS; i++) {
        mint(grammar, i, i == 6 ? now_ms - LONG_AGO_MS : (i == 7 ? now_ms * 2 : now_ms));
    }
}

void grammar_age(struct grammar *grammar, uint64_t now_ms)
{
    grammar->now_ms = now_ms;
    for (size_t i = 0; i < NAMED; i++) {
        mint(grammar, i, now_ms);
    }
}

static unsigned choose_replica(struct fuzz_input *input)
{
    return fuzz_below(input, fuzz_rarely(input) ? GRAMMAR_REPLICAS : NAMED);
}

static void write_replica(struct grammar *grammar, unsigned place, struct writer *writer)
{
    write_bin(writer, replica_id_bytes(&grammar->replicas[place]));
}

void grammar_name(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    unsigned choice = fuzz_below(input, 4);
    if (choice == 0) {
        write_nil(writer);
    } else if (choice == 1) {
        write_uint(writer, fuzz_number(input));
    } else {
        write_replica(grammar, choose_replica(input), writer);
    }
}

/* Where a client says that it is. */
static uint64_t choose_position(const struct grammar *grammar, struct fuzz_input *input)
{
    uint64_t back = fuzz_below(input, 8);
    if (fuzz_rarely(input)) {
        return fuzz_number(input);
    }
    return grammar->position > back ? grammar->position - back : 0;
}

static void write_journal(const struct grammar *grammar, struct fuzz_input *input,
                          struct writer *writer)
{
    struct journal_id journal = grammar->journal;
    journal.bytes[0] ^= fuzz_rarely(input) ? 1 : 0;
    write_bin(writer, (struct bytes){journal.bytes, JOURNAL_ID_BYTES});
}

static void write_head(struct writer *writer, enum packet_kind kind, int64_t id, size_t length)
{
    write_array(writer, length + 2);
    write_uint(writer, kind);
    write_int(writer, id);
}

static const struct grammar_stream *choose_stream(const struct grammar_peer *peer,
                                                  struct fuzz_input *input)
{
    return &peer->streams[fuzz_below(input, fuzz_rarely(input) ? GRAMMAR_STREAMS : 2)];
}

static const char *const documents[] = {"all/1", "all/2"};

static void write_strange_document(struct fuzz_input *input, struct writer *writer)
{
    static const char *const names[] = {"all/1", "none/1", "all/", "all", "all/\xc3\xa9"};
    unsigned choice = fuzz_below(input, 6);
    if (choice == 5) {
        write_string(writer, fuzz_bytes(input, fuzz_byte(input)));
    } else {
        write_text(writer, names[choice]);
    }
}

static void write_open_options(struct grammar *grammar, struct fuzz_input *input,
                               struct writer *writer)
{
    bool cursor = fuzz_below(input, 2) == 1;
    bool presence = fuzz_below(input, 2) == 1;
    bool once = fuzz_rarely(input);
    write_map(writer, (size_t)cursor + presence + once);
    if (cursor) {
        write_text(writer, "cursor");
        write_array(writer, 2);
        write_journal(grammar, input, writer);
        write_uint(writer, choose_position(grammar, input));
    }
    if (presence) {
        write_text(writer, "presence");
        write_bool(writer, true);
    }
    if (once) {
        write_text(writer, "mode");
        write_text(writer, "once");
    }
}

static void write_open(struct grammar *grammar, struct grammar_peer *peer, struct fuzz_input *input,
                       struct writer *writer)
{
    struct grammar_stream *stream = &peer->streams[fuzz_below(input, GRAMMAR_STREAMS)];
    peer->last_id++;
    *stream = (struct grammar_stream){.id = peer->last_id,
                                      .document = fuzz_below(input, GRAMMAR_DOCUMENTS),
                                      .first = choose_replica(input),
                                      .named = 1 + fuzz_below(input, NAMED)};
    write_head(writer, PACKET_OPEN, stream->id, 3);
    if (fuzz_rarely(input)) {
        write_strange_document(input, writer);
    } else {
        write_text(writer, documents[stream->document]);
    }
    write_array(writer, stream->named);
    for (unsigned i = 0; i < stream->named; i++) {
        write_replica(grammar, (stream->first + i) % GRAMMAR_REPLICAS, writer);
    }
    write_open_options(grammar, input, writer);
}

static void write_context(struct grammar *grammar, const struct grammar_stream *stream,
                          struct fuzz_input *input, struct writer *writer)
{
    size_t seen = fuzz_rarely(input) ? fuzz_below(input, NAMED) : 0;
    bool journal = fuzz_rarely(input);
    write_array(writer, journal ? 3 : 2);
    write_uint(writer, choose_position(grammar, input));
    write_array(writer, seen);
    for (size_t i = 0; i < seen; i++) {
        unsigned place = (stream->first + fuzz_below(input, NAMED)) % GRAMMAR_REPLICAS;
        uint64_t seq = grammar->seqs[stream->document][place];
        write_array(writer, 2);
        write_replica(grammar, place, writer);
        write_uint(writer, fuzz_rarely(input) ? fuzz_number(input) : seq);
    }
    if (journal) {
        write_journal(grammar, input, writer);
    }
}

/* Which fields come, then what each is told. */
static void write_update_fields(struct grammar *grammar, struct fuzz_input *input,
                                enum packet_kind kind, struct writer *writer)
{
    size_t length = fuzz_rarely(input) ? fuzz_below(input, 4) : 1;
    unsigned first = fuzz_below(input, GRAMMAR_FIELDS + 1);
    write_map(writer, length);
    for (size_t i = 0; i < length; i++) {
        unsigned place = (first + (unsigned)i) % (GRAMMAR_FIELDS + 1);
        write_uint(writer, place);
        if (place == GRAMMAR_FIELDS) {
            grammar_any(input, writer, 0);
        } else if (kind == PACKET_DELTA) {
            grammar_change(input, &grammar->schema->fields[place].declared, writer);
        } else if (kind == PACKET_STATE) {
            grammar_state(grammar, input, &grammar->schema->fields[place].declared, writer);
        } else {
            grammar_content(input, &grammar->schema->fields[place].declared, writer);
        }
    }
}

static void write_update(struct grammar *grammar, const struct grammar_peer *peer,
                         struct fuzz_input *input, enum packet_kind kind, struct writer *writer)
{
    const struct grammar_stream *stream = choose_stream(peer, input);
    unsigned named = stream->named == 0 ? 1 : stream->named;
    unsigned place = fuzz_rarely(input)
                         ? choose_replica(input)
                         : (stream->first + fuzz_below(input, named)) % GRAMMAR_REPLICAS;
    uint64_t *seq = &grammar->seqs[stream->document][place];
    uint64_t first = *seq + 1;
    uint64_t last = first + (fuzz_rarely(input) ? fuzz_below(input, 4) : 0);
    if (fuzz_rarely(input)) {
        first = fuzz_number(input);
    } else {
        *seq = last;
    }
    write_head(writer, kind, stream->id, kind == PACKET_DELTA ? 5 : 4);
    if (place == stream->first) {
        write_nil(writer);
    } else {
        write_replica(grammar, place, writer);
    }
    if (kind == PACKET_DELTA) {
        write_uint(writer, first);
    }
    write_uint(writer, last);
    write_context(grammar, stream, input, writer);
    write_update_fields(grammar, input, kind, writer);
}

static void write_parameters(struct fuzz_input *input, struct writer *writer)
{
    static const char *const keys[] = {"after", "limit", "id", "name", "search", "other"};
    size_t length = fuzz_below(input, 4);
    unsigned first = fuzz_below(input, 6);
    write_map(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_text(writer, keys[(first + i) % 6]);
        if (fuzz_below(input, 2) == 0) {
            write_strange_document(input, writer);
        } else {
            grammar_any(input, writer, 0);
        }
    }
}

static void write_call(struct grammar_peer *peer, struct fuzz_input *input, struct writer *writer)
{
    static const char *const methods[] = {"schema",    "stats",    "connections", "connection",
                                          "documents", "document", "rejected",    "none"};
    write_head(writer, PACKET_CALL, ++peer->last_id, 2);
    write_text(writer, methods[fuzz_below(input, 8)]);
    if (fuzz_rarely(input)) {
        grammar_any(input, writer, 0);
    } else {
        write_parameters(input, writer);
    }
}

static void write_hello(struct fuzz_input *input, struct writer *writer)
{
    write_head(writer, PACKET_HELLO, 0, 2);
    write_uint(writer, fuzz_rarely(input) ? fuzz_number(input) : PROTOCOL_VERSION);
    write_map(writer, 2);
    write_text(writer, "token");
    write_text(writer, "t");
    write_text(writer, "agent");
    write_string(writer, fuzz_bytes(input, fuzz_byte(input)));
}

static void write_presence(struct fuzz_input *input, int64_t id, uint64_t peer,
                           struct writer *writer)
{
    write_head(writer, PACKET_PRESENCE, id, 2);
    write_uint(writer, peer);
    grammar_any(input, writer, 0);
}

/* A packet whose body is one number, or nothing that has a meaning. */
static void write_other(struct fuzz_input *input, enum packet_kind kind, int64_t id,
                        struct writer *writer)
{
    write_head(writer, kind, id, 2);
    if (fuzz_rarely(input)) {
        grammar_any(input, writer, 0);
    } else {
        write_uint(writer, fuzz_number(input));
    }
    grammar_any(input, writer, 0);
}

static void write_close(int64_t id, struct writer *writer)
{
    write_head(writer, PACKET_CLOSE, id, 2);
    write_text(writer, "");
    write_text(writer, "");
}

void grammar_client_packet(struct grammar *grammar, struct grammar_peer *peer,
                           struct fuzz_input *input, struct writer *writer)
{
    unsigned choice = fuzz_below(input, 32);
    if (choice < 14) {
        write_update(grammar, peer, input, PACKET_DELTA, writer);
    } else if (choice < 17) {
        write_update(grammar, peer, input, PACKET_STATE, writer);
    } else if (choice < 22) {
        write_open(grammar, peer, input, writer);
    } else if (choice < 24) {
        write_presence(input, choose_stream(peer, input)->id, 0, writer);
    } else if (choice < 27) {
        write_call(peer, input, writer);
    } else if (choice == 27) {
        write_close(choose_stream(peer, input)->id, writer);
    } else if (choice == 28) {
        write_other(input, PACKET_CREDIT, -1 - (int64_t)fuzz_below(input, 4), writer);
    } else if (choice == 29) {
        write_head(writer, PACKET_AUTH, ++peer->last_id, 1);
        write_text(writer, "t");
    } else if (choice == 30) {
        write_hello(input, writer);
    } else {
        write_other(input, (enum packet_kind)fuzz_below(input, 32), choose_stream(peer, input)->id,
                    writer);
    }
}

static void hear_opened(struct grammar *grammar, const struct grammar_stream *stream,
                        struct bytes ledger)
{
    struct reader reader = reader_of(ledger);
    size_t length = read_array(&reader, GRAMMAR_REPLICAS);
    for (unsigned i = 0; i < length; i++) {
        (void)read_tuple(&reader, 2);
        reader_skip(&reader, 1);
        grammar->seqs[stream->document][(stream->first + i) % GRAMMAR_REPLICAS] =
            read_uint(&reader);
    }
}

static void hear_gap(struct grammar *grammar, const struct grammar_stream *stream,
                     const struct packet_gap *gap)
{
    for (unsigned i = 0; i < GRAMMAR_REPLICAS; i++) {
        bool meant = gap->replica.own ? i == stream->first
                                      : replica_id_equal(&gap->replica.id, &grammar->replicas[i]);
        if (meant) {
            grammar->seqs[stream->document][i] = gap->next - 1;
        }
    }
}

void grammar_hear(struct grammar *grammar, const struct grammar_peer *peer,
                  const struct packet *packet)
{
    if (packet->kind == PACKET_SNAPSHOT || packet->kind == PACKET_UPDATE) {
        grammar->position = packet->content.to;
    }
    for (size_t i = 0; i < GRAMMAR_STREAMS; i++) {
        if (packet->id == 0 || peer->streams[i].id != packet->id) {
            continue;
        }
        if (packet->kind == PACKET_OPENED) {
            hear_opened(grammar, &peer->streams[i], packet->opened.ledger);
        } else if (packet->kind == PACKET_GAP) {
            hear_gap(grammar, &peer->streams[i], &packet->gap);
        }
    }
}

/* --- what a hub says --- */

void grammar_write_fields(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    unsigned missing = fuzz_rarely(input) ? fuzz_below(input, GRAMMAR_FIELDS) : GRAMMAR_FIELDS;
    unsigned other = fuzz_rarely(input) ? fuzz_below(input, GRAMMAR_FIELDS) : GRAMMAR_FIELDS;
    write_array(writer, GRAMMAR_FIELDS - (missing < GRAMMAR_FIELDS));
    for (unsigned i = 0; i < GRAMMAR_FIELDS; i++) {
        if (i == missing) {
            continue;
        }
        unsigned place = i == other ? fuzz_below(input, GRAMMAR_FIELDS) : i;
        write_array(writer, 4);
        write_uint(writer, fuzz_byte(input) == UINT8_MAX ? fuzz_number(input) : i);
        write_text(writer, grammar->schema->fields[place].name);
        declaration_write(writer, &grammar->schema->fields[i].declared);
    }
}

static void write_opened(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    size_t length = fuzz_below(input, NAMED);
    write_head(writer, PACKET_OPENED, grammar->stream, 4);
    grammar_write_fields(grammar, input, writer);
    write_uint(writer, 3);
    write_wide(writer, (int64_t)grammar->position);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, 2);
        if (fuzz_below(input, 2) == 0) {
            write_nil(writer);
        } else {
            write_uint(writer, fuzz_number(input));
        }
        write_uint(writer, fuzz_number(input));
    }
}

static void write_hub_name(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    if (fuzz_below(input, 4) == 0) {
        write_replica(grammar, choose_replica(input), writer);
    } else {
        write_nil(writer);
    }
}

static void write_content(struct grammar *grammar, struct fuzz_input *input, enum packet_kind kind,
                          struct writer *writer)
{
    bool transfer = fuzz_rarely(input);
    size_t length = (kind == PACKET_UPDATE ? 3U : 2U) + (transfer ? 2U : 0U);
    write_head(writer, kind, grammar->stream, length);
    if (kind == PACKET_UPDATE) {
        write_wide(writer, (int64_t)(fuzz_rarely(input) ? fuzz_number(input) : grammar->position));
    }
    grammar->position += fuzz_below(input, 3);
    write_wide(writer, (int64_t)grammar->position);
    if (transfer) {
        write_nil(writer);
        write_int(writer, -1);
        write_uint(writer, fuzz_number(input) * 100);
    } else {
        write_update_fields(grammar, input, kind, writer);
    }
}

static void write_details(struct fuzz_input *input, struct writer *writer)
{
    static const char *const keys[] = {"now_ms", "retry_ms", "value"};
    write_map(writer, 1);
    write_text(writer, keys[fuzz_below(input, 3)]);
    grammar_any(input, writer, 0);
}

static void write_reject(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    static const char *const codes[] = {"CLOCK_AHEAD", "OUT_OF_BOUNDS", "REPLICA_EXPIRED", ""};
    write_head(writer, PACKET_REJECT, grammar->stream, 5);
    write_hub_name(grammar, input, writer);
    write_uint(writer, fuzz_number(input));
    write_text(writer, codes[fuzz_below(input, 4)]);
    write_text(writer, "a sentence");
    write_details(input, writer);
}

static void write_ack(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    write_head(writer, PACKET_ACK, grammar->stream, 4);
    write_hub_name(grammar, input, writer);
    write_uint(writer, fuzz_number(input));
    write_wide(writer, (int64_t)(grammar->position + fuzz_below(input, 3)));
    write_uint(writer, fuzz_number(input));
}

static void write_chunk(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    struct buffer body;
    buffer_init(&body, 1 << 20);
    struct writer inner = writer_to(&body);
    write_update_fields(grammar, input, PACKET_SNAPSHOT, &inner);
    write_head(writer, PACKET_CHUNK, -1, 1);
    write_bin(writer, buffer_bytes(&body));
    buffer_finish(&body);
}

static void write_error(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    write_head(writer, PACKET_ERROR, grammar->stream, 3);
    write_text(writer, fuzz_below(input, 2) == 0 ? "READ_ONLY" : "BUSY");
    write_text(writer, "a sentence");
    write_details(input, writer);
}

void grammar_hub_packet(struct grammar *grammar, struct fuzz_input *input, struct writer *writer)
{
    unsigned choice = fuzz_below(input, 32);
    if (choice < 6) {
        write_opened(grammar, input, writer);
    } else if (choice < 11) {
        write_content(grammar, input, PACKET_SNAPSHOT, writer);
    } else if (choice < 17) {
        write_content(grammar, input, PACKET_UPDATE, writer);
    } else if (choice < 21) {
        write_ack(grammar, input, writer);
    } else if (choice < 24) {
        write_reject(grammar, input, writer);
    } else if (choice == 24) {
        write_head(writer, PACKET_GAP, grammar->stream, 2);
        write_hub_name(grammar, input, writer);
        write_uint(writer, fuzz_number(input));
    } else if (choice == 25) {
        write_chunk(grammar, input, writer);
    } else if (choice == 26) {
        write_head(writer, PACKET_END, -1, 1);
        write_uint(writer, 0);
    } else if (choice == 27) {
        write_error(grammar, input, writer);
    } else if (choice == 28) {
        write_close(grammar->stream, writer);
    } else if (choice == 29) {
        write_presence(input, grammar->stream, fuzz_number(input), writer);
    } else {
        write_other(input, (enum packet_kind)fuzz_below(input, 32), grammar->stream, writer);
    }
}
