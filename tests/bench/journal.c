/*
 * What the hub's journal does in a second, beside the floor: SQLite in a plain loop. Both write
 * real files with `synchronous = FULL`, the same bytes, in slices of a tenth of a second that take
 * turns, so that a disk which is busy for a while is so for both. Median, least and most of the
 * slices.
 *
 * Then how long one append waits, as the hub sees it, while rows are stored and the journal is
 * trimmed: not at all, at the pace of a hub whose clients change 4,000 documents a second, and
 * without a pause.
 *
 * usage: bench_journal [--json] [FOLDER]    on the folder's file system; $TMPDIR or /tmp unless
 * told
 */
#include "tests/bench/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/rows.h"
#include "tests/bench/journal_sides.h"

enum {
    UPDATE_BYTES = 60,
    SLICES = 15,
    DOCUMENTS = 100000,
    STORE_PAUSE_MS = 500, /* the hub's */
    ROUNDS = 3
};

static const double slice_seconds = 0.1;
static const double round_seconds = 1.5;

struct options {
    bool json;
    char folder[256];
};

struct shape {
    const char *name;
    size_t updates;
    size_t bytes;
};

static const struct shape shapes[] = {
    {"1 update", 1, UPDATE_BYTES},
    {"16 updates", 16, 16 * UPDATE_BYTES},
    {"256 updates", 256, 256 * UPDATE_BYTES},
    {"4096 updates", 4096, 4096 * UPDATE_BYTES},
    {"1 of 65 KiB", 1, 65 << 10},
};

/* What the bytes are is the same to both sides. */
static struct bytes make_batch(size_t length)
{
    uint8_t *data = malloc(length);
    MUST(data != NULL);
    for (size_t i = 0; i < length; i++) {
        data[i] = (uint8_t)(i * 2654435761U >> 11);
    }
    return (struct bytes){data, length};
}

static void free_batch(struct bytes batch) { free((void *)(uintptr_t)batch.data); }

static void remove_files(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    char name[512];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

static void name_file(const struct options *options, const char *name, char path[300])
{
    (void)snprintf(path, 300, "%s/%s", options->folder, name);
    remove_files(path);
}

/* --- throughput --- */

struct side_found {
    struct figures rates; /* batches per second */
    struct figures work;  /* microseconds of processor time for a batch */
};

struct throughput {
    struct side_found hub;
    struct side_found floor;
    struct figures ratio;
};

static void side_finish(struct side_found *side)
{
    figures_finish(&side->rates);
    figures_finish(&side->work);
}

static double run_hub(struct hub_side *hub, struct bytes batch, struct side_found *found)
{
    uint64_t before = hub->appended;
    double worked = seconds_worked();
    double rate = hub_side_run(hub, batch, slice_seconds);
    figures_add(&found->rates, rate);
    figures_add(&found->work, 1e6 * (seconds_worked() - worked) / (double)(hub->appended - before));
    return rate;
}

static double run_floor(struct floor_side *floor, struct bytes batch, struct side_found *found)
{
    uint64_t before = floor->appended;
    double worked = seconds_worked();
    double rate = floor_side_run(floor, batch, slice_seconds);
    figures_add(&found->rates, rate);
    figures_add(&found->work,
                1e6 * (seconds_worked() - worked) / (double)(floor->appended - before));
    return rate;
}

static void check_rows(const char *path, uint64_t appended)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *count = NULL;
    MUST(sqlite3_open(path, &database) == SQLITE_OK);
    MUST(sqlite3_prepare_v2(database, "SELECT count(*) FROM journal", -1, &count, NULL) ==
         SQLITE_OK);
    MUST(sqlite3_step(count) == SQLITE_ROW);
    MUST((uint64_t)sqlite3_column_int64(count, 0) == appended);
    (void)sqlite3_finalize(count);
    MUST(sqlite3_close(database) == SQLITE_OK);
}

static void measure_shape(const struct options *options, const struct shape *shape,
                          struct throughput *found)
{
    char hub_path[300];
    char floor_path[300];
    struct hub_side hub;
    struct floor_side floor;
    struct bytes batch = make_batch(shape->bytes);
    name_file(options, "hub.db", hub_path);
    name_file(options, "floor.db", floor_path);
    hub_side_open(&hub, hub_path);
    floor_side_open(&floor, floor_path);
    for (size_t i = 0; i < SLICES; i++) {
        double rate = run_hub(&hub, batch, &found->hub);
        figures_add(&found->ratio, rate / run_floor(&floor, batch, &found->floor));
    }
    hub_side_close(&hub);
    floor_side_close(&floor);
    check_rows(hub_path, hub.appended);
    check_rows(floor_path, floor.appended);
    remove_files(hub_path);
    remove_files(floor_path);
    free_batch(batch);
}

