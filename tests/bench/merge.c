/*
 * Measures crdt/ as the hub uses it when it merges: for each update a change is made and its edits
 * gathered, as the codec does; it is checked and applied (server/hub/merge.c), freed, and the
 * field weighed. No bytes are decoded here. Counters: a replica's next increment. Sets: distinct
 * strings of 8 to 16 bytes fill a set (`set-fill`, `set-overhead`); then others go into it, one or
 * 64 in an update, and random ones out, so that it stays as large as it is; its removal log is
 * trimmed as the hub does. The overhead is all that was allocated, less the elements' own bytes.
 *
 * Each is measured at one, four and sixteen times the size, in turns, so that what disturbs the
 * machine disturbs all. `memory-access` is what the machine charges for one random access to as
 * many bytes as such a set takes, each waiting for the one before: the floor of any table.
 *
 *     bench_merge [--json]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/counter.h"
#include "crdt/orset.h"
#include "tests/bench/figures.h"

enum {
    SCALES = 3,
    TURNS = 3,
    ROUNDS = 5, /* of a turn; the first warms up */
    COUNTED = 1000,
    ELEMENTS = 100000,
    REPLICAS = 1000, /* that edit a set */
    EDITS = 20000,   /* of one round */
    TOGETHER = 64,   /* edits of one update, when it is not one */
    REMOVALS = 10000,
    KEY_BYTES_MAX = 16,
    NAME_BYTES = 64
};

static const int scales[SCALES] = {1, 4, 16};

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    MUST(memory != NULL);
    return memory;
}

/* SplitMix64: Steele, Lea, Flood, OOPSLA 2014. */
static uint64_t mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15U;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9U;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebU;
    return number ^ (number >> 31);
}

/* Of this process's processor time: others on the machine do not count. */
static double per_second(size_t count, double started)
{
    return (double)count / (seconds_worked() - started);
}

/* What is measured of one thing, several times: the median, and the least and the most beside it,
 * because a machine that others use too makes single figures worthless. */
struct figure {
    char name[NAME_BYTES];
    const char *unit;
    struct figures runs;
};

static void figure_init(struct figure *figure, const char *name, int scale, const char *unit)
{
    *figure = (struct figure){.unit = unit};
    (void)snprintf(figure->name, sizeof figure->name, "%s.%dx", name, scale);
}

static double figure_median(struct figure *figure) { return figures_rank(&figure->runs, 0.5); }

static void figure_print(struct figure *figure, bool json)
{
    double median = figure_median(figure);
    double least = figures_rank(&figure->runs, 0);
    double most = figures_rank(&figure->runs, 1);
    if (json) {
        printf("{\"name\":\"%s\",\"median\":%.6g,\"least\":%.6g,\"most\":%.6g,\"unit\":\"%s\"}\n",
               figure->name, median, least, most, figure->unit);
        return;
    }
    int decimals = median < 1000 ? 2 : 0;
    printf("%-28s %14.*f %14.*f %14.*f  %s\n", figure->name, decimals, median, decimals, least,
           decimals, most, figure->unit);
}

/* What is measured of one thing, at each scale. */
struct series {
    const char *name;
    struct figure at[SCALES];
};

static void series_init(struct series *series, const char *name, const char *unit)
{
    series->name = name;
    for (size_t i = 0; i < SCALES; i++) {
        figure_init(&series->at[i], name, scales[i], unit);
    }
}

/* And how the cost of one grows with the scale. The series is gone then. */
static void series_print(struct series *series, bool is_rate, bool json)
{
    for (size_t i = 0; i < SCALES; i++) {
        figure_print(&series->at[i], json);
    }
    for (size_t i = 1; i < SCALES; i++) {
        struct figure growth;
        char name[NAME_BYTES / 2];
        (void)snprintf(name, sizeof name, "%s.growth", series->name);
        figure_init(&growth, name, scales[i], "x");
        double ratio = figure_median(&series->at[i]) / figure_median(&series->at[0]);
        figures_add(&growth.runs, is_rate ? 1 / ratio : ratio);
        figure_print(&growth, json);
        figures_finish(&growth.runs);
    }
    for (size_t i = 0; i < SCALES; i++) {
        figures_finish(&series->at[i].runs);
    }
}

