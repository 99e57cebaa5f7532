/* The user of a device: what is edited, and what is looked at. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/edits.h"
#include "crdt/bounded.h"
#include "crdt/counter.h"
#include "tests/simulation/device.h"
#include "tests/simulation/disk_file.h"

enum { WORDS_MAX = 6, STOCK_FIELD = 2 };

/* So many updates that wait are stored apart (docs/protocol.md, Updates). */
enum { STORED_MAX = 64 };

static size_t split(char *text, const char **words)
{
    size_t length = 0;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        words[length++] = word;
    }
    return length;
}

/* Field and words, as on a command line; false: the edit was not possible. */
static bool make(struct device *device, const char *text)
{
    char line[128];
    const char *words[WORDS_MAX] = {0};
    (void)snprintf(line, sizeof line, "%s", text);
    size_t length = split(line, words);
    const struct edit edit = {.verb = words[1], .values = words + 2, .length = length - 2};
    session_set_time(&device->session, (uint64_t)((int64_t)device->host->now_ms + device->skew_ms));
    enum session_status status = session_edit(&device->session, words[0], &edit);
    if (status != SESSION_OK && status != SESSION_OUT_OF_BOUNDS) {
        host_violation(device->host, "device %u: %s: %s", device->number, text,
                       session_status_text(status));
    }
    return status == SESSION_OK;
}

static void set_name(char *text, size_t size, int64_t amount)
{
    char *name = history_name(amount);
    (void)snprintf(text, size, "name set %s", name);
    free(name);
}

/* What a user may do, as words, and what is meant by it. */
static struct history_edit plan(const struct device *device, struct random *random, char *text,
                                size_t size)
{
    struct history_edit edit = {.document = device->document};
    edit.kind = (enum history_kind)random_below(random, HISTORY_NAME + 1);
    int64_t sign = random_once_in(random, 2) ? -1 : 1;
    const char *direction = sign < 0 ? "decrement" : "increment";
    uint64_t number = device->history->length + 1;
    edit.amount = (int64_t)random_below(random, 5) + 1;
    switch (edit.kind) {
    case HISTORY_LIKES:
        (void)snprintf(text, size, "likes increment %" PRId64, edit.amount);
        return edit;
    case HISTORY_POINTS:
    case HISTORY_STOCK:
        (void)snprintf(text, size, "%s %s %" PRId64,
                       edit.kind == HISTORY_STOCK ? "stock" : "points", direction, edit.amount);
        edit.amount *= sign;
        return edit;
    case HISTORY_SEEN:
        edit.element = number;
        (void)snprintf(text, size, "seen add %" PRIu64, edit.element);
        return edit;
    case HISTORY_TAG:
    case HISTORY_UNTAG:
        edit.element = random_below(random, HISTORY_TAGS);
        (void)snprintf(text, size, "tags %s t%" PRIu64, edit.kind == HISTORY_TAG ? "add" : "remove",
                       edit.element);
        return edit;
    case HISTORY_CART:
        edit.element = random_below(random, HISTORY_CART_KEYS);
        (void)snprintf(text, size, "cart put k%" PRIu64 " %s %" PRId64, edit.element, direction,
                       edit.amount);
        edit.amount *= sign;
        return edit;
    case HISTORY_UNCART:
        edit.element = random_below(random, HISTORY_CART_KEYS);
        (void)snprintf(text, size, "cart remove k%" PRIu64, edit.element);
        return edit;
    case HISTORY_NOTE:
        edit.amount = (int64_t)number;
        (void)snprintf(text, size, "note set %" PRId64, edit.amount);
        return edit;
    case HISTORY_OPEN:
        edit.amount = sign > 0;
        (void)snprintf(text, size, "open %s", sign < 0 ? "disable" : "enable");
        return edit;
    case HISTORY_RESERVE:
        (void)snprintf(text, size, sign < 0 ? "stock release" : "stock reserve %" PRId64 " %d",
                       edit.amount, (int)random_below(random, DEVICE_LEASE_MS / 1000) + 1);
        edit.amount = sign < 0 ? 0 : edit.amount;
        return edit;
    case HISTORY_NAME:
        set_name(text, size, edit.amount);
        return edit;
    }
    abort();
}

