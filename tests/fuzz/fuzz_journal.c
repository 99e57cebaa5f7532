/*
 * Goal:   a damaged data file is told of with the table and the row, and never crashes a hub, loses
 * without a word what a row held, or takes updates that are gone at the next start.
 * Method: a good file, made once; the input says which value of which row becomes what, in tables
 * or in the journal's tail, or which bytes of the file. Then the program's own steps: open, replay,
 * show both documents, answer an operator. Where nothing was told, a clean stop must leave the
 * tables as they were found, and an edit that was acknowledged must be there after a kill.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/c/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

enum { DUMP_BYTES = 1 << 24, SQL_BYTES = 512, PATH_BYTES = 96, TABLES = 10, JOURNAL = 9 };

#define REPLICA(last) "{\"$bytes\":\"000000000001700080000000000000" last "\"}"
#define OPEN(id, name, replica) "[\"OPEN\"," id ",\"" name "\",[" REPLICA(replica) "],{}]"
#define DELTA(id, seq, fields) "[\"DELTA\"," id ",null," seq "," seq ",[0,[]],{" fields "}]"

static const struct {
    const char *name;
    const char *keys;
    const char *columns[8];
    unsigned length;
} tables[TABLES] = {
    {"documents", "id", {"schema", "key", "position", "next_index", "retired", "id"}, 6},
    {"document_fields", "document,field", {"position", "horizon", "field", "document"}, 4},
    {"entries",
     "document,field,key",
     {"key", "value", "detail", "position", "field", "document"},
     6},
    {"removals", "document,field,key", {"key", "position", "field", "document"}, 4},
    {"replicas",
     "document,replica",
     {"replica", "number", "seq", "position", "at", "detail", "principal", "document"},
     8},
    {"rejected",
     "document,replica,seq",
     {"replica", "seq", "at", "code", "text", "packet", "document"},
     7},
    {"fields", "schema,number", {"schema", "number", "name", "type", "options"}, 5},
    {"ancestors", "journal", {"journal", "position"}, 2},
    {"meta", "key", {"key", "value"}, 2},
    {"journal", "position", {"position", "at", "batch"}, 3},
};

static char folder[PATH_BYTES];
static char path[PATH_BYTES + 8];
static struct buffer stored; /* all in tables */
static struct buffer tailed; /* the last updates only in the journal */

/* --- files --- */

