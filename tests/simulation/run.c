#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/run.h"

#include "server/storage/database.h"
#include "tests/simulation/device.h"

enum {
    DEVICES_MAX = 10,
    RECEIVED_MAX = 4,
    TICK_MS = 400,
    SLEEP_MS = 6 * 60 * 60 * 1000,
    GARBAGE_BYTES = 64,
    SETTLE_ROUNDS = 400,
    SETTLE_MS = 700,
    STORE_ROUNDS = 50,
    REMOVALS_MAX = 8,
    BATCH_BYTES = 2000,
    WRITES_MAX = 40,
    IDLE_MS = 3000,
    STORE_MS = 1500
};

struct run {
    struct host host;
    struct history history;
    struct device devices[DEVICES_MAX + 1]; /* the last one comes at the end */
    unsigned length;
    struct random random; /* of what is not a step's */
    size_t starts;
    size_t cuts;
    bool power; /* the next death of the hub takes what was not synced */
    FILE *out;
};

static bool is_good(const struct run *run) { return run->host.violation[0] == '\0'; }

/* --- the hub's life --- */

static void bury(struct run *run)
{
    bool cut = disk_is_cut();
    run->cuts += cut;
    host_kill(&run->host);
    disk_start(&run->random, cut && run->power);
}

static void start(struct run *run)
{
    char reason[STORAGE_ERROR_BYTES] = "";
    if (run->host.hub != NULL) {
        return;
    }
    run->starts++;
    if (!host_start(&run->host, random_next(&run->random), reason)) {
        if (run->out != NULL) {
            (void)fprintf(run->out, "        the hub does not start: %s\n", reason);
        }
        bury(run);
    }
}

/* At once, or in the middle of what is written next. */
static void end(struct run *run, struct random *random, bool power)
{
    run->power = power;
    if (run->host.hub != NULL && random_once_in(random, 2)) {
        disk_cut_after((unsigned)random_below(random, WRITES_MAX) + 1);
        return;
    }
    if (run->host.hub != NULL) {
        host_kill(&run->host);
    }
    disk_start(random, power);
}

static void start_perhaps(struct run *run, struct random *random)
{
    if (run->host.hub == NULL && random_once_in(random, 4)) {
        run->power = random_once_in(random, 2);
        disk_cut_after((unsigned)random_below(random, WRITES_MAX) + 1);
    }
    start(run);
}

static void fail_disk(struct random *random)
{
    static const int codes[DISK_CALLS] = {[DISK_WRITE] = SQLITE_IOERR_WRITE,
                                          [DISK_SYNC] = SQLITE_IOERR_FSYNC,
                                          [DISK_READ] = SQLITE_IOERR_READ};
    enum disk_call call = (enum disk_call)random_below(random, DISK_CALLS);
    int code = call == DISK_WRITE && random_once_in(random, 3) ? SQLITE_FULL : codes[call];
    disk_fail(call, (unsigned)random_below(random, 12) + 1, code, random_once_in(random, 3));
}

static void send_garbage(struct run *run, struct random *random)
{
    uint8_t bytes[GARBAGE_BYTES];
    size_t wire = host_connect(&run->host);
    if (wire == HOST_WIRES) {
        return;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)random_next(random);
    }
    if (random_once_in(random, 2)) {
        static const uint8_t hello[] = {0x94, 1, 0, 1, 0x80}; /* [HELLO, 0, version 1, {}] */
        host_say(&run->host, wire, (struct bytes){hello, sizeof hello});
        (void)host_deliver(&run->host, wire);
    }
    host_say(&run->host, wire, (struct bytes){bytes, random_below(random, sizeof bytes) + 1});
    (void)host_deliver(&run->host, wire);
    host_leave(&run->host, wire, false);
}

/* One of those that are there: something arrives. */
static void deliver(struct run *run, struct random *random)
{
    size_t first = random_below(random, HOST_WIRES);
    for (size_t i = 0; i < HOST_WIRES; i++) {
        if (host_deliver(&run->host, (first + i) % HOST_WIRES)) {
            return;
        }
    }
}

/* --- one step --- */

