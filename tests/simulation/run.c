#include "tests/simulation/run.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/backup.h"
#include "tests/simulation/boot.h"
#include "tests/simulation/memory.h"
#include "tests/simulation/reload.h"
#include "tests/simulation/run_state.h"

enum {
    RECEIVED_MAX = 4,
    TICK_MS = 400,
    SLEEP_MS = 6 * 60 * 60 * 1000,
    GARBAGE_BYTES = 64,
    REMOVALS_MAX = 3,
    BATCH_BYTES = 2000,
    SLICE_PACKETS = 4,
    WRITES_MAX = 40,
    IDLE_MS = 3000,
    STORE_MS = 1500,
    LONG_NAME_BYTES = 65400,
    ALLOCATIONS_MAX = 300,
    ALLOCATIONS_IN_ROW_MAX = 3
};

bool run_is_good(const struct run *run) { return run->host.violation[0] == '\0'; }

/* --- the hub's life --- */

/* The process or the machine starts again. */
static void start_disk(struct run *run, struct random *random, bool power)
{
    disk_start(random, power);
    if (power) {
        run->host.happened[HAPPENED_POWER]++;
        boot_next();
    }
}

static void bury(struct run *run)
{
    bool cut = disk_is_cut();
    run->host.happened[HAPPENED_CUT] += cut;
    run->host.happened[HAPPENED_OUT_OF_MEMORY] += !cut && memory_has_failed();
    host_kill(&run->host);
    memory_heal();
    start_disk(run, &run->random, cut && run->power);
}

void run_start(struct run *run)
{
    char reason[STORAGE_ERROR_BYTES] = "";
    if (run->host.hub != NULL) {
        return;
    }
    run->host.happened[HAPPENED_START]++;
    if (!host_start(&run->host, random_next(&run->random), reason)) {
        run->host.happened[HAPPENED_NO_START]++;
        host_tell(&run->host, "the hub does not start: %s", reason);
        if (!disk_has_failed() && !disk_is_cut() && !memory_has_failed()) {
            host_violation(&run->host, "the hub does not start, for no reason: %.150s", reason);
        }
        bury(run);
    }
}

static void kill_hub(struct run *run)
{
    if (run->host.hub != NULL) {
        run->host.happened[HAPPENED_KILL]++;
        host_kill(&run->host);
    }
    memory_heal();
}

/* At once, or in the middle of what is written next. */
static void end(struct run *run, struct random *random, bool power)
{
    run->power = power;
    if (run->host.hub != NULL && random_once_in(random, 2)) {
        disk_cut_after((unsigned)random_below(random, WRITES_MAX) + 1);
        return;
    }
    kill_hub(run);
    start_disk(run, random, power);
}

static void start_perhaps(struct run *run, struct random *random)
{
    if (run->host.hub == NULL && random_once_in(random, 4)) {
        run->power = random_once_in(random, 2);
        disk_cut_after((unsigned)random_below(random, WRITES_MAX) + 1);
    }
    run_start(run);
}

static void make_backup(struct run *run)
{
    if (backup_make(&run->host, &run->backup)) {
        run->host.happened[HAPPENED_BACKUP]++;
        history_backed_up(&run->history);
    }
}

/* By an operator, at a machine that is in order. */
static void restore_backup(struct run *run, struct random *random)
{
    if (run->backup.length == 0) {
        return;
    }
    kill_hub(run);
    start_disk(run, random, false);
    disk_heal();
    backup_restore(&run->host, &run->backup);
    history_restored(&run->history);
    run->host.happened[HAPPENED_RESTORE]++;
}

static void fail_memory(struct random *random)
{
    memory_fail((unsigned)random_below(random, ALLOCATIONS_MAX) + 1,
                (unsigned)random_below(random, ALLOCATIONS_IN_ROW_MAX) + 1);
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
    run->host.happened[HAPPENED_GARBAGE]++;
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
    if (run->host.out == NULL) {
        return;
    }
    (void)fprintf(run->host.out, "%6zu  ", number);
    if (step_is_of_device(step->kind)) {
        (void)fprintf(run->host.out, "device %u ", step->device);
    }
    (void)fprintf(run->host.out, "%s\n", step_text(step->kind));
}