static void print_side(const struct options *options, const struct shape *shape, const char *name,
                       struct side_found *side)
{
    double rate = figures_rank(&side->rates, 0.5);
    double least = figures_rank(&side->rates, 0);
    double most = figures_rank(&side->rates, 1);
    double work = figures_rank(&side->work, 0.5);
    double updates = rate * (double)shape->updates;
    double megabytes = rate * (double)shape->bytes / 1e6;
    if (options->json) {
        (void)printf("{\"bench\":\"journal\",\"batch\":\"%s\",\"side\":\"%s\","
                     "\"batches_per_s\":%.0f,\"least\":%.0f,\"most\":%.0f,"
                     "\"updates_per_s\":%.0f,\"megabytes_per_s\":%.2f,\"cpu_us\":%.1f}\n",
                     shape->name, name, rate, least, most, updates, megabytes, work);
    } else {
        (void)printf("%-14s %-6s %9.0f (%6.0f-%6.0f) %11.0f %8.2f %13.0f", shape->name, name, rate,
                     least, most, updates, megabytes, work);
    }
}

static void print_ratio(const struct options *options, const struct shape *shape,
                        struct figures *ratio)
{
    double median = figures_rank(ratio, 0.5);
    double least = figures_rank(ratio, 0);
    double most = figures_rank(ratio, 1);
    if (options->json) {
        (void)printf("{\"bench\":\"journal\",\"batch\":\"%s\",\"ratio\":%.2f,\"least\":%.2f,"
                     "\"most\":%.2f}\n",
                     shape->name, median, least, most);
    } else {
        (void)printf("   %.2f (%.2f-%.2f)\n", median, least, most);
    }
}

static void measure_throughput(const struct options *options)
{
    if (!options->json) {
        (void)printf("%-14s %-6s %9s %15s %11s %8s %13s   %s\n", "batch", "side", "batches/s",
                     "(least-most)", "updates/s", "MB/s", "us of CPU", "hub/floor (least-most)");
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct throughput found = {0};
        measure_shape(options, &shapes[i], &found);
        print_side(options, &shapes[i], "floor", &found.floor);
        (void)fputs(options->json ? "" : "\n", stdout);
        print_side(options, &shapes[i], "hub", &found.hub);
        print_ratio(options, &shapes[i], &found.ratio);
        side_finish(&found.hub);
        side_finish(&found.floor);
        figures_finish(&found.ratio);
    }
}

/* --- while rows are stored --- */

struct changes {
    size_t documents; /* of one store */
    uint64_t random;
    uint64_t position;
    struct buffer rows;
};

static void write_document(struct writer *writer, struct changes *changes)
{
    char name[32];
    uint8_t random[REPLICA_BYTES] = {0};
    static const uint8_t detail[] = {0x92, 0x91, 0x93, 0x00, 0x01, 0x00, 0x90};
    changes->random = changes->random * 6364136223846793005U + 1442695040888963407U;
    uint64_t number = (changes->random >> 33) % DOCUMENTS;
    int length = snprintf(name, sizeof name, "post/%07llu", (unsigned long long)number);
    memcpy(random, &number, sizeof number);
    uint64_t position = ++changes->position;
    struct row row = {.kind = ROW_DOCUMENT,
                      .name = {(const uint8_t *)name, (size_t)length},
                      .position = position,
                      .next_index = 1};
    row_write(writer, &row);
    row_write(writer, &(struct row){.kind = ROW_FIELD, .position = position});
    row_write(writer, &(struct row){.kind = ROW_ENTRY,
                                    .position = position,
                                    .shown = {(const uint8_t *)"1", 1},
                                    .detail = {(const uint8_t *)"\x92\x01\x00", 3}});
    row_write(writer, &(struct row){.kind = ROW_REPLICA,
                                    .replica = replica_id_make(1700000000000 + number, random),
                                    .seq = 1,
                                    .position = position,
                                    .detail = {detail, sizeof detail}});
}

