/*
 * Says of each file of a folder whether the C codec takes it as a message, for comparison with the
 * TypeScript codec (tests/clients/js/corpus.test.mjs): "accepted NAME" or "refused NAME". What
 * packet_read leaves as raw msgpack, for codecs that refuse it later, is looked at, too: texts,
 * integers that are ever sent, and the keys of fields and details.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/session.h"
#include "protocol/limits.h"
#include "protocol/packet.h"

enum { PATH_BYTES = 4096, FILE_BYTES = 1 << 20 };

static bool has_replicas(struct bytes raw)
{
    struct reader left;
    size_t length = packet_replicas(raw, &left);
    for (size_t i = 0; i < length; i++) {
        (void)packet_read_replica(&left);
    }
    return reader_ok(&left);
}

static bool has_context(struct bytes raw)
{
    struct packet_context context;
    struct reader reader = reader_of(raw);
    packet_read_context(&reader, &context);
    for (size_t i = 0; i < context.length; i++) {
        (void)packet_read_seen(&context.seen);
    }
    return reader_ok(&reader) && reader_ok(&context.seen);
}

static bool has_stream(const struct packet *packet)
{
    struct session session;
    struct session_news news;
    struct replica_id replica = {{0}};
    session_init(&session, "post/1", &replica);
    bool good = session_receive(&session, packet, &news) == SESSION_OK;
    session_finish(&session);
    return good;
}

static bool has_keys(struct bytes map)
{
    struct reader reader = reader_of(map);
    bool good = true;
    for (size_t length = map.data == NULL ? 0 : read_map(&reader, LIMIT_OBJECTS); length > 0;
         length--) {
        enum reader_type type = reader_peek(&reader);
        good = good && (type == READER_STRING || type == READER_INT);
        reader_skip(&reader, 2);
    }
    return good && reader_ok(&reader);
}

static bool is_packet(const struct packet *packet)
{
    switch (packet->kind) {
    case PACKET_SNAPSHOT:
    case PACKET_UPDATE:
        return has_keys(packet->content.fields);
    case PACKET_REJECT:
        return has_keys(packet->reject.details);
    case PACKET_ERROR:
        return has_keys(packet->error.details);
    case PACKET_WELCOME: /* one without something, which reads as 0, is for C alone */
        return packet->welcome.streams > 0 && packet->welcome.replicas > 0 &&
               packet->welcome.message_bytes > 0 && packet->welcome.ping_ms > 0 &&
               packet->welcome.resume_ms > 0 && packet->welcome.schema.data != NULL;
    case PACKET_OPEN:
        return has_replicas(packet->open.replicas);
    case PACKET_OPENED:
        return has_stream(packet);
    case PACKET_DELTA:
    case PACKET_STATE:
        return has_context(packet->update.context) && has_keys(packet->update.fields);
    default:
        return true;
    }
}

static bool is_sent(struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    bool good = true;
    while (good && reader_ok(&reader) && reader.left.length > 0) {
        switch (reader_peek(&reader)) {
        case READER_STRING:
            (void)read_string(&reader, LIMIT_BODY_BYTES);
            break;
        case READER_INT: {
            int64_t number = read_int(&reader);
            good = number <= CRDT_INTEGER_MAX && number >= -CRDT_INTEGER_MAX;
            break;
        }
        case READER_ARRAY:
            (void)read_array(&reader, LIMIT_BODY_BYTES);
            break;
        case READER_MAP:
            (void)read_map(&reader, LIMIT_BODY_BYTES);
            break;
        default:
            reader_skip(&reader, 1);
        }
    }
    return good && reader_ok(&reader);
}

static bool is_message(struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    struct packet packet;
    bool good = is_sent(bytes);
    while (good && packet_read(&reader, &packet)) {
        good = is_packet(&packet);
    }
    return good && reader_ok(&reader);
}

int main(int count, char **arguments)
{
    static uint8_t data[FILE_BYTES];
    DIR *folder = count == 2 ? opendir(arguments[1]) : NULL;
    if (folder == NULL) {
        (void)fprintf(stderr, "usage: packet_verdicts FOLDER\n");
        return EXIT_FAILURE;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", arguments[1], entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file != NULL) {
            size_t length = fread(data, 1, sizeof data, file);
            (void)fclose(file);
            bool taken = is_message((struct bytes){data, length});
            (void)printf("%s %s\n", taken ? "accepted" : "refused", entry->d_name);
        }
    }
    (void)closedir(folder);
    return EXIT_SUCCESS;
}
