/*
 * Days of a hub: six devices edit every type, offline and at once, come and go, catch up by changes
 * and by snapshots; an operator asks, somebody is present; documents leave the memory, replicas
 * retire, a lease ends, the hub is killed, stopped and started.
 *
 * Within a round all edits are made knowing the same, and nothing that they come to depends on
 * their order: so values and ledger have to be those of a run without a failure, whatever was
 * refused, sent again or replayed on the way.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/memory/asker.h"
#include "tests/memory/device.h"
#include "tests/memory/failing.h"
#include "tests/memory/folder.h"
#include "tests/memory/scenario.h"
#include "tests/support/declared.h"

enum { DEVICES = 6, SLEEPER = 4, NEWCOMER = 5, TURNS_MAX = 20000, HOUR_MS = 3600000 };

struct play {
    struct machine machine;
    struct device devices[DEVICES];
    struct asker operator;
    unsigned awake; /* bits: these devices connect */
    uint64_t round_ms;
};

/* The last one is declared on the way. */
static const struct {
    const char *schema;
    const char *name;
    const char *type;
    const char *options;
} fields[] = {
    {"all", "likes", "g-counter", "{}"},
    {"all", "points", "pn-counter", "{}"},
    {"all", "stock", "bounded-counter", "{\"min\":0,\"max\":100}"},
    {"all", "seen", "g-set", "{\"of\":\"int\"}"},
    {"all", "gone", "2p-set", "{\"of\":\"string\"}"},
    {"all", "tags", "or-set", "{\"of\":\"string\"}"},
    {"all", "name", "lww-register", "{\"of\":\"string\"}"},
    {"all", "note", "mv-register", "{\"of\":\"any\"}"},
    {"all", "open", "flag", "{\"wins\":\"disable\"}"},
    {"all", "shut", "flag", "{\"wins\":\"enable\"}"},
    {"all", "cart", "map", "{\"of\":[\"pn-counter\",{}]}"},
    {"all", "label", "map", "{\"of\":[\"or-set\",{\"of\":\"string\"}]}"},
    {"all", "title", "map", "{\"of\":[\"lww-register\",{\"of\":\"string\"}]}"},
    {"big", "words", "or-set", "{\"of\":\"string\"}"},
    {"all", "later", "or-set", "{\"of\":\"string\"}"},
};

enum { FIELDS = sizeof fields / sizeof *fields };

static const struct {
    const char *document;
    const char *principal;
} owners[DEVICES] = {{"all/1", "anna"}, {"all/1", "berta"},  {"all/1", "carla"},
                     {"big/1", "dora"}, {"all/1", "sleepy"}, {"all/1", "nina"}};

/* By round; `*`: many long words. */
static const struct {
    int round;
    int device;
    const char *text;
} edits[] = {
    {0, 0, "likes increment 3"},
    {0, 0, "points decrement 2"},
    {0, 0, "stock increment 20"},
    {0, 0, "seen add 1 2 3 4 5 6 7 8 9 10 11 12"},
    {0, 0, "gone add a b the-longest-of-them-all"},
    {0, 0, "tags add x y a-tag-that-is-longer-than-a-slot"},
    {0, 0, "name set somebody"},
    {0, 0, "note set 1"},
    {0, 0, "open enable"},
    {0, 0, "cart put k1 increment 5"},
    {0, 0, "label put l1 add red green"},
    {0, 0, "title put t1 set first"},
    {0, 1, "likes increment 4"},
    {0, 1, "tags add y z"},
    {0, 1, "cart put k1 increment 2"},
    {0, 1, "cart put a-key-that-is-longer-than-a-slot increment 1"},
    {0, 1, "note set 2"},
    {0, 1, "gone add c"},
    {0, 1, "shut enable"},
    {0, 3, "words add *"},
    {0, 4, "likes increment 1"},
    {0, 4, "tags add s"},
    {1, 0, "stock reserve 4 5400"},
    {1, 0, "tags remove y"},
    {1, 0, "gone remove a"},
    {1, 0, "open disable"},
    {1, 0, "cart remove k1"},
    {1, 0, "label put l1 remove red"},
    {1, 1, "stock decrement 5"},
    {1, 1, "title put t1 set second"},
    {1, 1, "name set an-elder-name"},
    {1, 2, "stock decrement 3"},
    {1, 2, "tags add y w"},
    {1, 2, "cart put k1 decrement 1"},
    {1, 2, "name set a-newer-name"},
    {1, 2, "shut disable"},
    {1, 3, "words remove w0"},
    {2, 0, "stock decrement 2"},
    {2, 0, "note set 3"},
    {2, 1, "points increment 9007199254740991"},
    {3, 1, "tags clear"},
    {3, 2, "tags add q"},
    {3, 2, "likes increment 10"},
    {3, 0, "points increment 5"}, /* refused: OVERFLOW */
    {4, 0, "label remove l1"},
    {4, 2, "stock increment 1"},
    {4, 2, "later add than-the-others"},
    {4, 3, "words add again"},
    {5, 4, "likes increment 100"},
    {5, 5, "gone remove b"},
};

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void declare_some(struct schema_set *schemas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct schema *found = schema_find(schemas, text_bytes(fields[i].schema));
        struct schema *schema = found == NULL
                                    ? schema_set_add(schemas, text_bytes(fields[i].schema))
                                    : &schemas->schemas[found - schemas->schemas];
        struct schema_field *field =
            schema == NULL ? NULL : schema_add_field(schema, text_bytes(fields[i].name));
        if (field == NULL) {
            abort();
        }
        field->declared = declared(fields[i].type, fields[i].options);
    }
}

