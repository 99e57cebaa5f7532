/* The network: messages on their way, and the ends of connections. */
#include <stdlib.h>
#include <string.h>

#include "tests/memory/machine_parts.h"

void machine_push(struct buffer *queue, struct bytes message)
{
    if (buffer_append(queue, &message.length, sizeof message.length) != PROTOCOL_OK ||
        buffer_append(queue, message.data, message.length) != PROTOCOL_OK) {
        abort();
    }
}

static bool pop(struct buffer *queue, struct buffer *message)
{
    size_t length;
    if (queue->length == 0) {
        return false;
    }
    memcpy(&length, queue->data, sizeof length);
    if (buffer_append(message, queue->data + sizeof length, length) != PROTOCOL_OK) {
        abort();
    }
    queue->length -= sizeof length + length;
    memmove(queue->data, queue->data + sizeof length + length, queue->length);
    return true;
}

void machine_cut(struct machine_line *line)
{
    line->hub_is_there = line->blocked = line->paused = line->closing = false;
    buffer_clear(&line->to_hub);
}

size_t machine_connect(struct machine *machine)
{
    for (size_t i = 0; i < MACHINE_LINES && machine->hub != NULL; i++) {
        struct machine_line *line = &machine->lines[i];
        if (line->connection == 0) {
            line->connection = ++machine->connections;
            line->hub_is_there = true;
            machine_step(machine, (struct hub_event){.kind = EVENT_CONNECTED,
                                                     .connection = line->connection});
            return i;
        }
    }
    return MACHINE_LINES;
}

void machine_say(struct machine *machine, size_t index, struct bytes message)
{
    if (machine->lines[index].hub_is_there) {
        machine_push(&machine->lines[index].to_hub, message);
    }
}

bool machine_hear(struct machine *machine, size_t index, struct buffer *message)
{
    struct machine_line *line = &machine->lines[index];
    bool heard = pop(&line->to_client, message);
    if (line->blocked && line->to_client.length < MACHINE_SOCKET_BYTES / 2) {
        line->blocked = false;
        machine_step(machine,
                     (struct hub_event){.kind = EVENT_WRITABLE, .connection = line->connection});
    }
    return heard;
}

void machine_leave(struct machine *machine, size_t index)
{
    struct machine_line *line = &machine->lines[index];
    if (line->hub_is_there) {
        machine_step(machine, (struct hub_event){.kind = EVENT_DISCONNECTED,
                                                 .connection = line->connection});
    }
    machine_cut(line);
    buffer_clear(&line->to_client);
    line->connection = 0;
}

bool machine_deliver(struct machine *machine, struct machine_line *line)
{
    struct buffer message;
    if (!line->hub_is_there || line->paused) {
        return false;
    }
    if (line->closing) {
        machine_step(machine, (struct hub_event){.kind = EVENT_DISCONNECTED,
                                                 .connection = line->connection});
        machine_cut(line);
        return true;
    }
    buffer_init(&message, SIZE_MAX / 2);
    bool popped = pop(&line->to_hub, &message);
    if (popped) {
        machine_step(machine, (struct hub_event){.kind = EVENT_RECEIVED,
                                                 .connection = line->connection,
                                                 .bytes = buffer_bytes(&message)});
    }
    buffer_finish(&message);
    return popped;
}
