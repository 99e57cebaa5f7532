/* The end of a run: all faults stop, and what is there is held against the promises. */
#include <stdlib.h>
#include <string.h>

#include "server/storage/database.h"
#include "tests/simulation/memory.h"
#include "tests/simulation/run_state.h"

enum {
    SETTLE_ROUNDS = 400,
    SETTLE_MS = 700,
    MORE_TICKS = 100,
    STORE_ROUNDS = 50,
    VISIT_ROUNDS = 10,
    SLOW_RUNS = 4, /* one of so many looks at a slow client */
    SLOW_WARM_EDITS = 8,
    SLOW_EDITS = 40,
    SLOW_BYTES = 1000,
    SLOW_BYTES_MAX = 16 << 10
};

/* All that waits anywhere, once. `deaf`: whose client reads nothing; NULL: nobody's. */
static void turn(struct run *run, unsigned count, const struct line *deaf)
{
    struct host *host = &run->host;
    for (size_t i = 0; i < HOST_WIRES; i++) {
        while (run_is_good(run) && host_deliver(host, i)) {
        }
    }
    while (run_is_good(run) &&
           (host_write(host) || host_read(host) || host_verify(host) || host_complete(host))) {
    }
    for (unsigned i = 0; i < count; i++) {
        device_connect(&run->devices[i], NULL);
        device_send(&run->devices[i]);
        while (run_is_good(run) && run->devices[i].line != deaf &&
               line_receive(run->devices[i].line)) {
        }
    }
    for (unsigned i = 0; i < VISITORS && run_is_good(run); i++) {
        visitor_settle(&run->visitors[i]);
    }
    (void)host_tick(host, SETTLE_MS);
    for (int i = 0; i < MORE_TICKS && host->more && run_is_good(run); i++) {
        (void)host_tick(host, 0); /* as the loop does, turn by turn */
    }
}

static bool shows(const struct device *device, const struct buffer *text)
{
    struct buffer own;
    buffer_init(&own, LIMIT_BODY_BYTES);
    device_show(device, &own);
    bool same = own.length == text->length && memcmp(own.data, text->data, own.length) == 0;
    buffer_finish(&own);
    return same;
}

/* The first one that has the document. */
static const struct device *first_of(const struct run *run, unsigned document, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (run->devices[i].document == document) {
            return &run->devices[i];
        }
    }
    return NULL;
}

static bool shows_the_same(struct run *run, unsigned count)
{
    bool same = true;
    struct buffer text;
    buffer_init(&text, LIMIT_BODY_BYTES);
    for (unsigned document = 0; document < DEVICE_DOCUMENTS; document++) {
        const struct device *first = first_of(run, document, count);
        if (first != NULL) {
            device_show(first, &text);
        }
        for (unsigned i = 0; i < count && same; i++) {
            const struct device *device = &run->devices[i];
            same =
                device->document != document || (device_is_settled(device) && shows(device, &text));
        }
    }
    buffer_finish(&text);
    return same;
}

static void settle(struct run *run, unsigned count, const char *sentence)
{
    for (int i = 0; i < SETTLE_ROUNDS && run_is_good(run); i++) {
        turn(run, count, NULL);
        if (shows_the_same(run, count)) {
            return;
        }
    }
    host_violation(&run->host, "%s", sentence);
}

void check_settles(struct run *run, unsigned count)
{
    disk_heal();
    disk_cut_after(0);
    memory_heal();
    run_start(run);
    if (run->host.hub == NULL) {
        host_violation(&run->host, "the hub does not start on a disk that is whole");
    }
    settle(run, count, "all faults have stopped, and not all show the same");
}

/* --- a slow client --- */

/* The device that writes, on another line than the first device's, of the same document. */
static struct device *writer_of(struct run *run)
{
    for (unsigned i = 1; i < run->length; i++) {
        if (run->devices[i].line != run->devices[0].line &&
            run->devices[i].document == run->devices[0].document) {
            return &run->devices[i];
        }
    }
    return NULL;
}

static void write_some(struct run *run, struct device *writer, int edits)
{
    for (int i = 0; i < edits && run_is_good(run); i++) {
        device_rename(writer, SLOW_BYTES);
        turn(run, run->length, run->devices[0].line);
        turn(run, run->length, run->devices[0].line);
    }
}

