/*
 * A move, followed: the edits that a session moves to a fresh replica are written down under it,
 * with what they had seen by then. The old ones stay: who holds a copy of the store may still send
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/device.h"
#include "tests/simulation/disk_file.h"

/* An update that waits, before the move. */
struct waiting {
    struct replica_id replica;
    uint64_t first;
    uint64_t last;
};

struct waitings {
    struct waiting *items;
    size_t length;
};

static struct waitings list_waiting(const struct session *session)
{
    struct waitings list = {0};
    size_t capacity = 0;
    for (size_t i = 0; i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        for (size_t k = 0; k < box->length; k++) {
            const struct delta *delta = &box->deltas[k];
            if (!delta->rejected && delta->first > box->acked) {
                list.items = history_grow(list.items, list.length, &capacity, sizeof *list.items);
                list.items[list.length++] =
                    (struct waiting){box->replica, delta->first, delta->last};
            }
        }
    }
    return list;
}

static bool stays(const struct session *session, const struct waiting *waiting)
{
    for (size_t i = 0; i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        for (size_t k = 0; history_same(&box->replica, &waiting->replica) && k < box->length; k++) {
            if (box->deltas[k].last == waiting->last) {
                return true;
            }
        }
    }
    return false;
}

static void rename_note(struct device *device, const struct history_edit *before,
                        const struct history_edit *after)
{
    struct device_note *notes = (struct device_note *)(void *)device->notes.data;
    for (size_t i = 0; i < device->notes.length / sizeof *notes; i++) {
        if (notes[i].seq == before->seq && history_same(&notes[i].replica, &before->replica)) {
            notes[i].replica = after->replica;
            notes[i].seq = after->seq;
        }
    }
}

/* One edit of the update, under its new name. */
static void write_down(struct device *device, const struct waiting *waiting, uint64_t seq,
                       const struct delta *moved)
{
    struct history_edit *before = history_edit_of(device->history, &waiting->replica, seq);
    struct history_seen *seen = disk_allocate((moved->seen_length + 1) * sizeof *seen);
    if (before == NULL) {
        host_violation(device->host, "device %u moves what nobody has edited", device->number);
        free(seen);
        return;
    }
    struct history_edit copy = *before;
    struct history_edit after = copy;
    after.replica = device->session.replica;
    after.seq = moved->first + (seq - waiting->first);
    after.refused = false;
    after.forbidden = false;
    after.told = false;
    after.position = 0;
    for (size_t i = 0; i < moved->seen_length; i++) {
        seen[i] = (struct history_seen){moved->seen[i].replica, moved->seen[i].seq};
    }
    history_add(device->history, &after, seen, moved->seen_length);
    rename_note(device, &copy, &after);
    free(seen);
}

static void follow(struct device *device, const struct waitings *list)
{
    const struct session *session = &device->session;
    const struct outbox *fresh = &session->outboxes[session->length - 1];
    size_t place = 0;
    for (size_t i = 0; i < list->length; i++) {
        if (stays(session, &list->items[i])) {
            continue;
        }
        if (place == fresh->length) {
            host_violation(device->host, "device %u lost an update on a move", device->number);
            return;
        }
        const struct delta *moved = &fresh->deltas[place++];
        for (uint64_t seq = list->items[i].first; seq <= list->items[i].last; seq++) {
            write_down(device, &list->items[i], seq, moved);
        }
    }
}

void device_move(struct device *device)
{
    struct replica_id replica = device_mint(device, &device->random);
    struct session_news news = {0};
    struct buffer bytes;
    struct waitings list = list_waiting(&device->session);
    /* A hub that has forgotten nothing can take all that no copy of a store has sent in part. */
    if (!device->history->lost && !device->history->crowded && !device->history->foreign) {
        host_violation(device->host, "device %u holds what the hub can never take", device->number);
    }
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    if (session_move(&device->session, &replica, &writer, &news) != SESSION_OK) {
        abort();
    }
    follow(device, &list);
    device->host->happened[HAPPENED_MOVED]++;
    device->likes = news.rejected > 0 ? 0 : device->likes;
    device_save(device);
    line_say(device->line, buffer_bytes(&bytes));
    device_open(device);
    buffer_finish(&bytes);
    free(list.items);
}