static void tell(const struct run *run, size_t number, const struct step *step)
{
    if (run->out == NULL) {
        return;
    }
    (void)fprintf(run->out, "%6zu  ", number);
    if (step_is_of_device(step->kind)) {
        (void)fprintf(run->out, "device %u ", step->device);
    }
    (void)fprintf(run->out, "%s\n", step_text(step->kind));
}

static struct device *other_than(struct run *run, unsigned number, struct random *random)
{
    size_t beside = random_below(random, run->length - 1) + 1;
    return &run->devices[(number + beside) % run->length];
}

static void take_device_step(struct run *run, const struct step *step, struct random *random)
{
    struct device *device = &run->devices[step->device];
    switch (step->kind) {
    case STEP_EDIT:
        device_edit(device, random);
        return;
    case STEP_SEND:
        device_send(device);
        return;
    case STEP_RECEIVE:
        for (size_t i = random_below(random, RECEIVED_MAX) + 1; i > 0; i--) {
            (void)device_receive(device);
        }
        return;
    case STEP_CONNECT:
        device_connect(device);
        return;
    case STEP_LEAVE:
        device_leave(device, random_once_in(random, 2));
        return;
    case STEP_REPEAT:
        device_repeat(device);
        return;
    case STEP_RESTART:
        device_restart(device, random);
        return;
    case STEP_REMEMBER:
        device_remember(device);
        return;
    case STEP_ROLL_BACK:
        device_roll_back(device, random);
        return;
    default:
        device_copy(device, other_than(run, step->device, random), random);
    }
}

static void take_step(struct run *run, const struct step *step)
{
    struct random random = {step->seed};
    switch (step->kind) {
    case STEP_DELIVER:
        deliver(run, &random);
        return;
    case STEP_WRITE:
        (void)host_write(&run->host);
        return;
    case STEP_READ:
        (void)host_read(&run->host);
        return;
    case STEP_COMPLETE:
        (void)host_complete(&run->host);
        return;
    case STEP_TICK:
        (void)host_tick(&run->host, random_below(&random, TICK_MS));
        return;
    case STEP_SLEEP:
        (void)host_tick(&run->host, random_below(&random, SLEEP_MS));
        return;
    case STEP_GARBAGE:
        send_garbage(run, &random);
        return;
    case STEP_KILL:
    case STEP_POWER:
        end(run, &random, step->kind == STEP_POWER);
        return;
    case STEP_START:
        start_perhaps(run, &random);
        return;
    case STEP_FAULT:
        fail_disk(&random);
        return;
    case STEP_FULL:
        disk_fill(random_below(&random, 1 << 16));
        return;
    case STEP_HEAL:
        disk_heal();
        return;
    default:
        take_device_step(run, step, &random);
    }
}

/* --- the end --- */

/* All that waits anywhere, once. */
static void turn(struct run *run, unsigned count)
{
    for (size_t i = 0; i < HOST_WIRES; i++) {
        while (is_good(run) && host_deliver(&run->host, i)) {
        }
    }
    while (is_good(run) &&
           (host_write(&run->host) || host_read(&run->host) || host_complete(&run->host))) {
    }
    for (unsigned i = 0; i < count; i++) {
        device_connect(&run->devices[i]);
        device_send(&run->devices[i]);
        while (is_good(run) && device_receive(&run->devices[i])) {
        }
    }
    (void)host_tick(&run->host, SETTLE_MS);
}

static bool shows_the_same(struct run *run, unsigned count)
{
    struct buffer first;
    struct buffer other;
    bool same = true;
    buffer_init(&first, LIMIT_BODY_BYTES);
    buffer_init(&other, LIMIT_BODY_BYTES);
    device_show(&run->devices[0], &first);
    for (unsigned i = 0; i < count && same; i++) {
        device_show(&run->devices[i], &other);
        same = device_is_settled(&run->devices[i]) && first.length == other.length &&
               memcmp(first.data, other.data, first.length) == 0;
    }
    buffer_finish(&first);
    buffer_finish(&other);
    return same;
}

static void settle(struct run *run, unsigned count)
{
    disk_heal();
    disk_cut_after(0);
    start(run);
    if (run->host.hub == NULL) {
        host_violation(&run->host, "the hub does not start on a disk that is whole");
    }
    for (int i = 0; i < SETTLE_ROUNDS && is_good(run); i++) {
        turn(run, count);
        if (shows_the_same(run, count)) {
            return;
        }
    }
    host_violation(&run->host, "all faults have stopped, and not all show the same");
}

