#include "tests/webhooks/receiver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES_MAX = 1 << 20, PIECE_BYTES = 16384 };

static const char filler[PIECE_BYTES];

/* --- connections --- */

static void drop(struct receiver *receiver, struct receiver_connection *connection)
{
    (void)close(connection->file);
    connection->file = -1;
    receiver->held -= connection->message != SIZE_MAX;
    connection->message = SIZE_MAX;
    connection->unsent = 0;
    buffer_finish(&connection->in);
}

static void listen_at(struct receiver *receiver)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)receiver->port)};
    socklen_t length = sizeof address;
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    receiver->file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = setsockopt(receiver->file, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    rc = rc == 0 ? bind(receiver->file, (struct sockaddr *)&address, sizeof address) : rc;
    rc = rc == 0 ? listen(receiver->file, RECEIVER_CONNECTIONS) : rc;
    rc = rc == 0 ? getsockname(receiver->file, (struct sockaddr *)&address, &length) : rc;
    assert(rc == 0);
    (void)rc;
    receiver->port = ntohs(address.sin_port);
}

void receiver_init(struct receiver *receiver)
{
    *receiver = (struct receiver){.reply = {.status = 200}};
    for (size_t i = 0; i < RECEIVER_CONNECTIONS; i++) {
        receiver->connections[i] = (struct receiver_connection){.file = -1, .message = SIZE_MAX};
    }
    buffer_init(&receiver->last, REQUEST_BYTES_MAX + 1);
    listen_at(receiver);
}

void receiver_close(struct receiver *receiver)
{
    for (size_t i = 0; i < RECEIVER_CONNECTIONS; i++) {
        if (receiver->connections[i].file >= 0) {
            drop(receiver, &receiver->connections[i]);
        }
    }
    (void)close(receiver->file);
    receiver->file = -1;
}

void receiver_reopen(struct receiver *receiver) { listen_at(receiver); }

void receiver_finish(struct receiver *receiver)
{
    receiver_close(receiver);
    buffer_finish(&receiver->last);
}

static void take_connections(struct receiver *receiver)
{
    for (size_t i = 0; i < RECEIVER_CONNECTIONS && receiver->file >= 0; i++) {
        struct receiver_connection *connection = &receiver->connections[i];
        if (connection->file < 0) {
            connection->file = accept4(receiver->file, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            buffer_init(&connection->in, REQUEST_BYTES_MAX);
        }
        if (connection->file < 0) {
            return;
        }
    }
}

/* --- answers --- */

static void answer(struct receiver *receiver, struct receiver_connection *connection,
                   const struct receiver_reply *reply)
{
    char head[256];
    char wait[64] = "";
    if (reply->status == REPLY_NEVER) {
        return;
    }
    if (reply->status == REPLY_CUT) {
        drop(receiver, connection);
        return;
    }
    if (reply->retry_after_s > 0) {
        (void)snprintf(wait, sizeof wait, "Retry-After: %u\r\n", reply->retry_after_s);
    }
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %u Some\r\nContent-Length: %zu\r\nLocation: "
                          "http://127.0.0.1:%u/elsewhere\r\n%s\r\n",
                          reply->status, reply->bytes, receiver->port, wait);
    receiver->messages[connection->message].taken = reply->status >= 200 && reply->status < 300;
    connection->message = SIZE_MAX;
    connection->unsent = reply->bytes;
    receiver->held--;
    if (send(connection->file, head, (size_t)length, MSG_NOSIGNAL) != length) {
        drop(receiver, connection);
    }
}

void receiver_release(struct receiver *receiver, unsigned status)
{
    for (size_t i = 0; i < RECEIVER_CONNECTIONS; i++) {
        if (receiver->connections[i].message != SIZE_MAX) {
            answer(receiver, &receiver->connections[i], &(struct receiver_reply){.status = status});
        }
    }
}

/* --- requests --- */

