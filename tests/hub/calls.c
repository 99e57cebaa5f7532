#include "tests/hub/calls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct world world;
static int last_id;

void calls_start(void)
{
    world_init(&world);
    world.config.operators = true;
    world_start(&world);
    last_id = 100000;
}

void calls_finish(void) { world_finish(&world); }

int calls_id(void) { return ++last_id; }

const char *call(uint64_t connection, const char *method, const char *parameters)
{
    char text[2048];
    int id = calls_id();
    (void)world_read(&world, connection);
    (void)snprintf(text, sizeof text, "[\"CALL\",%d,\"%s\",%s]", id, method, parameters);
    world_send(&world, connection, text);
    const char *answer = world_read(&world, connection);
    (void)snprintf(text, sizeof text, "[\"RESULT\",%d,", id);
    return strncmp(answer, text, strlen(text)) == 0 ? answer + strlen(text) : answer;
}

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

void open_document(uint64_t connection, int id, const char *name, unsigned replica)
{
    char text[512];
    (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"%s\",[%s],{}]", id, name,
                   world_replica(replica));
    world_send(&world, connection, text);
}

void like(uint64_t connection, int stream, int seq, int up)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"DELTA\",%d,null,%d,%d,[0,[]],{\"0\":%d}]", stream, seq,
                   seq, up);
    world_send(&world, connection, text);
}
