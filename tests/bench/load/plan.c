#include "tests/bench/load/plan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/load/fail.h"

enum { HEAD_BYTES_MAX = 14, BINARY = 0x82, MASKED = 0x80 };

struct cursor {
    const uint8_t *at;
    size_t left;
};

static const uint8_t *take(struct cursor *cursor, size_t length)
{
    if (length > cursor->left) {
        fail("the plan is cut short");
    }
    const uint8_t *taken = cursor->at;
    cursor->at += length;
    cursor->left -= length;
    return taken;
}

static uint32_t take_number(struct cursor *cursor)
{
    uint32_t number;
    memcpy(&number, take(cursor, sizeof number), sizeof number);
    return number;
}

static struct bytes take_bytes(struct cursor *cursor)
{
    size_t length = take_number(cursor);
    return (struct bytes){take(cursor, length), length};
}

size_t frame_head(uint8_t head[HEAD_BYTES_MAX], size_t length)
{
    size_t size = 2;
    head[0] = BINARY;
    if (length < 126) {
        head[1] = (uint8_t)(MASKED | length);
    } else {
        size_t width = length < 65536 ? 2 : 8;
        head[1] = (uint8_t)(MASKED | (width == 2 ? 126 : 127));
        for (size_t i = 0; i < width; i++) {
            head[size++] = (uint8_t)(length >> (8 * (width - 1 - i)));
        }
    }
    memset(&head[size], 0, 4); /* the mask */
    return size + 4;
}

size_t frames_end(const struct frames *frames, size_t count)
{
    return count == 0 ? 0 : frames->ends[count - 1];
}

static size_t messages_bytes(struct cursor cursor, size_t length)
{
    size_t total = 0;
    for (size_t i = 0; i < length; i++) {
        total += take_bytes(&cursor).length + HEAD_BYTES_MAX;
    }
    return total;
}

static struct frames take_frames(struct cursor *cursor)
{
    struct frames frames = {.length = take_number(cursor)};
    if (frames.length == 0) {
        return frames;
    }
    frames.bytes = allocate(messages_bytes(*cursor, frames.length));
    frames.ends = allocate(frames.length * sizeof *frames.ends);
    size_t end = 0;
    for (size_t i = 0; i < frames.length; i++) {
        struct bytes message = take_bytes(cursor);
        end += frame_head(&frames.bytes[end], message.length);
        memcpy(&frames.bytes[end], message.data, message.length);
        end += message.length;
        frames.ends[i] = end;
    }
    return frames;
}

static void map_file(struct plan *plan, const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0) {
        fail("%s cannot be read", path);
    }
    plan->file_bytes = (size_t)status.st_size;
    plan->file = mmap(NULL, plan->file_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    (void)close(file);
    if (plan->file == MAP_FAILED) {
        fail("%s cannot be mapped", path);
    }
}

void plan_read(struct plan *plan, const char *path)
{
    map_file(plan, path);
    struct cursor cursor = {plan->file, plan->file_bytes};
    if (memcmp(take(&cursor, 4), "PLAN", 4) != 0) {
        fail("%s is no plan", path);
    }
    uint32_t dialect = take_number(&cursor);
    if (dialect >= DIALECTS) {
        fail("the plan has a dialect %u", dialect);
    }
    plan->dialect = (enum dialect)dialect;
    plan->length = take_number(&cursor);
    plan->clients = allocate(plan->length * sizeof *plan->clients);
    for (size_t i = 0; i < plan->length; i++) {
        struct plan_client *client = &plan->clients[i];
        client->path = take_bytes(&cursor);
        client->subprotocol = take_bytes(&cursor);
        client->join = take_frames(&cursor);
        client->updates = take_frames(&cursor);
    }
}

void plan_finish(struct plan *plan)
{
    for (size_t i = 0; i < plan->length; i++) {
        struct frames *both[] = {&plan->clients[i].join, &plan->clients[i].updates};
        for (size_t k = 0; k < 2; k++) {
            free(both[k]->bytes);
            free(both[k]->ends);
        }
    }
    free(plan->clients);
    (void)munmap(plan->file, plan->file_bytes);
}