static void remove_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < 4; i++) {
        char name[PATH_BYTES + 16];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

static void clean_up(void)
{
    remove_files();
    (void)rmdir(folder);
}

static void write_file(struct bytes bytes)
{
    remove_files();
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_REQUIRE(file >= 0 && write(file, bytes.data, bytes.length) == (ssize_t)bytes.length);
    FUZZ_REQUIRE(close(file) == 0);
}

static void read_file(struct buffer *bytes)
{
    struct stat status;
    int file = open(path, O_RDONLY);
    FUZZ_REQUIRE(file >= 0 && fstat(file, &status) == 0);
    uint8_t *data = malloc((size_t)status.st_size);
    FUZZ_REQUIRE(data != NULL && read(file, data, (size_t)status.st_size) == status.st_size);
    FUZZ_REQUIRE(close(file) == 0);
    buffer_init(bytes, (size_t)status.st_size);
    FUZZ_REQUIRE(buffer_append(bytes, data, (size_t)status.st_size) == PROTOCOL_OK);
    free(data);
}

static void fill(struct served *served)
{
    (void)served_say(served, OPEN("1", "all/1", "01") OPEN("2", "all/2", "02"));
    (void)served_say(served, DELTA("1", "1", "\"0\":3,\"1\":[5,2],\"3\":[1,2,3]"));
    (void)served_say(served, DELTA("1", "2", "\"4\":[false,[\"a\",\"b\",\"c\"],[]]"));
    (void)served_say(served, DELTA("1", "3", "\"2\":[7,0,[{\"$bytes\":\"6b\"},0,2,600000]]"));
    (void)served_say(served, DELTA("1", "4", "\"5\":[[\"x\",7],[\"y\"]]"));
    (void)served_say(served, DELTA("1", "5", "\"7\":[[1.5,{\"k\":null}]],\"8\":true"));
    (void)served_say(served, DELTA("1", "6", "\"6\":[1700000000,0,\"title\"]"));
    (void)served_say(served, DELTA("1", "7", "\"9\":[[\"p\",false,2],[\"q\",false,-3]]"));
    (void)served_say(served, DELTA("1", "8", "\"11\":[[\"l\",false,[false,[\"v\"],[]]]]"));
    (void)served_say(served, DELTA("1", "9", "\"13\":[[\"m\",false,[[\"n\",false,4]]]]"));
    (void)served_say(served, DELTA("1", "10", "\"4\":[false,[],[\"b\"]]"));
    (void)served_say(served, DELTA("1", "11", "\"2\":[99,0,null]")); /* out of bounds */
    (void)served_say(served, DELTA("2", "1", "\"0\":1,\"4\":[false,[\"z\"],[]]"));
}

/* Both files: everything stored, and with a tail that is only in the journal. */
static void make(void)
{
    /* In memory where that can be had: nothing here depends on a disk. */
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    struct served served;
    (void)snprintf(folder, sizeof folder, "%.60s/syncline-fuzz-XXXXXX", parent);
    FUZZ_REQUIRE(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/data.db", folder);
    (void)atexit(clean_up);
    FUZZ_REQUIRE(served_open(&served, path));
    fill(&served);
    served_close(&served, true);
    read_file(&stored);
    FUZZ_REQUIRE(served_open(&served, path));
    (void)served_say(&served, OPEN("1", "all/1", "03") OPEN("2", "all/2", "04"));
    (void)served_say(&served, DELTA("1", "1", "\"0\":2,\"4\":[false,[\"d\"],[]]"));
    (void)served_say(&served, DELTA("2", "1", "\"9\":[[\"r\",false,1]]"));
    served_close(&served, false);
    read_file(&tailed);
}

/* --- damage --- */

static void bind_value(sqlite3_stmt *statement, struct fuzz_input *input, struct bytes old)
{
    static uint8_t edited[1 << 16];
    size_t length = old.length < sizeof edited ? old.length : sizeof edited;
    switch (fuzz_below(input, 8)) {
    case 0:
        (void)sqlite3_bind_int64(statement, 1, (int64_t)fuzz_number(input));
        return;
    case 1:
        (void)sqlite3_bind_text(statement, 1, (const char *)input->left.data,
                                (int)input->left.length, SQLITE_TRANSIENT);
        return;
    case 2:
        (void)sqlite3_bind_blob(statement, 1, input->left.data, (int)input->left.length,
                                SQLITE_TRANSIENT);
        return;
    case 3:
        (void)sqlite3_bind_double(statement, 1, (double)fuzz_number(input) / 4);
        return;
    default:
        break;
    }
    /* A few bytes of what is there, and perhaps not all of them. */
    if (length > 0) {
        memcpy(edited, old.data, length);
    }
    for (size_t i = 0; i < 8 && input->left.length > 1 && length > 0; i++) {
        size_t at = ((size_t)fuzz_byte(input) << 8 | fuzz_byte(input)) % length;
        edited[at] = fuzz_byte(input);
        length = fuzz_rarely(input) ? at : length;
    }
    (void)sqlite3_bind_blob(statement, 1, edited, (int)length, SQLITE_TRANSIENT);
}

static bool damage_row(sqlite3 *database, struct fuzz_input *input, unsigned table)
{
    char sql[SQL_BYTES];
    sqlite3_stmt *find = NULL;
    sqlite3_stmt *update = NULL;
    int row = (int)fuzz_below(input, 24);
    const char *column = tables[table].columns[fuzz_below(input, tables[table].length)];
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET ?1", column,
                   tables[table].name, tables[table].keys);
    FUZZ_REQUIRE(sqlite3_prepare_v2(database, sql, -1, &find, NULL) == SQLITE_OK);
    (void)sqlite3_bind_int(find, 1, row);
    bool damaged = sqlite3_step(find) == SQLITE_ROW;
    if (damaged) {
        (void)snprintf(sql, sizeof sql,
                       "UPDATE OR IGNORE %s SET %s = ?1 WHERE (%s) = "
                       "(SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET ?2)",
                       tables[table].name, column, tables[table].keys, tables[table].keys,
                       tables[table].name, tables[table].keys);
        FUZZ_REQUIRE(sqlite3_prepare_v2(database, sql, -1, &update, NULL) == SQLITE_OK);
        struct bytes old = {sqlite3_column_blob(find, 0), (size_t)sqlite3_column_bytes(find, 0)};
        bind_value(update, input, old);
        (void)sqlite3_bind_int(update, 2, row);
        (void)sqlite3_reset(find);
        damaged = sqlite3_step(update) == SQLITE_DONE && sqlite3_changes(database) > 0;
        (void)sqlite3_finalize(update);
    }
    (void)sqlite3_finalize(find);
    return damaged;
}

static bool damage_table(struct fuzz_input *input, unsigned table)
{
    sqlite3 *database = NULL;
    write_file(buffer_bytes(table == JOURNAL ? &tailed : &stored));
    FUZZ_REQUIRE(sqlite3_open(path, &database) == SQLITE_OK);
    bool damaged = damage_row(database, input, table);
    (void)sqlite3_close(database);
    return damaged;
}

static void damage_bytes(struct fuzz_input *input)
{
    struct buffer copy;
    buffer_init(&copy, tailed.length);
    FUZZ_REQUIRE(buffer_append(&copy, tailed.data, tailed.length) == PROTOCOL_OK);
    for (size_t i = 0; i < 8 && input->left.length > 3; i++) {
        size_t at = (size_t)fuzz_byte(input) << 16 | (size_t)fuzz_byte(input) << 8;
        copy.data[(at | fuzz_byte(input)) % copy.length] = fuzz_byte(input);
    }
    write_file(buffer_bytes(&copy));
    buffer_finish(&copy);
}

/* --- looking --- */

static void dump_table(sqlite3 *database, unsigned table, struct buffer *text)
{
    char sql[SQL_BYTES];
    sqlite3_stmt *statement = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY %s", tables[table].name,
                   tables[table].keys);
    FUZZ_REQUIRE(sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            uint8_t type = (uint8_t)sqlite3_column_type(statement, i);
            size_t length = (size_t)sqlite3_column_bytes(statement, i);
            FUZZ_REQUIRE(buffer_append(text, &type, 1) == PROTOCOL_OK);
            FUZZ_REQUIRE(length == 0 || buffer_append(text, sqlite3_column_blob(statement, i),
                                                      length) == PROTOCOL_OK);
        }
    }
    (void)sqlite3_finalize(statement);
}