static struct device *other_than(struct run *run, unsigned number, struct random *random)
{
    size_t beside = random_below(random, run->length - 1) + 1;
    return &run->devices[(number + beside) % run->length];
}

static void take_store_step(struct run *run, const struct step *step, struct random *random)
{
    struct device *device = &run->devices[step->device];
    switch (step->kind) {
    case STEP_RESTART:
        run->host.happened[HAPPENED_RESTART]++;
        device_restart(device, random);
        return;
    case STEP_REMEMBER:
        device_remember(device);
        return;
    case STEP_ROLL_BACK:
        run->host.happened[HAPPENED_ROLL_BACK]++;
        run->history.copied = true;
        device_roll_back(device, random);
        return;
    default:
        run->host.happened[HAPPENED_COPY]++;
        run->history.copied = true;
        device_copy(device, other_than(run, step->device, random), random);
    }
}

static void take_device_step(struct run *run, const struct step *step, struct random *random)
{
    struct device *device = &run->devices[step->device];
    switch (step->kind) {
    case STEP_EDIT:
        device_edit(device, random);
        return;
    case STEP_LONG:
        run->host.happened[HAPPENED_LONG]++;
        device_rename(device, LONG_NAME_BYTES);
        return;
    case STEP_SEND:
        device_send(device);
        return;
    case STEP_RECEIVE:
        for (size_t i = random_below(random, RECEIVED_MAX) + 1; i > 0; i--) {
            (void)line_receive(device->line);
        }
        return;
    case STEP_CONNECT:
        device_connect(device, random);
        return;
    case STEP_LEAVE:
        line_leave(device->line, random_once_in(random, 2));
        return;
    case STEP_CLOSE:
        run->host.happened[HAPPENED_CLOSE] += line_is_up(device->line) && device->line->length > 1;
        device_close(device);
        return;
    case STEP_RENEW:
        line_renew(device->line, random);
        return;
    case STEP_REPEAT:
        device_repeat(device);
        return;
    default:
        take_store_step(run, step, random);
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
    case STEP_VERIFY:
        (void)host_verify(&run->host);
        return;
    case STEP_TICK:
        (void)host_tick(&run->host, random_below(&random, TICK_MS));
        return;
    case STEP_SLEEP:
        (void)host_tick(&run->host, random_below(&random, SLEEP_MS));
        return;
    case STEP_VISIT:
        visitor_act(&run->visitors[random_below(&random, VISITORS)], &random);
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
    case STEP_MEMORY:
        fail_memory(&random);
        return;
    case STEP_BACKUP:
        make_backup(run);
        return;
    case STEP_RESTORE:
        restore_backup(run, &random);
        return;
    case STEP_RELOAD:
        reload_begin(&run->host);
        return;
    default:
        take_device_step(run, step, &random);
    }
}

/* --- a run --- */

static void count(struct run *run, struct run_result *result)
{
    for (size_t i = 0; i < run->history.length; i++) {
        run->host.happened[HAPPENED_REFUSED] += run->history.edits[i].refused;
        run->host.happened[HAPPENED_NOT_ALLOWED] += run->history.edits[i].forbidden;
    }
    memcpy(result->happened, run->host.happened, sizeof result->happened);
    result->happened[HAPPENED_NO_MEMORY] = memory_failures() - run->memory_failures;
    result->happened[HAPPENED_DISK_FAILED] = disk_failures() - run->disk_failures;
    result->happened[HAPPENED_DISK_FULL] = disk_fulls() - run->disk_fulls;
    result->hash = run->host.hash;
    (void)snprintf(result->violation, sizeof result->violation, "%s", run->host.violation);
}

