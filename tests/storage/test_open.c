/*
 * Goal:   a start either works or says in one sentence what is wrong with which file, and changes
 *         nothing.
 * Method: each mistake is made with real files and processes; the sentence is compared.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/storage/catalog.h"
#include "tests/storage/fixture.h"

static void check_refused(struct fixture *fixture, const char *sentence)
{
    char error[STORAGE_ERROR_BYTES];
    REQUIRE(!fixture_try_open(fixture, error));
    REQUIRE(fixture->storage == NULL);
    bool good = strstr(error, sentence) != NULL && strstr(error, fixture->path) != NULL;
    fixture_require(good, error, __FILE__, __LINE__);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void in_use(struct fixture *fixture)
{
    check_refused(fixture, "in use by another hub");
    char link_path[128];
    (void)snprintf(link_path, sizeof link_path, "%s/link.db", fixture->folder);
    REQUIRE(symlink(fixture->path, link_path) == 0);
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/link.db", fixture->folder);
    check_refused(fixture, "in use by another hub");
}

static void not_in_use(struct fixture *fixture) { fixture_open(fixture); }

/* The kernel ends the lock with the process, so a crash leaves nothing to clean up. */
Test(open, a_second_process_is_refused_until_the_first_ends)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct storage *storage = fixture.storage;
    fixture.storage = NULL;
    cr_expect(zero(int, fixture_fork(in_use, &fixture)));
    fixture.storage = storage;
    fixture_close(&fixture);
    cr_expect(zero(int, fixture_fork(not_in_use, &fixture)), "ends without closing");
    cr_expect(zero(int, fixture_fork(not_in_use, &fixture)));
    fixture_finish(&fixture);
}

Test(open, a_missing_folder_is_named)
{
    struct fixture fixture;
    fixture_init(&fixture);
    (void)snprintf(fixture.path, sizeof fixture.path, "%s/none/data.db", fixture.folder);
    check_refused(&fixture, "there is no such folder");
    fixture_finish(&fixture);
}

Test(open, a_file_that_is_no_database_is_left_alone)
{
    struct fixture fixture;
    char text[64] = "";
    fixture_init(&fixture);
    write_file(fixture.path, "These are my notes, and they are longer than a header. Truly.");
    check_refused(&fixture, "is not a database");
    FILE *file = fopen(fixture.path, "r");
    cr_assert(file != NULL && fgets(text, sizeof text, file) != NULL);
    cr_expect(strncmp(text, "These are my notes", 18) == 0);
    (void)fclose(file);
    fixture_finish(&fixture);
}

Test(open, the_database_of_somebody_else_is_left_alone)
{
    static const char *const others[] = {"CREATE TABLE books(title TEXT)",
                                         "CREATE TABLE meta(name TEXT)",
                                         "CREATE TABLE meta(key TEXT, value TEXT)"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        (void)fixture_sql(&fixture, others[i]);
        check_refused(&fixture, "not one of Syncline's");
        cr_expect(
            eq(str, (char *)fixture_sql(&fixture, "SELECT count(*) FROM sqlite_schema"), "1"));
        cr_expect(eq(str, (char *)fixture_sql(&fixture, "PRAGMA journal_mode"), "delete"));
        fixture_finish(&fixture);
    }
}

static void become_nobody(void)
{
    if (geteuid() == 0) {
        REQUIRE(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    }
}

static void unwritable_file(struct fixture *fixture)
{
    become_nobody();
    check_refused(fixture, "cannot be written");
}

static void unwritable_folder(struct fixture *fixture)
{
    become_nobody();
    check_refused(fixture, "data.db.lock beside it cannot be made or locked: Permission denied");
}

Test(open, what_may_not_be_written_is_named)
{
    struct fixture fixture;
    char lock[128];
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    (void)snprintf(lock, sizeof lock, "%s.lock", fixture.path);
    cr_assert(chmod(fixture.folder, 0555) == 0 && chmod(fixture.path, 0444) == 0);
    cr_assert(chmod(lock, 0666) == 0);
    cr_expect(zero(int, fixture_fork(unwritable_file, &fixture)));
    cr_assert(chmod(fixture.folder, 0755) == 0 && unlink(lock) == 0);
    cr_assert(chmod(fixture.folder, 0555) == 0);
    cr_expect(zero(int, fixture_fork(unwritable_folder, &fixture)));
    cr_assert(chmod(fixture.folder, 0755) == 0);
    fixture_finish(&fixture);
}

Test(open, a_newer_format_is_refused)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    (void)fixture_sql(&fixture, "UPDATE meta SET value = 2 WHERE key = 'format'");
    check_refused(&fixture, "has format 2 and this program knows formats up to 1");
    (void)fixture_sql(&fixture, "UPDATE meta SET value = 1 WHERE key = 'format'");
    fixture_open(&fixture);
    fixture_finish(&fixture);
}

/* --- migrations: there is none yet, so the test brings its own --- */

static const struct catalog_migration good_migrations[] = {
    {1, "ALTER TABLE rejected ADD COLUMN one"}, {2, "ALTER TABLE rejected ADD COLUMN two"}, {0, 0}};
static const struct catalog_migration bad_migrations[] = {
    {1, "ALTER TABLE rejected ADD COLUMN one; ALTER TABLE none ADD COLUMN two"}, {0, 0}};

static bool migrate(const struct fixture *fixture, const struct catalog_migration *migrations,
                    struct catalog_error *error)
{
    sqlite3 *database = NULL;
    cr_assert(database_open(&database, fixture->path) == SQLITE_OK);
    bool migrated = catalog_migrate(database, fixture->path, migrations, 1, 3, error);
    cr_assert(sqlite3_close(database) == SQLITE_OK);
    return migrated;
}

static void check_columns(const struct fixture *fixture, const char *count)
{
    cr_expect(eq(str,
                 (char *)fixture_sql(fixture, "SELECT count(*) FROM pragma_table_info('rejected') "
                                              "WHERE name IN ('one', 'two')"),
                 (char *)count));
}

Test(open, an_older_format_is_copied_and_then_migrated)
{
    struct fixture fixture;
    struct catalog_error error;
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    cr_assert(migrate(&fixture, good_migrations, &error), "%s", error.text);
    check_columns(&fixture, "2");
    cr_expect(
        eq(str, (char *)fixture_sql(&fixture, "SELECT value FROM meta WHERE key = 'format'"), "3"));
    (void)snprintf(fixture.path, sizeof fixture.path, "%s/data.db.format-1", fixture.folder);
    check_columns(&fixture, "0");
    fixture_open(&fixture); /* the copy works */
    fixture_finish(&fixture);
}

Test(open, a_migration_that_fails_is_undone)
{
    static const struct catalog_migration none[] = {{0, 0}};
    struct fixture fixture;
    struct catalog_error error;
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_close(&fixture);
    cr_expect(not(migrate(&fixture, none, &error)));
    cr_expect(strstr(error.text, "cannot read any more") != NULL, "%s", error.text);
    cr_expect(not(migrate(
        &fixture, (const struct catalog_migration[]){bad_migrations[0], good_migrations[1], {0, 0}},
        &error)));
    cr_expect(strstr(error.text, "undone: no such table") != NULL, "%s", error.text);
    check_columns(&fixture, "0");
    fixture_open(&fixture);
    fixture_finish(&fixture);
}