/* What documents are made of. */
static void dump(struct buffer *text)
{
    sqlite3 *database = NULL;
    buffer_init(text, DUMP_BYTES);
    FUZZ_REQUIRE(sqlite3_open(path, &database) == SQLITE_OK);
    for (unsigned i = 0; i < 6; i++) {
        dump_table(database, i, text);
    }
    (void)sqlite3_close(database);
}

/* The document as a client shows it. False: the hub ended the stream, and has told why. */
static bool look(struct served *served, struct bytes answer, int64_t stream, struct buffer *text)
{
    struct session session;
    struct session_news news;
    struct replica_id replica = {{0}};
    struct journal_id journal = {{0}};
    struct buffer unsent;
    struct reader reader = reader_of(answer);
    struct packet packet;
    buffer_init(&unsent, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&unsent);
    session_init(&session, "all/1", &replica);
    session_open(&session, stream, &journal, &writer);
    bool closed = false;
    while (packet_read(&reader, &packet)) {
        if (packet.id == stream && packet.kind == PACKET_CLOSE) {
            closed = true;
        } else if (packet.id == stream && !closed) {
            FUZZ_REQUIRE(session_receive(&session, &packet, &news) == SESSION_OK);
        }
    }
    FUZZ_REQUIRE(reader_ok(&reader));
    FUZZ_REQUIRE(served->report[0] != '\0' || (!closed && session.arrived));
    bool shown = session.arrived && !closed;
    if (shown) {
        struct writer json = writer_to(text);
        FUZZ_REQUIRE(session_json(&session, NULL, &json) == SESSION_OK);
    }
    session_finish(&session);
    buffer_finish(&unsent);
    return shown;
}