static void note_opened(void *context, const struct storage_info *info)
{
    struct run *run = context;
    bool restored = run->history.restored;
    size_t before = run->history.journals;
    const char *broken = history_opened(&run->history, info);
    bool lost_end = !restored && run->history.journals > before;
    if (broken != NULL) {
        host_violation(&run->host, "%s", broken);
    } else if (lost_end && !run->host.config.relaxed) {
        host_violation(&run->host, "the journal has a new id, and nothing can be lost");
    }
    run->host.happened[HAPPENED_LOST_END] += lost_end;
}

static void note_batch(void *context, uint64_t position, struct bytes batch)
{
    struct run *run = context;
    history_journaled(&run->history, position, batch);
}

/* Small limits, so that a short run meets them. */
static void configure(struct hub_config *config, struct random *random)
{
    config->removals_max = random_below(random, REMOVALS_MAX) + 1;
    config->idle_ms = random_below(random, IDLE_MS);
    config->store_ms = random_below(random, STORE_MS);
    config->batch_bytes = random_below(random, BATCH_BYTES) + 1;
    config->slice_packets = 1 + config->batch_bytes % SLICE_PACKETS;
    config->tokens = random_once_in(random, 2);
    config->operators = random_once_in(random, 2);
    config->relaxed = random_once_in(random, 8);
}

/* Some share a line; most are at the first document. Those that come at the end have their own. */
static void seat(struct run *run, unsigned number)
{
    bool shares = number > 0 && number < run->length &&
                  run->devices[number - 1].line->length < LINE_DEVICES &&
                  random_once_in(&run->random, 3);
    unsigned document = number >= run->length             ? number - run->length
                        : random_once_in(&run->random, 4) ? 1
                                                          : 0;
    struct line *line = &run->lines[number];
    line_init(line, number, &run->host);
    device_init(&run->devices[number], number, document,
                shares ? run->devices[number - 1].line : line, &run->history, &run->random);
}

static void begin(struct run *run, const char *path, uint64_t seed, FILE *out)
{
    disk_format(seed);
    memory_heal();
    memory_forget();
    boot_reset();
    run->memory_failures = memory_failures();
    run->disk_failures = disk_failures();
    run->disk_fulls = disk_fulls();
    buffer_init(&run->backup, LIMIT_BODY_BYTES);
    host_init(&run->host, path, device_declare);
    run->host.opened = note_opened;
    run->host.journaled = note_batch;
    run->host.context = run;
    configure(&run->host.config, &run->random);
    run->history.tokens = run->host.config.tokens;
    for (unsigned i = 0; i < run->length + DEVICE_DOCUMENTS; i++) {
        seat(run, i);
    }
    for (unsigned i = 0; i < VISITORS; i++) {
        visitor_init(&run->visitors[i], i, &run->host, &run->history, &run->random);
    }
    check_settles(run, run->length); /* who has never seen the document cannot edit it */
    run->host.out = out;
}

static void finish(struct run *run)
{
    for (unsigned i = 0; i < VISITORS; i++) {
        line_leave(&run->visitors[i].line, false);
    }
    for (unsigned i = 0; i < run->length + DEVICE_DOCUMENTS; i++) {
        line_leave(run->devices[i].line, false);
    }
    for (unsigned i = 0; i < run->length + DEVICE_DOCUMENTS; i++) {
        device_finish(&run->devices[i]);
    }
    host_finish(&run->host);
    history_finish(&run->history);
    buffer_finish(&run->backup);
}

void run_plan(const struct plan *plan, uint64_t seed, const char *path, FILE *out,
              struct run_result *result)
{
    static struct run run;
    run = (struct run){.length = plan->devices, .random = {~seed}};
    *result = (struct run_result){0};
    begin(&run, path, seed, out);
    for (size_t i = 0; i < plan->length && run_is_good(&run); i++) {
        tell(&run, i, &plan->steps[i]);
        take_step(&run, &plan->steps[i]);
        if (run.host.hub != NULL && (disk_is_cut() || run.host.failed)) {
            bury(&run);
        }
    }
    if (run_is_good(&run)) {
        check_promises(&run);
    }
    count(&run, result);
    finish(&run);
}
