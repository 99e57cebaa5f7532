/*
 * Goal:   whatever fails, targets, the disk, the process, no change is lost to a target, and what a
 *         target is told of a document never goes back, but for repeats after a kill.
 * Method: random runs from printed seeds of webhooks on a real file and real sockets, with a hub, a
 *         clock and a target that are played. The oracle knows what was changed, and which
 *         documents may be dead letters; at the end the target takes all and the letters are
 *         resent: then it has been told of each document as it stands.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/storage/faulty_sqlite.h"
#include "tests/webhooks/office.h"

enum { DOCUMENTS = 12, STEPS = 60, SEEDS = 24, RESENDS_MAX = 30 };

struct run {
    struct office office;
    uint64_t seed;
    uint64_t random;
    bool good_target;
    uint64_t told[DOCUMENTS]; /* the greatest position that the target has taken */
    size_t seen;              /* messages */
    bool repeats;             /* since a kill what was told may be told again */
    bool roomy;               /* for all documents: while it is not, some may be told twice */
};

static unsigned below(struct run *run, unsigned most)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (unsigned)(run->random % most);
}

static struct receiver_reply answer(void *context, const struct receiver_message *message)
{
    static const unsigned statuses[] = {200, 200, 204, 500, 503, 404, 429, REPLY_CUT};
    struct run *run = context;
    (void)message;
    unsigned status = statuses[below(run, sizeof statuses / sizeof *statuses)];
    return (struct receiver_reply){.status = run->good_target ? 200 : status,
                                   .retry_after_s = status == 503 ? below(run, 3) : 0};
}

static void check_messages(struct run *run)
{
    struct receiver *receiver = &run->office.receiver;
    for (; run->seen < receiver->length; run->seen++) {
        const struct receiver_message *message = &receiver->messages[run->seen];
        unsigned number = 0;
        cr_assert(eq(int, sscanf(message->document, "post/%u", &number), 1));
        cr_assert(message->position > message->after);
        bool again = message->position == run->told[number] && !run->roomy;
        cr_assert(run->repeats || again || message->position > run->told[number],
                  "seed %" PRIu64 ": %s went back to %" PRIu64, run->seed, message->document,
                  message->position);
        if (message->taken && message->position > run->told[number]) {
            run->told[number] = message->position;
        }
    }
}

static void step(struct run *run)
{
    char name[32];
    struct office *office = &run->office;
    switch (below(run, 12)) {
    case 0:
        office_store(office);
        break;
    case 1:
        faulty_fail(FAULTY_WRITE, 1 + below(run, 20), SQLITE_FULL, below(run, 2) == 0);
        break;
    case 2:
        faulty_fail(FAULTY_READ, 1 + below(run, 5), SQLITE_IOERR_READ, below(run, 2) == 0);
        break;
    case 3:
    case 4:
        faulty_heal();
        break;
    case 5:
        if (below(run, 4) == 0) {
            office_store(office);
            office_rest(office);
            faulty_heal();
            office_kill(office);
            run->repeats = true;
            office_open(office);
        }
        break;
    case 6:
        office_pass(office, below(run, 5000));
        break;
    default:
        (void)snprintf(name, sizeof name, "post/%u", below(run, DOCUMENTS));
        office_change(office, name);
        office_pass(office, below(run, 200));
    }
    office->random = run->random >> 7;
    check_messages(run);
}

/* The rows that a hub would write from its journal are here in its memory alone. */
static void drain(struct run *run)
{
    struct office *office = &run->office;
    run->good_target = true;
    faulty_heal();
    office_store(office);
    office_pass(office, 600000);
    check_messages(run);
    run->repeats = true;
    for (int i = 0; i < RESENDS_MAX && office_stats(office).letters > 0; i++) {
        office_call(office, "webhooks_resend", "{\"target\":\"orders\"}"); /* as there is room */
        office_pass(office, 10000);
        check_messages(run);
    }
    for (size_t i = 0; i < office->document_count; i++) {
        unsigned number = 0;
        (void)sscanf(office->documents[i].name, "post/%u", &number);
        cr_assert(eq(u64, run->told[number], office->documents[i].position), "seed %" PRIu64 ": %s",
                  run->seed, office->documents[i].name);
    }
    struct webhook_stats stats = office_stats(office);
    cr_assert(eq(sz, stats.owed, 0), "seed %" PRIu64, run->seed);
    cr_assert(not(stats.behind), "seed %" PRIu64, run->seed);
    cr_assert(eq(u64, stats.letters, 0), "seed %" PRIu64, run->seed);
}

static void play(uint64_t seed)
{
    static struct run run;
    run = (struct run){
        .seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1, .roomy = seed % 2 == 0};
    office_init(&run.office);
    run.office.receiver.answer = answer;
    run.office.receiver.context = &run;
    struct schedule_limits *limits = &run.office.targets.items[0].limits;
    limits->owed_max = run.roomy ? DOCUMENTS : 4;
    limits->attempts_max = 4;
    limits->parallel = 3;
    office_open(&run.office);
    office_rest(&run.office);
    for (size_t i = 0; i < STEPS; i++) {
        step(&run);
    }
    drain(&run);
    office_finish(&run.office);
}

Test(office_runs, nothing_is_lost_nor_out_of_order)
{
    faulty_install();
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play(seed);
    }
}
