/*
 * Goal:   the simulator can be believed: a seed gives the same run each time, byte for byte; the
 * disk keeps what was synced and may lose the rest; a file that lost its power is still a database.
 * Method: runs by their seeds, twice; SQLite on the simulated disk, by hand.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/simulation/memory.h"
#include "tests/simulation/run.h"

enum { SEEDS = 20, MANY_SEEDS = 100, ROWS = 200 };

static char folder[] = "/tmp/simulation-XXXXXX";
static char path[64];

static void start(void)
{
    cr_assert(ne(ptr, mkdtemp(folder), NULL));
    (void)snprintf(path, sizeof path, "%s/hub.db", folder);
    memory_install();
    disk_install();
    disk_format(1);
}

static void finish(void)
{
    char lock[80];
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    (void)unlink(lock);
    (void)rmdir(folder);
}

TestSuite(simulation, .init = start, .fini = finish);

static struct run_result play(uint64_t seed)
{
    struct plan plan;
    struct run_result result;
    plan_make(&plan, seed);
    run_plan(&plan, seed, path, NULL, &result);
    plan_finish(&plan);
    return result;
}

Test(simulation, a_seed_gives_the_same_run_byte_for_byte)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run_result first = play(seed);
        struct run_result again = play(seed);
        cr_assert(eq(u64, first.hash, again.hash), "seed %d", (int)seed);
        cr_assert(eq(int, memcmp(first.happened, again.happened, sizeof first.happened), 0));
        cr_assert(ne(u64, first.hash, play(seed + SEEDS).hash));
    }
}

Test(simulation, each_kind_of_event_occurs)
{
    size_t counts[HAPPENED_KINDS] = {0};
    for (uint64_t seed = 1; seed <= MANY_SEEDS; seed++) {
        struct run_result one = play(seed);
        cr_assert(one.violation[0] == '\0', "seed %d: %s", (int)seed, one.violation);
        for (size_t i = 0; i < HAPPENED_KINDS; i++) {
            counts[i] += one.happened[i];
        }
    }
    for (size_t i = 0; i < HAPPENED_KINDS; i++) {
        cr_expect(gt(sz, counts[i], 0), "%s", happened_text((enum happened)i));
    }
    cr_expect(gt(sz, counts[HAPPENED_EDIT], 50 * MANY_SEEDS));
}

static void run_sql(sqlite3 *database, const char *sql)
{
    cr_assert(eq(int, sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK), "%s", sql);
}

static int one_number(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    cr_assert(eq(int, sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK));
    cr_assert(eq(int, sqlite3_step(statement), SQLITE_ROW));
    int number = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return number;
}

static sqlite3 *open_database(const char *synchronous)
{
    char sql[128];
    sqlite3 *database = NULL;
    cr_assert(eq(int, sqlite3_open(path, &database), SQLITE_OK));
    (void)snprintf(sql, sizeof sql, "PRAGMA journal_mode=WAL; PRAGMA synchronous=%s", synchronous);
    run_sql(database, sql);
    return database;
}

static int rows_after_power_loss(const char *synchronous, uint64_t seed)
{
    struct random random = {seed};
    disk_format(seed);
    sqlite3 *database = open_database("FULL");
    run_sql(database, "CREATE TABLE t(n)");
    (void)sqlite3_close(database);
    database = open_database(synchronous);
    for (int i = 0; i < ROWS; i++) {
        run_sql(database, "INSERT INTO t VALUES (randomblob(300))");
    }
    disk_cut();
    (void)sqlite3_close(database);
    disk_start(&random, true);
    database = open_database("FULL");
    int rows = one_number(database, "SELECT count(*) FROM t");
    cr_assert(eq(int,
                 one_number(database, "SELECT count(*) FROM pragma_integrity_check() "
                                      "WHERE integrity_check = 'ok'"),
                 1));
    (void)sqlite3_close(database);
    return rows;
}

Test(simulation, what_is_synced_outlives_a_power_loss)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        cr_expect(eq(int, rows_after_power_loss("FULL", seed), ROWS));
    }
}

Test(simulation, what_is_not_synced_may_be_lost_in_part)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        lost += rows_after_power_loss("NORMAL", seed) < ROWS;
    }
    cr_expect(gt(int, lost, SEEDS / 2));
}

Test(simulation, a_full_disk_is_an_error_and_room_heals_it)
{
    sqlite3 *database = open_database("FULL");
    run_sql(database, "CREATE TABLE t(n)");
    disk_fill(1000);
    cr_expect(
        eq(int, sqlite3_exec(database, "INSERT INTO t VALUES (randomblob(9000))", NULL, NULL, NULL),
           SQLITE_FULL));
    disk_heal();
    run_sql(database, "INSERT INTO t VALUES (randomblob(9000))");
    (void)sqlite3_close(database);
}

Test(simulation, a_call_that_is_to_fail_fails_once_or_for_good)
{
    sqlite3 *database = open_database("FULL");
    run_sql(database, "CREATE TABLE t(n)");
    disk_fail(DISK_SYNC, 1, SQLITE_IOERR_FSYNC, false);
    cr_expect(
        ne(int, sqlite3_exec(database, "INSERT INTO t VALUES (1)", NULL, NULL, NULL), SQLITE_OK));
    run_sql(database, "INSERT INTO t VALUES (2)");
    disk_fail(DISK_WRITE, 2, SQLITE_IOERR_WRITE, true);
    for (int i = 0; i < 3; i++) {
        cr_expect(ne(int, sqlite3_exec(database, "INSERT INTO t VALUES (3)", NULL, NULL, NULL),
                     SQLITE_OK));
    }
    disk_heal();
    cr_expect(eq(int, one_number(database, "SELECT count(*) FROM t"), 1));
    (void)sqlite3_close(database);
}
