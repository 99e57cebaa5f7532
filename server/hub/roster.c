#include "server/hub/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_MIN = 16 };

void roster_finish(struct roster *roster)
{
    free(roster->places);
    *roster = (struct roster){0};
}

bool roster_reserve(struct roster *roster)
{
    if (roster->length < roster->capacity) {
        return true;
    }
    size_t capacity = roster->capacity == 0 ? PLACES_MIN : roster->capacity * 2;
    struct roster_place *grown = realloc(roster->places, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    roster->places = grown;
    roster->capacity = capacity;
    return true;
}

size_t roster_after(const struct roster *roster, uint64_t id)
{
    size_t low = 0;
    size_t high = roster->length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (roster->places[middle].id <= id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void roster_add(struct roster *roster, uint64_t id, struct connection *connection)
{
    assert(roster->length < roster->capacity);
    size_t at = roster_after(roster, id);
    memmove(&roster->places[at + 1], &roster->places[at],
            (roster->length - at) * sizeof *roster->places);
    roster->places[at] = (struct roster_place){id, connection};
    roster->length++;
}

static void close_holes(struct roster *roster)
{
    size_t kept = 0;
    for (size_t i = 0; i < roster->length; i++) {
        if (roster->places[i].connection != NULL) {
            roster->places[kept++] = roster->places[i];
        }
    }
    roster->length = kept;
    roster->holes = 0;
}

void roster_remove(struct roster *roster, uint64_t id)
{
    /* Behind holes of the same id, where the caller gave one twice. */
    size_t at = roster_after(roster, id);
    assert(at > 0);
    struct roster_place *place = &roster->places[at - 1];
    assert(place->id == id && place->connection != NULL);
    place->connection = NULL;
    roster->holes++;
    if (roster->holes * 2 >= roster->length) {
        close_holes(roster);
    }
}