/* --- counters --- */

/* A replica as the hub's ledger knows it. */
struct writer_row {
    uint64_t seq;
    struct crdt_entry entry;
};

static void join_counter(struct crdt_field *field, struct writer_row *row, uint32_t replica,
                         uint64_t position)
{
    struct crdt_change *change = field->type->change_create(field->type);
    MUST(change != NULL);
    struct crdt_entry own = row->entry;
    MUST(crdt_counter_count((struct crdt_counter_change *)change, &own, 1, 0) == CRDT_OK);
    row->seq++;
    struct crdt_update update = {.first = row->seq,
                                 .last = row->seq,
                                 .position = position,
                                 .ordered = true,
                                 .context = {.position = position - 1},
                                 .replica = replica};
    MUST(crdt_field_check(field, &row->entry, change, &update) == CRDT_OK &&
         field->type->apply(field, &row->entry, change, &update) == CRDT_OK);
    field->type->change_destroy(change);
    (void)field->type->memory(field);
}

struct counters {
    struct crdt_field **fields;
    struct writer_row *rows;
    size_t field_count; /* 1, or as many as rows */
    size_t row_count;
    uint64_t position;
};

static struct counters counters_make(size_t field_count, size_t row_count)
{
    static const struct crdt_declaration declared = {.type = &crdt_pncounter};
    struct counters counters = {.fields = take(field_count, sizeof(struct crdt_field *)),
                                .rows = take(row_count, sizeof(struct writer_row)),
                                .field_count = field_count,
                                .row_count = row_count};
    for (size_t i = 0; i < field_count; i++) {
        counters.fields[i] = declared.type->create(&declared, 0);
        MUST(counters.fields[i] != NULL);
    }
    return counters;
}

static void counters_free(struct counters *counters)
{
    int64_t total = 0;
    for (size_t i = 0; i < counters->field_count; i++) {
        total += ((struct crdt_counter *)counters->fields[i])->total;
        crdt_pncounter.destroy(counters->fields[i]);
    }
    MUST(total == (int64_t)counters->position);
    free(counters->fields);
    free(counters->rows);
}

static double join_counters(struct counters *counters)
{
    double started = seconds_worked();
    for (size_t i = 0; i < EDITS; i++) {
        uint64_t position = ++counters->position;
        size_t row = mix(position) % counters->row_count;
        join_counter(counters->fields[row % counters->field_count], &counters->rows[row],
                     (uint32_t)row, position);
    }
    return per_second(EDITS, started);
}

static void measure_counters(struct series *series, bool many)
{
    struct counters counters[SCALES];
    for (size_t i = 0; i < SCALES; i++) {
        size_t count = COUNTED * (size_t)scales[i];
        counters[i] = counters_make(many ? count : 1, count);
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < SCALES; i++) {
            for (size_t round = 0; round < ROUNDS; round++) {
                double rate = join_counters(&counters[i]);
                if (round > 0) {
                    figures_add(&series->at[i].runs, rate);
                }
            }
        }
    }
    for (size_t i = 0; i < SCALES; i++) {
        counters_free(&counters[i]);
    }
}

/* --- sets --- */

struct key {
    uint8_t data[KEY_BYTES_MAX];
    uint8_t length;
};

