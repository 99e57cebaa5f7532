#include "tests/simulation/device.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/declared.h"

static const char *const document_names[DEVICE_DOCUMENTS] = {"all/1", "all/2"};

enum { SKEWS = 5, SKEW_MS = 30000 };

/* In the order of history_write. */
static const struct {
    const char *name;
    const char *type;
    const char *options;
} fields[] = {
    {"likes", "g-counter", "{}"},
    {"points", "pn-counter", "{}"},
    {"stock", "bounded-counter", "{\"min\":0,\"max\":20}" /* HISTORY_STOCK_MAX */},
    {"seen", "g-set", "{\"of\":\"int\"}"},
    {"tags", "or-set", "{\"of\":\"string\"}"},
    {"cart", "map", "{\"of\":[\"pn-counter\",{}]}"},
    {"note", "mv-register", "{\"of\":\"any\"}"},
    {"open", "flag", "{\"wins\":\"disable\"}"},
    {"name", "lww-register", "{\"of\":\"string\"}"},
    {"later", "flag", "{\"wins\":\"enable\"}"}, /* that reloads add, and take out */
};

enum { FIELDS = sizeof fields / sizeof *fields };

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void device_declare(struct schema_set *schemas, bool longer)
{
    struct schema *schema = schema_set_add(schemas, text_bytes("all"));
    for (size_t i = 0; schema != NULL && i < FIELDS - (longer ? 0 : 1); i++) {
        struct schema_field *added = schema_add_field(schema, text_bytes(fields[i].name));
        if (added == NULL) {
            abort();
        }
        added->declared = declared(fields[i].type, fields[i].options);
        added->guarded = strcmp(fields[i].name, "open") == 0; /* rights.h */
    }
}

struct replica_id device_mint(const struct device *device, struct random *random)
{
    uint8_t bytes[REPLICA_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)random_next(random);
    }
    return replica_id_make(device->host->now_ms, bytes);
}

static void begin(struct device *device, struct random *random)
{
    struct replica_id replica = device_mint(device, random);
    session_init(&device->session, document_names[device->document], &replica);
    device->resend_ms = 0;
}

void device_init(struct device *device, unsigned number, unsigned document, struct line *line,
                 struct history *history, struct random *random)
{
    *device = (struct device){.number = number,
                              .document = document,
                              .host = line->host,
                              .history = history,
                              .line = line};
    device->skew_ms = ((int64_t)random_below(random, SKEWS) - SKEWS / 2) * SKEW_MS;
    buffer_init(&device->notes, LIMIT_BODY_BYTES);
    buffer_init(&device->saved, LIMIT_BODY_BYTES);
    buffer_init(&device->older, LIMIT_BODY_BYTES);
    buffer_init(&device->message, LIMIT_BODY_BYTES);
    device->random = (struct random){random_next(random)};
    line_add(line, device);
    begin(device, random);
}

void device_finish(struct device *device)
{
    session_finish(&device->session);
    buffer_finish(&device->notes);
    buffer_finish(&device->saved);
    buffer_finish(&device->older);
    buffer_finish(&device->message);
}

/* --- the store --- */

/* What is saved begins with this; the notes follow, then the session. */
struct head {
    unsigned document;
    size_t notes_bytes;
};

static void append(struct buffer *to, const void *data, size_t length)
{
    if (length > 0 && buffer_append(to, data, length) != PROTOCOL_OK) {
        abort();
    }
}

static void copy(struct buffer *to, const struct buffer *from)
{
    buffer_clear(to);
    append(to, from->data, from->length);
}

void device_save(struct device *device)
{
    struct head head = {.document = device->document, .notes_bytes = device->notes.length};
    device->unsaved = false;
    if (device->session.declared) {
        buffer_clear(&device->saved);
        append(&device->saved, &head, sizeof head);
        append(&device->saved, device->notes.data, device->notes.length);
        struct writer writer = writer_to(&device->saved);
        session_save(&device->session, &writer);
    }
}

static void load(struct device *device, const struct buffer *saved, struct random *random)
{
    struct head head = {.document = device->document};
    device->likes = device->unsaved ? 0 : device->likes; /* some that were shown were not saved */
    device->unsaved = false;
    device_close(device);
    session_finish(&device->session);
    buffer_clear(&device->notes);
    if (saved->length > 0) {
        memcpy(&head, saved->data, sizeof head);
        append(&device->notes, saved->data + sizeof head, head.notes_bytes);
    }
    device->document = head.document;
    begin(device, random);
    size_t start = sizeof head + head.notes_bytes;
    if (saved->length > 0 &&
        session_load(&device->session,
                     (struct bytes){saved->data + start, saved->length - start}) != SESSION_OK) {
        host_violation(device->host, "device %u cannot load what it has saved", device->number);
    }
}

void device_restart(struct device *device, struct random *random)
{
    load(device, &device->saved, random);
}

void device_remember(struct device *device) { copy(&device->older, &device->saved); }

void device_roll_back(struct device *device, struct random *random)
{
    copy(&device->saved, &device->older);
    load(device, &device->saved, random);
    device->likes = 0; /* what was shown may be gone with what was saved */
}

void device_copy(struct device *device, const struct device *other, struct random *random)
{
    copy(&device->saved, &other->saved);
    load(device, &device->saved, random);
    device->likes = 0;
}

void device_begin_again(struct device *device) { load(device, &device->saved, &device->random); }

void device_show(const struct device *device, struct buffer *text)
{
    buffer_clear(text);
    struct writer writer = writer_to(text);
    if (device->session.declared && session_json(&device->session, NULL, &writer) != SESSION_OK) {
        host_violation(device->host, "device %u cannot show its document", device->number);
    }
    write_raw(&writer, (struct bytes){(const uint8_t *)"", 1});
}