static struct bytes next_rows(void *context)
{
    struct changes *changes = context;
    struct writer writer = writer_to(&changes->rows);
    buffer_clear(&changes->rows);
    for (size_t i = 0; i < changes->documents; i++) {
        write_document(&writer, changes);
    }
    MUST(writer.status == PROTOCOL_OK);
    return buffer_bytes(&changes->rows);
}

struct pace {
    const char *name;
    size_t documents; /* of one store; 0: none */
    uint64_t pause_ms;
};

static const struct pace paces[] = {
    {"nothing", 0, 0},
    {"2000 documents", 2000, STORE_PAUSE_MS},
    {"without pause", 20000, 0},
};

enum { PACES = sizeof paces / sizeof paces[0] };

struct pace_found {
    struct figures waits; /* milliseconds */
    struct figures rates; /* batches per second */
    uint64_t documents;
    double seconds;
};

static void run_pace(struct hub_side *hub, const struct pace *pace, struct changes *changes,
                     struct bytes batch, struct pace_found *found)
{
    uint64_t stored = hub->stored;
    double from = seconds_now();
    changes->documents = pace->documents;
    hub->waits = &found->waits;
    hub->stores = (struct stores){.rows = pace->documents == 0 ? NULL : next_rows,
                                  .context = changes,
                                  .pause_ms = pace->pause_ms};
    figures_add(&found->rates, hub_side_run(hub, batch, round_seconds));
    found->documents += (hub->stored - stored) * pace->documents;
    found->seconds += seconds_now() - from;
}

static void print_pace(const struct options *options, const struct pace *pace,
                       struct pace_found *found)
{
    double rate = figures_rank(&found->rates, 0.5);
    double stored = (double)found->documents / found->seconds;
    double ranks[] = {0.5, 0.9, 0.99, 0.999, 1};
    if (options->json) {
        (void)printf("{\"bench\":\"journal\",\"stored\":\"%s\",\"documents_per_s\":%.0f,"
                     "\"batches_per_s\":%.0f,\"wait_p50_ms\":%.3f,\"wait_p90_ms\":%.3f,"
                     "\"wait_p99_ms\":%.3f,\"wait_p999_ms\":%.3f,\"wait_max_ms\":%.3f}\n",
                     pace->name, stored, rate, figures_rank(&found->waits, ranks[0]),
                     figures_rank(&found->waits, ranks[1]), figures_rank(&found->waits, ranks[2]),
                     figures_rank(&found->waits, ranks[3]), figures_rank(&found->waits, ranks[4]));
        return;
    }
    (void)printf("%-16s %11.0f %10.0f", pace->name, stored, rate);
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        (void)printf(" %8.2f", figures_rank(&found->waits, ranks[i]));
    }
    (void)printf("\n");
}

static void measure_stores(const struct options *options)
{
    char path[300];
    struct hub_side hub;
    struct changes changes = {.random = 1};
    struct pace_found found[PACES] = {0};
    struct bytes batch = make_batch((size_t)16 * UPDATE_BYTES);
    buffer_init(&changes.rows, 64 << 20);
    name_file(options, "stores.db", path);
    hub_side_open(&hub, path);
    for (size_t i = 0; i < ROUNDS * PACES; i++) {
        run_pace(&hub, &paces[i % PACES], &changes, batch, &found[i % PACES]);
    }
    hub_side_close(&hub);
    if (!options->json) {
        (void)printf("\nbatches of 16 updates; milliseconds from asking until told\n"
                     "%-16s %11s %10s %8s %8s %8s %8s %8s\n",
                     "stored meanwhile", "documents/s", "batches/s", "p50", "p90", "p99", "p99.9",
                     "most");
    }
    for (size_t i = 0; i < PACES; i++) {
        print_pace(options, &paces[i], &found[i]);
        figures_finish(&found[i].waits);
        figures_finish(&found[i].rates);
    }
    buffer_finish(&changes.rows);
    free_batch(batch);
    remove_files(path);
}

int main(int count, char **values)
{
    struct options options = {0};
    const char *base = getenv("TMPDIR");
    for (int i = 1; i < count; i++) {
        options.json = options.json || strcmp(values[i], "--json") == 0;
        base = strcmp(values[i], "--json") == 0 ? base : values[i];
    }
    (void)snprintf(options.folder, sizeof options.folder, "%s/syncline-journal-XXXXXX",
                   base == NULL ? "/tmp" : base);
    MUST(mkdtemp(options.folder) != NULL);
    measure_throughput(&options);
    measure_stores(&options);
    MUST(rmdir(options.folder) == 0);
    return 0;
}