/* A msgpack string of 8 to 16 bytes, head included; another one for each number. */
static struct key key_of(uint64_t number)
{
    uint64_t noise = mix(number);
    struct key key = {.length = (uint8_t)(8 + noise % 9)};
    uint64_t digits = number | noise << 35; /* seven digits are the number's */
    key.data[0] = (uint8_t)(0xa0 + key.length - 1);
    for (size_t i = 1; i < key.length; i++) {
        key.data[i] = (uint8_t) "abcdefghijklmnopqrstuvwxyz234567"[digits & 31];
        digits = i == 11 ? noise : digits >> 5;
    }
    return key;
}

struct set {
    struct crdt_field *field;
    uint64_t *seqs;    /* of the replicas */
    uint64_t *numbers; /* of the elements that are in it */
    size_t length;
    uint64_t next; /* the first number that was never in it */
    uint64_t position;
    double fill;     /* elements a second, from the first on */
    double overhead; /* bytes an element beyond its own, when it was filled */
};

typedef enum crdt_status edit(struct crdt_orset_change *change, struct bytes element);

static void merge_edits(struct set *set, edit *apply, const struct key *keys, size_t count)
{
    struct crdt_field *field = set->field;
    struct crdt_change *change = field->type->change_create(field->type);
    MUST(change != NULL);
    for (size_t i = 0; i < count; i++) {
        struct bytes element = {keys[i].data, keys[i].length};
        MUST(apply((struct crdt_orset_change *)change, element) == CRDT_OK);
    }
    uint64_t position = ++set->position;
    uint32_t replica = (uint32_t)(mix(position) % REPLICAS);
    uint64_t seq = ++set->seqs[replica];
    struct crdt_entry entry = {0};
    struct crdt_update update = {.first = seq,
                                 .last = seq,
                                 .position = position,
                                 .ordered = true,
                                 .context = {.position = position - 1},
                                 .replica = replica};
    MUST(crdt_field_check(field, &entry, change, &update) == CRDT_OK &&
         field->type->apply(field, &entry, change, &update) == CRDT_OK);
    field->type->change_destroy(change);
    (void)field->type->memory(field);
}

static void merge_all(struct set *set, edit *apply, const struct key *keys, size_t together)
{
    for (size_t i = 0; i < EDITS; i += together) {
        size_t left = EDITS - i;
        merge_edits(set, apply, &keys[i], left < together ? left : together);
    }
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static struct set set_make(size_t length)
{
    static const struct crdt_declaration declared = {.type = &crdt_orset};
    static struct key keys[EDITS];
    struct set set = {.seqs = take(REPLICAS, sizeof(uint64_t)),
                      .numbers = take(length, sizeof(uint64_t))};
    size_t before = bytes_in_use();
    size_t own = 0;
    double spent = 0;
    set.field = declared.type->create(&declared, mix(length));
    MUST(set.field != NULL);
    while (set.length < length) {
        for (size_t i = 0; i < EDITS; i++) {
            keys[i] = key_of(set.next);
            own += keys[i].length;
            set.numbers[set.length++] = set.next++;
        }
        double started = seconds_worked();
        merge_all(&set, crdt_orset_add, keys, 1);
        spent += seconds_worked() - started;
    }
    set.fill = (double)length / spent;
    set.overhead = (double)(bytes_in_use() - before - own) / (double)length;
    return set;
}

static void set_free(struct set *set)
{
    MUST(crdt_orset_length((struct crdt_orset *)set->field) == set->length);
    crdt_orset_destroy(set->field);
    free(set->seqs);
    free(set->numbers);
}

struct rates {
    double add;
    double remove;
};

/* As many new elements come as old ones go. */
static struct rates exchange(struct set *set, size_t together)
{
    static struct key added[EDITS];
    static struct key removed[EDITS];
    for (size_t i = 0; i < EDITS; i++) {
        size_t last = set->length - 1 - i;
        size_t chosen = mix(set->next) % (last + 1);
        removed[i] = key_of(set->numbers[chosen]);
        added[i] = key_of(set->next);
        set->numbers[chosen] = set->numbers[last];
        set->numbers[last] = set->next++;
    }
    struct rates rates;
    double started = seconds_worked();
    merge_all(set, crdt_orset_add, added, together);
    rates.add = per_second(EDITS, started);
    started = seconds_worked();
    merge_all(set, crdt_orset_remove, removed, together);
    crdt_field_trim(set->field, REMOVALS);
    rates.remove = per_second(EDITS, started);
    return rates;
}

static void measure_exchange(struct set sets[SCALES], size_t together, struct series *add,
                             struct series *remove)
{
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < SCALES; i++) {
            for (size_t round = 0; round < ROUNDS; round++) {
                struct rates rates = exchange(&sets[i], together);
                if (round > 0) {
                    figures_add(&add->at[i].runs, rates.add);
                    figures_add(&remove->at[i].runs, rates.remove);
                }
            }
        }
    }
}