static void store_all(struct run *run, unsigned count)
{
    for (int i = 0; i < STORE_ROUNDS && is_good(run); i++) {
        turn(run, count);
    }
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
        read_list(run, database, "SELECT replica, seq FROM rejected", history_refused);
    }
    (void)sqlite3_close(database);
}

static void check_history(struct run *run)
{
    struct buffer expected;
    struct buffer shown;
    char lost[HOST_REASON_BYTES];
    buffer_init(&expected, LIMIT_BODY_BYTES);
    buffer_init(&shown, LIMIT_BODY_BYTES);
    history_write(&run->history, &expected);
    device_show(&run->devices[0], &shown);
    history_lost(&run->history, lost, sizeof lost);
    run->host.hash = bytes_hash(buffer_bytes(&shown), run->host.hash);
    if (lost[0] != '\0') {
        host_violation(&run->host, "%s", lost);
    }
    if (expected.length > shown.length || memcmp(expected.data, shown.data, expected.length) != 0) {
        if (run->out != NULL) {
            (void)fprintf(run->out, "shown    %s\nexpected %.*s ...\n", (const char *)shown.data,
                          (int)expected.length, (const char *)expected.data);
        }
        host_violation(&run->host, "what is shown is not what was edited");
    }
    buffer_finish(&expected);
    buffer_finish(&shown);
}

static void check(struct run *run)
{
    settle(run, run->length);
    store_all(run, run->length);
    for (unsigned i = 0; i < run->length; i++) {
        device_leave(&run->devices[i], false);
    }
    if (!is_good(run)) {
        return;
    }
    host_kill(&run->host);
    disk_start(&run->random, true);
    read_lists(run);
    check_history(run);
    settle(run, run->length + 1);
}

/* --- a run --- */

static void count(const struct run *run, struct run_result *result)
{
    for (size_t i = 0; i < run->history.length; i++) {
        result->refused += run->history.edits[i].refused;
    }
    result->edits = run->history.length;
    result->starts = run->starts;
    result->cuts = run->cuts;
    result->blocks = run->host.blocks;
    result->pauses = run->host.pauses;
    result->hash = run->host.hash;
    (void)snprintf(result->violation, sizeof result->violation, "%s", run->host.violation);
}

static void note_batch(void *context, uint64_t position, struct bytes batch)
{
    history_journaled(context, position, batch);
}

/* Small limits, so that a short run meets them. */
static void configure(struct hub_config *config, struct random *random)
{
    config->removals_max = random_below(random, REMOVALS_MAX) + 1;
    config->idle_ms = random_below(random, IDLE_MS);
    config->store_ms = random_below(random, STORE_MS);
    config->batch_bytes = random_below(random, BATCH_BYTES) + 1;
}

void run_plan(const struct plan *plan, uint64_t seed, const char *path, FILE *out,
              struct run_result *result)
{
    static struct run run;
    run = (struct run){.length = plan->devices, .random = {~seed}, .out = out};
    *result = (struct run_result){0};
    disk_format(seed);
    host_init(&run.host, path, device_declare);
    run.host.journaled = note_batch;
    run.host.context = &run.history;
    configure(&run.host.config, &run.random);
    start(&run);
    for (unsigned i = 0; i <= plan->devices; i++) {
        device_init(&run.devices[i], i, &run.host, &run.history, &run.random);
    }
    settle(&run, plan->devices); /* who has never seen the document cannot edit it */
    for (size_t i = 0; i < plan->length && is_good(&run); i++) {
        tell(&run, i, &plan->steps[i]);
        take_step(&run, &plan->steps[i]);
        if (run.host.hub != NULL && (disk_is_cut() || run.host.failed)) {
            bury(&run);
        }
    }
    if (is_good(&run)) {
        check(&run);
    }
    count(&run, result);
    for (unsigned i = 0; i <= plan->devices; i++) {
        device_finish(&run.devices[i]);
    }
    host_finish(&run.host);
    history_finish(&run.history);
}