static void copy_text(const char *body, const char *key, char text[RECEIVER_TEXT_BYTES])
{
    const char *at = strstr(body, key);
    text[0] = '\0';
    if (at != NULL) {
        at += strlen(key);
        (void)snprintf(text, RECEIVER_TEXT_BYTES, "%.*s", (int)strcspn(at, "\""), at);
    }
}

static uint64_t number_of(const char *body, const char *key)
{
    const char *at = strstr(body, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static void note_message(struct receiver *receiver, struct receiver_connection *connection,
                         const char *body)
{
    assert(receiver->length < RECEIVER_MESSAGES);
    connection->message = receiver->length++;
    receiver->held++;
    receiver->held_most =
        receiver->held > receiver->held_most ? receiver->held : receiver->held_most;
    struct receiver_message *message = &receiver->messages[connection->message];
    *message = (struct receiver_message){.position = number_of(body, "\"position\":"),
                                         .after = number_of(body, "\"after\":")};
    copy_text(body, "\"target\":\"", message->target);
    copy_text(body, "\"document\":\"", message->document);
    copy_text(body, "\"id\":\"", message->id);
    struct receiver_reply reply = receiver->reply;
    if (receiver->answer != NULL) {
        reply = receiver->answer(receiver->context, message);
    }
    answer(receiver, connection, &reply);
}

/* One request at a time comes on a connection: whoever sends waits for the answer. */
static void take_request(struct receiver *receiver, struct receiver_connection *connection)
{
    buffer_clear(&receiver->last);
    bool copied =
        buffer_append(&receiver->last, connection->in.data, connection->in.length) == PROTOCOL_OK &&
        buffer_append(&receiver->last, "", 1) == PROTOCOL_OK;
    assert(copied);
    (void)copied;
    const char *text = (const char *)receiver->last.data;
    const char *end = strstr(text, "\r\n\r\n");
    if (end == NULL) {
        return;
    }
    size_t head = (size_t)(end - text) + 4;
    if (connection->in.length == head + number_of(text, "Content-Length: ")) {
        buffer_clear(&connection->in);
        note_message(receiver, connection, text + head);
    }
}

static void serve(struct receiver *receiver, struct receiver_connection *connection)
{
    char piece[PIECE_BYTES];
    while (connection->unsent > 0) {
        size_t most = connection->unsent < sizeof filler ? connection->unsent : sizeof filler;
        ssize_t sent = send(connection->file, filler, most, MSG_NOSIGNAL);
        if (sent <= 0) {
            break;
        }
        connection->unsent -= (size_t)sent;
    }
    ssize_t length = recv(connection->file, piece, sizeof piece, 0);
    if (length == 0) {
        drop(receiver, connection);
    } else if (length > 0) {
        bool kept = buffer_append(&connection->in, piece, (size_t)length) == PROTOCOL_OK;
        assert(kept);
        (void)kept;
        take_request(receiver, connection);
    }
}

void receiver_turn(struct receiver *receiver)
{
    take_connections(receiver);
    for (size_t i = 0; i < RECEIVER_CONNECTIONS; i++) {
        if (receiver->connections[i].file >= 0) {
            serve(receiver, &receiver->connections[i]);
        }
    }
}

size_t receiver_polls(const struct receiver *receiver,
                      struct pollfd polls[RECEIVER_CONNECTIONS + 1])
{
    size_t length = 0;
    if (receiver->file >= 0) {
        polls[length++] = (struct pollfd){.fd = receiver->file, .events = POLLIN};
    }
    for (size_t i = 0; i < RECEIVER_CONNECTIONS; i++) {
        const struct receiver_connection *one = &receiver->connections[i];
        if (one->file >= 0) {
            short events = one->unsent > 0 ? POLLIN | POLLOUT : POLLIN;
            polls[length++] = (struct pollfd){.fd = one->file, .events = events};
        }
    }
    return length;
}
