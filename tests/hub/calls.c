#include "tests/hub/calls.h"

#include <stdio.h>
#include <string.h>

static int last_id;

void calls_start(void)
{
    world_init(&world);
    world.config.operators = true;
    world_start(&world);
    last_id = 100000;
}

int calls_id(void) { return ++last_id; }

const char *call(uint64_t connection, const char *method, const char *parameters)
{
    char text[2048];
    int id = calls_id();
    skip(connection);
    (void)snprintf(text, sizeof text, "[\"CALL\",%d,\"%s\",%s]", id, method, parameters);
    world_send(&world, connection, text);
    const char *answer = world_read(&world, connection);
    (void)snprintf(text, sizeof text, "[\"RESULT\",%d,", id);
    return strncmp(answer, text, strlen(text)) == 0 ? answer + strlen(text) : answer;
}