/* --- the machine --- */

static double access_memory(const uint64_t *words, size_t count)
{
    uint64_t at = 0;
    double started = seconds_worked();
    for (size_t i = 0; i < EDITS; i++) {
        at = mix(at + i + words[at % count]);
    }
    double ns = (seconds_worked() - started) * 1e9 / EDITS;
    MUST(at != 0); /* keeps the loop */
    return ns;
}

static void measure_memory(struct series *series, const struct set sets[SCALES])
{
    for (size_t i = 0; i < SCALES; i++) {
        size_t count = crdt_orset_memory(sets[i].field) / sizeof(uint64_t);
        uint64_t *words = take(count, sizeof *words);
        memset(words, 1, count * sizeof *words);
        for (size_t round = 0; round < TURNS * ROUNDS; round++) {
            figures_add(&series->at[i].runs, access_memory(words, count));
        }
        free(words);
    }
}

/* --- all of it --- */

static void run_counters(const char *name, bool many, bool json)
{
    struct series series;
    series_init(&series, name, "joins/s");
    measure_counters(&series, many);
    series_print(&series, true, json);
}

static void run_exchange(struct set sets[SCALES], const char *names[2], size_t together, bool json)
{
    struct series add;
    struct series remove;
    series_init(&add, names[0], "adds/s");
    series_init(&remove, names[1], "removes/s");
    measure_exchange(sets, together, &add, &remove);
    series_print(&add, true, json);
    series_print(&remove, true, json);
}

/* The sets of the last turn are left for what follows. */
static void run_fill(struct set sets[SCALES], bool json)
{
    struct series fill;
    struct series overhead;
    series_init(&fill, "set-fill", "adds/s");
    series_init(&overhead, "set-overhead", "bytes/element");
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < SCALES; i++) {
            if (turn > 0) {
                set_free(&sets[i]);
            }
            sets[i] = set_make(ELEMENTS * (size_t)scales[i]);
            figures_add(&fill.at[i].runs, sets[i].fill);
            figures_add(&overhead.at[i].runs, sets[i].overhead);
        }
    }
    series_print(&fill, true, json);
    series_print(&overhead, false, json);
}

static void run_sets(bool json)
{
    struct set sets[SCALES];
    struct series memory;
    run_fill(sets, json);
    run_exchange(sets, (const char *[]){"set-add", "set-remove"}, 1, json);
    run_exchange(sets, (const char *[]){"set-add-64", "set-remove-64"}, TOGETHER, json);
    series_init(&memory, "memory-access", "ns");
    measure_memory(&memory, sets);
    series_print(&memory, false, json);
    for (size_t i = 0; i < SCALES; i++) {
        set_free(&sets[i]);
    }
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 2 || (argc == 2 && !json)) {
        (void)fprintf(stderr, "usage: bench_merge [--json]\n");
        return 2;
    }
    if (!json) {
        printf("%-28s %14s %14s %14s\n", "", "median", "least", "most");
    }
    run_counters("counter-join", false, json);
    run_counters("counter-join-many", true, json);
    run_sets(json);
    return 0;
}