static void declare(struct schema_set *schemas) { declare_some(schemas, FIELDS - 1); }

static void declare_more(struct schema_set *schemas) { declare_some(schemas, FIELDS); }

/* --- playing --- */

static bool is_awake(const struct play *play, size_t device)
{
    return (play->awake & 1U << device) != 0;
}

static bool all_settled(const struct play *play)
{
    bool settled = play->machine.hub != NULL && machine_is_answered(&play->machine) &&
                   asker_is_done(&play->operator);
    for (size_t i = 0; i < DEVICES && settled; i++) {
        settled = !is_awake(play, i) || device_is_settled(&play->devices[i]);
    }
    return settled;
}

static bool turn(struct play *play)
{
    bool busy = machine_turn(&play->machine);
    for (size_t i = 0; i < DEVICES; i++) {
        busy = (is_awake(play, i) && device_turn(&play->devices[i])) || busy;
    }
    return asker_turn(&play->operator) || busy;
}

/* Until everybody has everything; then a moment in which the hub writes what it holds. */
static void settle(struct play *play)
{
    int turns = 0;
    int calm = 0;
    while (calm < 4 && turns++ < TURNS_MAX && play->machine.violation[0] == '\0') {
        if (!turn(play)) {
            calm = all_settled(play) ? calm + 1 : 0;
            machine_pass(&play->machine, 250);
        }
    }
    if (turns >= TURNS_MAX) {
        machine_violation(&play->machine, "it does not settle, though there is memory again");
    }
}

static const char *expand(const char *text)
{
    static char expanded[96 << 10];
    const char *star = strchr(text, '*');
    if (star == NULL) {
        return text;
    }
    size_t length = (size_t)snprintf(expanded, sizeof expanded, "%.*s", (int)(star - text), text);
    for (int i = 0; i < 80; i++) {
        length += (size_t)snprintf(expanded + length, sizeof expanded - length, "w%0*d ",
                                   i == 0 ? 1 : 900, i);
    }
    return expanded;
}

static void play_round(struct play *play, int round)
{
    play->round_ms += HOUR_MS;
    play->machine.now_ms =
        play->round_ms > play->machine.now_ms ? play->round_ms : play->machine.now_ms;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct device *device = &play->devices[edits[i].device];
        if (edits[i].round == round) {
            device_edit(device, play->round_ms + device->number, expand(edits[i].text));
        }
    }
    asker_begin(&play->operator, round);
    settle(play);
}

static void leave_all(struct play *play)
{
    for (size_t i = 0; i < DEVICES; i++) {
        device_leave(&play->devices[i]);
    }
    asker_leave(&play->operator);
}

/* Until the hub runs. */
static void run_hub(struct play *play)
{
    for (int i = 0; i < TURNS_MAX && (play->machine.hub == NULL || play->machine.failed); i++) {
        (void)machine_turn(&play->machine);
    }
}

static void idle(struct play *play, uint64_t milliseconds)
{
    for (int i = 0; i < 8; i++) {
        machine_pass(&play->machine, milliseconds / 8);
        for (int k = 0; k < TURNS_MAX && machine_turn(&play->machine); k++) {
        }
    }
}

static void run(struct play *play)
{
    run_hub(play);
    play->awake = 1 << SLEEPER | 1 << 0;
    settle(play); /* the fields are known */
    play->awake = 1 << SLEEPER | 0xf;
    settle(play);
    play_round(play, 0);
    play->awake = 0xf;
    device_leave(&play->devices[SLEEPER]);
    play_round(play, 1);
    leave_all(play);
    idle(play, 4 * play->machine.config.idle_ms); /* documents leave */
    play_round(play, 2);                          /* the lease ends */
    machine_kill(&play->machine);
    leave_all(play);
    run_hub(play);
    play_round(play, 3);
    machine_reload(&play->machine, declare_more);
    settle(play);
    device_restart(&play->devices[2]);
    machine_stop(&play->machine);
    leave_all(play);
    run_hub(play);
    play_round(play, 4);
    leave_all(play);
    idle(play, play->machine.config.replica_ttl_ms);                  /* replicas retire */
    play->machine.now_ms += HOUR_MS - play->machine.now_ms % HOUR_MS; /* fresh replicas tell it */
    play->round_ms = play->machine.now_ms;
    for (size_t i = 0; i < DEVICES; i++) {
        device_restart(&play->devices[i]);
    }
    play->awake = 0x3f;
    settle(play);
    play_round(play, 5);
}