/* Others write, it does not read: the hub keeps a cursor for it, not what it has missed. */
static void check_slow_client(struct run *run)
{
    struct device *writer = writer_of(run);
    if (writer == NULL || !random_once_in(&run->random, SLOW_RUNS)) {
        return;
    }
    write_some(run, writer, SLOW_WARM_EDITS);
    size_t before = memory_held();
    write_some(run, writer, SLOW_EDITS);
    size_t after = memory_held();
    run->host.happened[HAPPENED_SLOW]++;
    if (run_is_good(run) && after > before + SLOW_BYTES_MAX) {
        host_violation(&run->host, "a slow client costs %zu bytes", after - before);
    }
    settle(run, run->length, "a slow client reads again, and not all show the same");
}

/* --- the hub's lists --- */

static struct replica_id replica_at(sqlite3_stmt *statement)
{
    struct replica_id replica = {{0}};
    struct bytes bytes = column_bytes(statement, 0);
    if (bytes.length == REPLICA_BYTES) {
        memcpy(replica.bytes, bytes.data, REPLICA_BYTES);
    }
    return replica;
}

static void read_list(struct run *run, sqlite3 *database, const char *sql,
                      void (*add)(struct history *history, const struct replica_id *replica,
                                  uint64_t seq))
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct replica_id replica = replica_at(statement);
        add(&run->history, &replica, (uint64_t)sqlite3_column_int64(statement, 1));
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        host_violation(&run->host, "the hub's file: %s", sqlite3_errmsg(database));
    }
    (void)sqlite3_finalize(statement);
}

static void read_lists(struct run *run)
{
    sqlite3 *database = NULL;
    if (sqlite3_open(run->host.path, &database) != SQLITE_OK) {
        host_violation(&run->host, "the hub's file cannot be opened");
    } else {
        read_list(run, database, "SELECT replica, seq FROM replicas", history_taken);
        read_list(run, database, "SELECT replica, seq FROM rejected WHERE code = 'OUT_OF_BOUNDS'",
                  history_refused);
        read_list(run, database, "SELECT replica, seq FROM rejected WHERE code = 'FORBIDDEN'",
                  history_forbidden);
        read_list(run, database,
                  "SELECT replica, seq FROM rejected "
                  "WHERE code NOT IN ('OUT_OF_BOUNDS', 'FORBIDDEN') OR code IS NULL",
                  history_refused_otherwise);
    }
    (void)sqlite3_close(database);
}

/* --- what was promised --- */

/* The field that reloads add is nobody's to edit; it is shown if it is declared in the end. */
static void drop_later(struct run *run, char *shown)
{
    static const char end[] = ",\"later\":false}";
    static const char name[] = "later";
    const struct schema *schema = &run->host.config.schemas->schemas[0];
    struct bytes field = {(const uint8_t *)name, sizeof name - 1};
    size_t length = strlen(shown);
    char *at = length < sizeof end ? shown : shown + length - (sizeof end - 1);
    bool there = strcmp(at, end) == 0;
    if (there != (schema_field_by_name(schema, field) != NULL)) {
        host_violation(&run->host, "what is shown is not what is declared");
    }
    if (there) {
        memcpy(at, "}", sizeof "}");
    }
}

static void check_document(struct run *run, unsigned document)
{
    struct buffer expected;
    struct buffer shown;
    const struct device *device = first_of(run, document, run->length);
    if (device == NULL) {
        return;
    }
    buffer_init(&expected, LIMIT_BODY_BYTES);
    buffer_init(&shown, LIMIT_BODY_BYTES);
    history_write(&run->history, document, &expected);
    device_show(device, &shown);
    run->host.hash = bytes_hash(buffer_bytes(&shown), run->host.hash);
    drop_later(run, (char *)shown.data);
    if (expected.length > shown.length || memcmp(expected.data, shown.data, expected.length) != 0 ||
        !history_may_show_name(&run->history, document,
                               (const char *)shown.data + expected.length)) {
        host_tell(&run->host, "shown    %s", (const char *)shown.data);
        host_tell(&run->host, "expected %.*s ...", (int)expected.length,
                  (const char *)expected.data);
        host_violation(&run->host, "what is shown is not what was edited");
    }
    buffer_finish(&expected);
    buffer_finish(&shown);
}

/* The hub tells of the last refusals only. Who sends by itself hears of each in time; whose store
 * was copied, or rolled back, may not. */
