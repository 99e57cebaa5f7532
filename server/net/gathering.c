#include "server/net/gathering.h"

static void begin(struct gatherings *all, struct gathering *gathering)
{
    struct gathering **place = all->newest == NULL ? &all->oldest : &all->newest->newer;
    *place = gathering;
    gathering->older = all->newest;
    all->newest = gathering;
}

void gathering_drop(struct gatherings *all, struct gathering *gathering)
{
    if (gathering->bytes.length == 0) {
        return;
    }
    struct gathering **older = gathering->older == NULL ? &all->oldest : &gathering->older->newer;
    struct gathering **newer = gathering->newer == NULL ? &all->newest : &gathering->newer->older;
    *older = gathering->newer;
    *newer = gathering->older;
    gathering->older = NULL;
    gathering->newer = NULL;
    all->length -= gathering->bytes.capacity;
    buffer_finish(&gathering->bytes);
}

bool gathering_add(struct gatherings *all, struct gathering *gathering, struct bytes piece)
{
    size_t before = gathering->bytes.capacity;
    bool begins = gathering->bytes.length == 0;
    if (buffer_append(&gathering->bytes, piece.data, piece.length) != PROTOCOL_OK) {
        return false;
    }
    all->length += gathering->bytes.capacity - before;
    if (begins && gathering->bytes.length > 0) {
        begin(all, gathering);
    }
    while (all->length > all->most) {
        all->given_up++;
        all->oldest->give_up(all->oldest->owner);
    }
    return true;
}