/* What the device has of others, and what waits on it. */
static void note(const struct device *device, struct history_edit *edit)
{
    const struct session *session = &device->session;
    const struct outbox *own = &session->outboxes[session->length - 1];
    struct history_seen *seen = disk_allocate(session->length * sizeof *seen);
    edit->replica = own->replica;
    edit->seq = own->seq;
    edit->journal = session->cursor_journal;
    edit->cursor = session->has_cursor ? session->cursor : 0;
    size_t length = 0;
    for (size_t i = 0; i < session->length; i++) {
        const struct outbox *box = &session->outboxes[i];
        if (box->length > 0) { /* what nothing waits of is below the cursor */
            seen[length++] = (struct history_seen){box->replica, box->seq};
        }
    }
    history_add(device->history, edit, seen, length);
    free(seen);
}

static void keep_note(struct device *device, const struct history_edit *edit)
{
    struct device_note kept;
    memset(&kept, 0, sizeof kept); /* its padding is saved, too */
    kept.replica = edit->replica;
    kept.seq = edit->seq;
    if (buffer_append(&device->notes, &kept, sizeof kept) != PROTOCOL_OK) {
        abort();
    }
}

/* Whether the hub goes on from a point that may lie before what is shown: a backup was restored. */
static bool is_behind(const struct device *device)
{
    return device->line->welcomed && device->session.has_cursor &&
           memcmp(device->session.cursor_journal.bytes, device->line->journal.bytes,
                  JOURNAL_ID_BYTES) != 0;
}

/* Whether likes of its own may have been refused without a word: its store went on elsewhere, and
 * the hub tells of the last refusals only. */
static bool may_be_untold(const struct device *device)
{
    const struct device_note *notes = (const struct device_note *)(const void *)device->notes.data;
    size_t length = device->notes.length / sizeof *notes;
    bool forgotten = false;
    for (size_t i = 0; i < length && !forgotten; i++) {
        uint64_t journaled = history_replica_of(device->history, &notes[i].replica)->journaled;
        forgotten = journaled >= notes[i].seq + LIMIT_REJECTIONS;
    }
    return device->history->tokens && device->history->copied && forgotten;
}

/* Likes only grow: what was shown is never taken back, neither others' nor one's own that wait and
 * are not refused. */
void device_look(struct device *device)
{
    struct crdt_field *view = device->session.declared ? session_view(&device->session, 0) : NULL;
    if (view == NULL) {
        return;
    }
    int64_t likes = ((const struct crdt_counter *)view)->total;
    if (likes < device->likes && !is_behind(device) && !may_be_untold(device)) {
        host_violation(device->host, "device %u was shown %" PRId64 " likes, and now %" PRId64,
                       device->number, device->likes, likes);
    }
    device->likes = is_behind(device) ? 0 : likes;
    view->type->destroy(view);
}

bool device_shows_lease(const struct device *device)
{
    struct crdt_field *view = session_view(&device->session, STOCK_FIELD);
    if (view == NULL) {
        abort();
    }
    bool shows = ((const struct crdt_bounded *)view)->length > 0;
    view->type->destroy(view);
    return shows;
}

/* `saved`: at once; else with the next, or before it is sent. */
static void made(struct device *device, struct history_edit *edit, bool saved)
{
    note(device, edit);
    keep_note(device, edit);
    const struct session *session = &device->session;
    bool crowded = session->outboxes[session->length - 1].length >= STORED_MAX;
    device->history->crowded = device->history->crowded || crowded;
    device->unsaved = true;
    if (saved) {
        device_save(device);
    }
    device_look(device);
    device->host->happened[HAPPENED_EDIT]++;
    device->host->happened[HAPPENED_RESERVE] += edit->kind == HISTORY_RESERVE;
}

void device_edit(struct device *device, struct random *random)
{
    char text[128];
    if (!device->session.declared) {
        return;
    }
    struct history_edit edit = plan(device, random, text, sizeof text);
    if (make(device, text)) {
        made(device, &edit, !random_once_in(random, 4));
        host_tell(device->host, "%s: edit %" PRIu64 " of replica ..%02x%02x, seen up to %" PRIu64,
                  text, edit.seq, edit.replica.bytes[14], edit.replica.bytes[15], edit.cursor);
    } else {
        device->host->happened[HAPPENED_OWN_REFUSAL]++;
    }
}

void device_rename(struct device *device, size_t bytes)
{
    char *text = history_name((int64_t)bytes);
    const char *words[] = {text};
    struct history_edit edit = {
        .document = device->document, .kind = HISTORY_NAME, .amount = (int64_t)bytes};
    const struct edit verb = {.verb = "set", .values = words, .length = 1};
    if (session_edit(&device->session, "name", &verb) == SESSION_OK) {
        made(device, &edit, true);
    }
    free(text);
}
