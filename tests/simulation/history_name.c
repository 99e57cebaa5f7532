/*
 * The name, a register of which the last set wins by its clock: one of those that nobody had seen
 * who set it again. Who has a set from the hub has a later clock, whatever the device's own says;
 * so has who made it, while no restore takes away what that one came after, and no move brings the
 * edits of two under one replica. What waits in a store that was copied may be too far ahead of the
 * copy's clock to be heeded.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"
#include "tests/simulation/history.h"

static bool is_set(const struct history_edit *edit, unsigned document)
{
    return edit->kind == HISTORY_NAME && edit->document == document && history_took_effect(edit);
}

static bool is_later(const struct history *history, const struct history_edit *later,
                     const struct history_edit *edit)
{
    return edit->position <= history_resolve(history, &later->journal, later->cursor) ||
           (history->journals == 0 && !history->foreign &&
            history_same(&edit->replica, &later->replica) && edit->seq < later->seq);
}

static bool is_set_again(const struct history *history, const struct history_edit *edit)
{
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *later = &history->edits[i];
        if (later != edit && is_set(later, edit->document) && is_later(history, later, edit)) {
            return true;
        }
    }
    return false;
}

char *history_name(int64_t amount)
{
    size_t length = (size_t)amount;
    char *name = disk_allocate(length + 1);
    for (size_t i = 0; i < length; i++) {
        name[i] = length <= HISTORY_NAME_LETTERS ? (char)('a' + (char)i) : 'a';
    }
    name[length] = '\0';
    return name;
}

/* `,"name":"..."}`, as the end of a document. */
static bool is_shown(const char *end, int64_t amount)
{
    static const char before[] = ",\"name\":\"";
    size_t length = sizeof before - 1;
    char *name = history_name(amount);
    bool shown = strncmp(end, before, length) == 0 &&
                 strncmp(end + length, name, (size_t)amount) == 0 &&
                 strcmp(end + length + amount, "\"}") == 0;
    free(name);
    return shown;
}

bool history_may_show_name(const struct history *history, unsigned document, const char *end)
{
    bool is_named = false;
    for (size_t i = 0; i < history->length; i++) {
        const struct history_edit *edit = &history->edits[i];
        if (!is_set(edit, document)) {
            continue;
        }
        is_named = true;
        if (is_shown(end, edit->amount) && !is_set_again(history, edit)) {
            return true;
        }
    }
    return !is_named && strcmp(end, ",\"name\":null}") == 0;
}
