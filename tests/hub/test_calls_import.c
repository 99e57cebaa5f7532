/*
 * Goal:   an import that comes in parts is put together, also where the hub has no room for it at
 * first. Method: calls in, transcripts out. The hub's own export is its import, which then changes
 * nothing; other calls take all the room, since the database does not answer.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/calls.h"

enum { JOBS_MAX = 16, HEX_BYTES = 4096 };

TestSuite(calls_import, .init = calls_start, .fini = clients_finish);

/* What the export's chunk holds, as hexadecimal digits. */
static void export_document(const char *name, char hex[HEX_BYTES])
{
    static const char before[] = "[\"CHUNK\",-1,{\"$bytes\":\"";
    char parameters[128];
    (void)snprintf(parameters, sizeof parameters, "{\"name\":\"%s\"}", name);
    const char *chunk = strstr(call(1, "export", parameters), before);
    cr_assert(chunk != NULL);
    chunk += strlen(before);
    size_t length = strcspn(chunk, "\"");
    cr_assert(lt(sz, length, (size_t)HEX_BYTES));
    memcpy(hex, chunk, length);
    hex[length] = '\0';
}

static const char *import_part(const char *hex, size_t length, bool more)
{
    char parameters[HEX_BYTES + 64];
    (void)snprintf(parameters, sizeof parameters, "{\"bytes\":{\"$bytes\":\"%.*s\"},\"more\":%d}",
                   (int)length, hex, more);
    return call(1, "import", parameters);
}

Test(calls_import, the_last_part_that_meets_a_busy_hub_is_sent_again_alone)
{
    char hex[HEX_BYTES];
    char parameters[64];
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 5);
    export_document("post/1", hex);
    size_t half = strlen(hex) / 4 * 2;

    world.holds_loads = true;
    for (int i = 0; i < JOBS_MAX; i++) {
        (void)snprintf(parameters, sizeof parameters, "{\"name\":\"post/other %d\"}", i);
        (void)call(2, "export", parameters);
    }
    cr_expect(tells(import_part(hex, half, true), "null]"));
    for (int i = 0; i < 2; i++) {
        cr_expect(tells(import_part(hex + half, strlen(hex) - half, false), "\"BUSY\""));
    }
    world.holds_loads = false;
    world_load(&world, true);
    cr_expect(tells(import_part(hex + half, strlen(hex) - half, false), "\"changed\":false"));
    cr_expect(tells(import_part(hex, half, false), "This is no export"), "nothing was left of it");
}
