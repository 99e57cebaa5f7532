#include "clients/c/asking.h"

#include <string.h>

void asking_write(struct asking *asking, int64_t id, struct writer *writer)
{
    static const uint8_t no_parameters = 0xc0;
    const struct link_call *asked = &asking->call;
    struct packet packet = {.kind = PACKET_CALL, .id = id};
    packet.call.name = bytes_of_text(asked->method);
    packet.call.value =
        asked->parameters.length > 0 ? asked->parameters : (struct bytes){&no_parameters, 1};
    asking->id = id;
    packet_write(writer, &packet);
}

bool asking_is(const struct asking *asking, int64_t id)
{
    return asking->call.method != NULL && id == asking->id;
}

/* --- the answer --- */

static bool name_is(struct bytes name, const char *text)
{
    return name.length == strlen(text) && memcmp(name.data, text, name.length) == 0;
}

/* An answer that is a map may name a transfer, and how long it is. */
static void find_transfer(struct asking *asking, struct bytes value)
{
    struct reader reader = reader_of(value);
    if (asking->call.taken == NULL || reader_peek(&reader) != READER_MAP) {
        return;
    }
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct reader key = reader_of(read_raw(&reader));
        struct reader item = reader_of(read_raw(&reader));
        struct bytes name = read_string(&key, LIMIT_TEXT_BYTES);
        if (name_is(name, "transfer")) {
            asking->transfer = read_int(&item);
        } else if (name_is(name, "bytes")) {
            asking->left = read_uint(&item);
        }
    }
}

void asking_answered(struct asking *asking, const struct packet *packet)
{
    struct link_call asked = asking->call;
    if (!asking_is(asking, packet->id) || asking->transfer != 0) {
        return;
    }
    find_transfer(asking, packet->call.value);
    if (asking->transfer == 0) {
        asking->call.method = NULL;
    }
    asked.answered(asked.context, packet->call.value);
}

bool asking_refused(struct asking *asking, const struct packet_error *error)
{
    struct link_call asked = asking->call;
    if (asked.refused == NULL || !asked.refused(asked.context, error)) {
        return false;
    }
    asking->call.method = NULL;
    return true;
}

/* --- its transfer --- */

bool asking_transfers(const struct asking *asking, int64_t transfer)
{
    return asking->transfer != 0 && transfer == asking->transfer;
}

static void grant(struct asking *asking, uint64_t bytes, struct writer *writer)
{
    asking->ungranted += bytes;
    if (asking->ungranted < LIMIT_TRANSFER_WINDOW / 2) {
        return;
    }
    struct packet credit = {.kind = PACKET_CREDIT, .id = asking->transfer};
    credit.number.value = asking->ungranted;
    asking->ungranted = 0;
    packet_write(writer, &credit);
}

static bool take_chunk(struct asking *asking, const struct packet *packet, struct writer *writer,
                       const char **why)
{
    size_t length = packet->chunk.bytes.length;
    if (length > asking->left) {
        *why = "the hub sends more than it has said";
        return false;
    }
    asking->left -= length;
    if (!asking->call.taken(asking->call.context, packet->chunk.bytes)) {
        *why = "what the hub sends cannot be kept";
        return false;
    }
    grant(asking, length, writer);
    return true;
}

static void end(struct asking *asking, const struct packet *packet)
{
    struct asking asked = *asking;
    *asking = (struct asking){.transfer = 0};
    asked.call.ended(asked.call.context, packet->number.value == 0 && asked.left == 0);
}

bool asking_take(struct asking *asking, const struct packet *packet, struct writer *writer,
                 const char **why)
{
    if (packet->kind == PACKET_CHUNK) {
        return take_chunk(asking, packet, writer, why);
    }
    if (packet->kind == PACKET_END) {
        end(asking, packet);
    }
    return true;
}