/* --- how it came out --- */

static int write_row(void *context, int count, char **values, char **names)
{
    struct writer writer = writer_to(context);
    (void)names;
    for (int i = 0; i < count; i++) {
        write_raw(&writer, text_bytes(values[i] == NULL ? "NULL" : values[i]));
        write_raw(&writer, text_bytes(i + 1 < count ? " " : "\n"));
    }
    return writer.status == PROTOCOL_OK ? 0 : 1;
}

/* Positions and times differ where something was sent again; what was merged does not. A client
 * that begins again has another replica: what it has made is the same. */
static void show_file(struct play *play, bool clients_fail, struct buffer *outcome)
{
    static const char *const questions[] = {
        "CREATE TEMP VIEW ledger AS SELECT schema, key, hex(replica) AS replica, seq FROM replicas"
        " JOIN documents ON id = document",
        "CREATE TEMP VIEW refused AS SELECT schema, key, hex(replica) AS replica, seq, code"
        " FROM rejected JOIN documents ON id = document",
        "SELECT schema, key FROM documents ORDER BY 1, 2",
        "SELECT schema, documents.key, field, substr(hex(entries.key), 1, 40), substr(value, 1, 40)"
        " FROM entries JOIN documents ON id = document ORDER BY 1, 2, 3, 4",
    };
    static const char *const who[2][2] = {
        {"SELECT * FROM ledger ORDER BY 1, 2, 3", "SELECT * FROM refused ORDER BY 1, 2, 3, 4"},
        {"SELECT schema, key, substr(replica, 31), sum(seq) FROM ledger GROUP BY 1, 2, 3 ORDER BY"
         " 1, 2, 3",
         "SELECT schema, key, substr(replica, 31), code FROM refused ORDER BY 1, 2, 3, 4"}};
    sqlite3 *database = NULL;
    bool good = sqlite3_open(play->machine.path, &database) == SQLITE_OK;
    for (size_t i = 0; i < sizeof questions / sizeof *questions && good; i++) {
        good = sqlite3_exec(database, questions[i], write_row, outcome, NULL) == SQLITE_OK;
    }
    for (size_t i = 0; i < 2 && good; i++) {
        good = sqlite3_exec(database, who[clients_fail][i], write_row, outcome, NULL) == SQLITE_OK;
    }
    if (!good) {
        machine_violation(&play->machine, "the file cannot be read: %s", sqlite3_errmsg(database));
    }
    (void)sqlite3_close(database);
}

static void show(struct play *play, bool clients_fail, struct buffer *outcome)
{
    for (size_t i = 0; i < DEVICES && play->machine.violation[0] == '\0'; i++) {
        device_show(&play->devices[i], outcome);
    }
    machine_values(&play->machine, "all/1", outcome);
    machine_values(&play->machine, "all/2", outcome);
    machine_values(&play->machine, "all/f", outcome);
    leave_all(play);
    idle(play, 4 * play->machine.config.idle_ms);
    machine_stop(&play->machine);
    failing_end();
    run_hub(play); /* what could not be stored any more is in the journal */
    machine_stop(&play->machine);
    show_file(play, clients_fail, outcome);
}

void play_hub(const struct scenario *scenario, struct buffer *outcome,
              char reason[SCENARIO_REASON_BYTES])
{
    struct play *play = calloc(1, sizeof *play);
    char path[FOLDER_PATH_BYTES];
    folder_file(path, "hub.db");
    if (play == NULL) {
        abort();
    }
    machine_init(&play->machine, path, declare);
    play->machine.config.tokens = true;
    play->machine.config.operators = true;
    play->machine.config.changes = true;
    play->machine.config.removals_max = 2;
    play->machine.config.replica_ttl_ms = 4 * (uint64_t)HOUR_MS + HOUR_MS / 2;
    play->machine.config.seed = 1;
    play->round_ms = play->machine.now_ms;
    asker_init(&play->operator, & play->machine);
    for (size_t i = 0; i < DEVICES; i++) {
        device_init(&play->devices[i], &play->machine, (unsigned)i, owners[i].document,
                    owners[i].principal);
    }
    run(play);
    show(play, (scenario->rooms & ROOM_CLIENT) != 0, outcome);
    for (size_t i = 0; i < DEVICES; i++) {
        device_finish(&play->devices[i]);
    }
    asker_finish(&play->operator);
    machine_finish(&play->machine);
    folder_empty();
    (void)snprintf(reason, SCENARIO_REASON_BYTES, "%s", play->machine.violation);
    free(play);
}