static bool may_be_untold(const struct history *history, const struct history_edit *edit)
{
    size_t behind = 0;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *other = &history->edits[i];
        behind += other->refused && other->seq > edit->seq &&
                  history_same(&other->replica, &edit->replica);
    }
    return edit->refused && history->copied && behind >= LIMIT_REJECTIONS;
}

/* Each user whose store held an edit that was refused, or never taken, was told. After a restore
 * not all can be: the hub that had acknowledged an edit is not the one that has refused it. */
static void check_reports(struct run *run, const struct device *device)
{
    const struct device_note *notes = (const struct device_note *)(const void *)device->notes.data;
    size_t length = device->notes.length / sizeof *notes;
    for (size_t i = 0; i < length && run->history.journals == 0; i++) {
        const struct history_edit *edit =
            history_edit_of(&run->history, &notes[i].replica, notes[i].seq);
        if (edit != NULL && !history_took_effect(edit) && !notes[i].told &&
            !may_be_untold(&run->history, edit)) {
            host_violation(&run->host, "device %u was not told that its edit %s", device->number,
                           edit->refused ? "is refused" : "will never be taken");
        }
    }
}

static void check_history(struct run *run)
{
    char lost[HOST_REASON_BYTES];
    history_lost(&run->history, lost, sizeof lost);
    if (lost[0] != '\0') {
        host_violation(&run->host, "%s", lost);
    }
    for (unsigned i = 0; i < DEVICE_DOCUMENTS; i++) {
        history_misjudged(&run->history, i, lost, sizeof lost);
        if (lost[0] != '\0') {
            host_violation(&run->host, "%s", lost);
        }
        check_document(run, i);
    }
    for (unsigned i = 0; i < run->length; i++) {
        check_reports(run, &run->devices[i]);
    }
}

/* What a client that comes new has downloaded. */
static void check_sizes(struct run *run)
{
    for (unsigned i = run->length; i < run->length + DEVICE_DOCUMENTS; i++) {
        const struct device *device = &run->devices[i];
        size_t most = history_bytes(&run->history, device->document);
        if (device->snapshot_bytes > most) {
            host_violation(&run->host, "a new client downloads %zu bytes, and %zu are alive",
                           device->snapshot_bytes, most);
        }
    }
}

/* Or may show one, for all it knows yet. */
static bool shows_lease(const struct run *run, unsigned count)
{
    bool shows = false;
    for (unsigned i = 0; i < count; i++) {
        const struct device *device = &run->devices[i];
        shows = shows || !device_is_settled(device) || device_shows_lease(device);
    }
    return shows;
}

/* The time of all of them is over. */
static void check_leases(struct run *run, unsigned count)
{
    if (!run_is_good(run)) {
        return;
    }
    (void)host_tick(&run->host, DEVICE_LEASE_MS);
    for (int i = 0; i < SETTLE_ROUNDS && run_is_good(run); i++) {
        turn(run, count, NULL);
        if (!shows_lease(run, count)) {
            return;
        }
    }
    host_violation(&run->host, "a lease does not end");
}

static const char *first_broken(const struct run *run)
{
    const char *broken = NULL;
    for (unsigned i = 0; i < VISITORS && broken == NULL; i++) {
        broken = visitor_broken(&run->visitors[i], run->visitors);
    }
    return broken;
}

/* A token may end just now: who had it comes again, and everybody is told. */
static void check_visitors(struct run *run)
{
    const char *broken = first_broken(run);
    for (int i = 0; i < VISIT_ROUNDS && broken != NULL && run_is_good(run); i++) {
        turn(run, run->length, NULL);
        broken = first_broken(run);
    }
    if (broken != NULL) {
        host_violation(&run->host, "%s", broken);
    }
}

void check_promises(struct run *run)
{
    check_settles(run, run->length);
    check_slow_client(run);
    for (int i = 0; i < STORE_ROUNDS && run_is_good(run); i++) {
        turn(run, run->length, NULL);
    }
    check_visitors(run);
    for (unsigned i = 0; i < run->length; i++) {
        line_leave(run->devices[i].line, false);
    }
    if (!run_is_good(run)) {
        return;
    }
    host_kill(&run->host);
    disk_start(&run->random, !run->host.config.relaxed);
    read_lists(run);
    check_history(run);
    check_settles(run, run->length + DEVICE_DOCUMENTS);
    check_sizes(run);
    check_leases(run, run->length + DEVICE_DOCUMENTS);
}