static void ask(struct served *served)
{
    (void)served_say(served, "[\"CALL\",10,\"documents\",{}][\"CALL\",11,\"stats\",{}]"
                             "[\"CALL\",12,\"rejected\",{}]"
                             "[\"CALL\",13,\"document\",{\"name\":\"all/1\"}]");
}

/* With the table and the row, or the file, that it is about. */
static void check_report(const struct served *served)
{
    const char *text = served->report;
    bool located = strstr(text, "table ") != NULL || strstr(text, "position ") != NULL ||
                   strstr(text, path) != NULL;
    if (!located) {
        (void)fprintf(stderr, "told: %s\n", text);
    }
    FUZZ_REQUIRE(located);
}

static uint64_t position_of(const struct served *served)
{
    struct hub_stats stats;
    hub_stats(served->hub, &stats);
    return stats.position;
}

/* Opens and looks; false: something was told. `*moved`: the hub has ended a lease, as the file told
 * it to. */
static bool visit(bool clean, struct buffer *shown, bool *moved)
{
    struct served served;
    bool good = served_open(&served, path);
    uint64_t position = good ? position_of(&served) : 0;
    if (good) {
        struct bytes answer =
            served_say(&served, OPEN("1", "all/1", "05") OPEN("2", "all/2", "06"));
        good = look(&served, answer, 1, shown) && look(&served, answer, 2, shown);
        ask(&served);
    }
    *moved = good && position_of(&served) != position;
    served_close(&served, clean && good && served.report[0] == '\0');
    if (!good || served.report[0] != '\0') {
        check_report(&served);
        return false;
    }
    return true;
}

/* How many of the answers are of that kind. */
static size_t count_packets(struct bytes answer, enum packet_kind kind)
{
    struct reader reader = reader_of(answer);
    struct packet packet;
    size_t count = 0;
    while (packet_read(&reader, &packet)) {
        count += packet.kind == kind;
    }
    return count;
}

/* An edit of each document, then a kill: false: it was not acknowledged, or something was told. */
static bool edit(void)
{
    struct served served;
    bool good = served_open(&served, path);
    if (good) {
        (void)served_say(&served, OPEN("1", "all/1", "07") OPEN("2", "all/2", "08"));
        struct bytes answer =
            served_say(&served, DELTA("1", "1", "\"4\":[false,[\"kept\"],[]]")
                                    DELTA("2", "1", "\"4\":[false,[\"kept\"],[]]"));
        good = count_packets(answer, PACKET_ACK) == 2 && count_packets(answer, PACKET_REJECT) == 0;
    }
    served_close(&served, false);
    return good && served.report[0] == '\0';
}

static size_t count_kept(const struct buffer *text)
{
    size_t count = 0;
    const uint8_t *at = text->data;
    const uint8_t *end = at + text->length;
    while (at != NULL && (at = memmem(at, (size_t)(end - at), "\"kept\"", 6)) != NULL) {
        count++;
        at++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct fuzz_input input = {{data, length}};
    struct buffer shown;
    struct buffer before;
    struct buffer after;
    bool moved;
    if (stored.length == 0) {
        make();
    }
    unsigned table = fuzz_below(&input, TABLES + 1);
    if (table == TABLES) {
        damage_bytes(&input);
    } else if (!damage_table(&input, table)) {
        return 0;
    }
    buffer_init(&shown, DUMP_BYTES);
    if (table < 6) {
        dump(&before);
        bool good = visit(true, &shown, &moved);
        dump(&after);
        FUZZ_REQUIRE(!good || moved || bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
        buffer_finish(&before);
        buffer_finish(&after);
    } else {
        (void)visit(false, &shown, &moved);
    }
    buffer_clear(&shown);
    if (edit() && visit(false, &shown, &moved)) {
        FUZZ_REQUIRE(count_kept(&shown) == 2);
    }
    buffer_finish(&shown);
    return 0;
}
