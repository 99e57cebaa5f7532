/*
 * Goal:   a restored journal knows every journal that it shares a history with, as far as that
 * goes, and none other. Method: files that are copied, appended to and restored over each other, by
 * the functions behind `synclined restore`; the ancestors are told beside them by hand.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/copy.h"
#include "server/storage/restore.h"
#include "tests/storage/fixture.h"

struct place {
    struct fixture fixture;
    char backup[128];
    char error[STORAGE_ERROR_BYTES];
};

static void init(struct place *place)
{
    fixture_init(&place->fixture);
    (void)snprintf(place->backup, sizeof place->backup, "%s-backup", place->fixture.path);
}

static void finish(struct place *place)
{
    (void)unlink(place->backup);
    fixture_finish(&place->fixture);
}

/* The hub runs for so many batches; answers the journal's id. */
static struct journal_id live(struct place *place, unsigned batches)
{
    struct storage_info info;
    uint64_t position = 0;
    fixture_open(&place->fixture);
    for (unsigned i = 0; i < batches; i++) {
        REQUIRE(fixture_append(&place->fixture, fixture_text("x"), &position));
    }
    storage_info(place->fixture.storage, &info);
    struct journal_id journal = info.journal;
    fixture_close(&place->fixture);
    return journal;
}

static void back_up(struct place *place)
{
    REQUIRE(copy_database(place->fixture.path, place->backup, place->error));
}

/* What it kept aside is removed. */
static struct storage_restored restore(struct place *place)
{
    struct storage_restored restored;
    cr_assert(storage_restore(place->backup, place->fixture.path, &restored, place->error), "%s",
              place->error);
    (void)unlink(restored.aside);
    return restored;
}

/* 0: it is no ancestor. */
static uint64_t ancestor(struct place *place, const struct journal_id *journal)
{
    struct storage_info info;
    uint64_t position = 0;
    REQUIRE(fixture_try_open(&place->fixture, place->error));
    storage_info(place->fixture.storage, &info);
    for (size_t i = 0; i < info.ancestor_count; i++) {
        if (memcmp(&info.ancestors[i].journal, journal, sizeof *journal) == 0) {
            position = info.ancestors[i].position;
        }
    }
    fixture_close(&place->fixture);
    return position;
}

Test(restore, the_journal_before_is_shared_up_to_the_backup)
{
    struct place place;
    init(&place);
    struct journal_id first = live(&place, 3);
    back_up(&place);
    (void)live(&place, 4);
    struct storage_restored restored = restore(&place);
    struct journal_id second = live(&place, 1);
    cr_expect(eq(u64, restored.position, 3));
    cr_expect(zero(int, memcmp(&restored.journal, &second, sizeof second)));
    cr_expect(eq(u64, ancestor(&place, &first), 3));
    finish(&place);
}

Test(restore, a_backup_restored_twice_shares_what_the_first_restore_had_of_it)
{
    struct place place;
    init(&place);
    struct journal_id first = live(&place, 3);
    back_up(&place);
    struct journal_id second = restore(&place).journal;
    (void)live(&place, 5);
    struct journal_id third = restore(&place).journal;
    (void)live(&place, 7);
    (void)restore(&place);
    cr_expect(eq(u64, ancestor(&place, &first), 3));
    cr_expect(eq(u64, ancestor(&place, &second), 3));
    cr_expect(eq(u64, ancestor(&place, &third), 3));
    finish(&place);
}

Test(restore, an_older_backup_takes_less_of_the_journals_behind_it)
{
    struct place place;
    struct place later;
    init(&place);
    init(&later);
    struct journal_id first = live(&place, 2);
    back_up(&place);
    (void)live(&place, 3);
    REQUIRE(copy_database(place.fixture.path, later.backup, later.error));
    (void)snprintf(later.fixture.path, sizeof later.fixture.path, "%s", place.fixture.path);
    struct journal_id second = restore(&later).journal; /* from position 5 */
    (void)live(&place, 1);
    (void)restore(&place); /* back to 2 */
    cr_expect(eq(u64, ancestor(&place, &first), 2));
    cr_expect(eq(u64, ancestor(&place, &second), 2));
    finish(&later);
    finish(&place);
}

Test(restore, a_stranger_is_no_ancestor)
{
    struct place place;
    struct place other;
    init(&place);
    init(&other);
    struct journal_id stranger = live(&place, 9);
    struct journal_id own = live(&other, 4);
    REQUIRE(copy_database(other.fixture.path, place.backup, place.error));
    (void)restore(&place);
    cr_expect(eq(u64, ancestor(&place, &own), 4));
    cr_expect(zero(u64, ancestor(&place, &stranger)));
    finish(&other);
    finish(&place);
}

Test(restore, a_file_in_use_stays)
{
    struct place place;
    struct storage_restored restored;
    init(&place);
    (void)live(&place, 1);
    back_up(&place);
    fixture_open(&place.fixture);
    cr_expect(not(storage_restore(place.backup, place.fixture.path, &restored, place.error)));
    cr_expect(strstr(place.error, "in use by another hub") != NULL, "%s", place.error);
    fixture_close(&place.fixture);
    finish(&place);
}
