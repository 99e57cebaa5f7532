#include "tests/hub/clients.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct world world;

void clients_start(void)
{
    world_init(&world);
    world_start(&world);
}

void clients_finish(void) { world_finish(&world); }

void open_document(uint64_t connection, int id, const char *name, unsigned replica)
{
    char text[512];
    (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"%s\",[%s],{}]", id, name,
                   world_replica(replica));
    world_send(&world, connection, text);
}

void open_post(uint64_t connection, int id, unsigned replica)
{
    open_document(connection, id, "post/1", replica);
}

void like(uint64_t connection, int stream, int seq, int up)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"DELTA\",%d,null,%d,%d,[0,[]],{\"0\":%d}]", stream, seq,
                   seq, up);
    world_send(&world, connection, text);
}

void expect(uint64_t connection, const char *transcript)
{
    cr_assert(
        eq(str, (char *)(uintptr_t)world_read(&world, connection), (char *)(uintptr_t)transcript));
}

bool told(uint64_t connection, const char *part)
{
    return tells(world_read(&world, connection), "%s", part);
}

void skip(uint64_t connection) { (void)world_read(&world, connection); }

bool tells(const char *answer, const char *format, ...)
{
    char part[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    bool found = strstr(answer, part) != NULL;
    if (!found) {
        (void)fprintf(stderr, "not told: %s\nbut: %s\n", part, answer);
    }
    return found;
}
