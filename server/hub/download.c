#include "server/hub/download.h"

#include <stdlib.h>

#include "protocol/packet.h"
#include "protocol/rows.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

enum { BUSY_RETRY_MS = 1000, PIECE_BYTES = 64 << 10, STATUS_FAILED = 1 };

struct download *download_begin(const struct operator_call *call, bool copy)
{
    struct hub *hub = call->hub;
    struct download *download = NULL;
    size_t count = 0;
    bool busy = false;
    for (const struct download *at = hub->downloads; at != NULL; at = at->next) {
        count++;
        busy = busy || (copy && at->copy);
    }
    if (count >= LIMIT_DOWNLOADS) {
        limit_hit(hub, call->connection, HUB_LIMIT_DOWNLOADS);
    } else if (!busy) {
        download = calloc(1, sizeof *download);
    }
    if (download == NULL) {
        connection_error(hub, call->connection, call->id, CODE_BUSY, BUSY_RETRY_MS);
        return NULL;
    }
    *download = (struct download){.next = hub->downloads,
                                  .connection = call->connection->id,
                                  .call = call->id,
                                  .credit = LIMIT_TRANSFER_WINDOW,
                                  .copy = copy};
    buffer_init(&download->body, LIMIT_BODY_BYTES);
    hub->downloads = download;
    return download;
}

static void ask(struct hub *hub, uint64_t *request, const struct row_request *rows)
{
    struct hub_effect *effect = effect_load(hub, rows);
    effect->request = ++hub->last_request;
    *request = effect->request;
}

void download_write(struct writer *writer, struct connection *connection, struct download *download)
{
    download->transfer = --connection->last_hub_id;
    write_text(writer, "transfer");
    write_int(writer, download->transfer);
    write_pair_uint(writer, "bytes", download->bytes);
}

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void end(struct hub *hub, struct connection *connection, struct download *download,
                uint64_t status)
{
    struct packet packet = {.kind = PACKET_END, .id = download->transfer};
    packet.number.value = status;
    download->connection = 0;
    connection_answer(hub, connection, &packet);
}

/* The connection may end at any answer, and the download with it: `downloads_sweep` frees it. */
static void send(struct hub *hub, struct connection *connection, struct download *download,
                 struct bytes piece)
{
    while (piece.length > 0 && !connection->closing) {
        size_t length = (size_t)lesser(piece.length, LIMIT_CHUNK_BYTES);
        struct packet chunk = {.kind = PACKET_CHUNK, .id = download->transfer};
        chunk.chunk.bytes = (struct bytes){piece.data, length};
        piece = (struct bytes){piece.data + length, piece.length - length};
        download->sent += length;
        download->credit -= length;
        connection_answer(hub, connection, &chunk);
    }
}

static void send_memory(struct hub *hub, struct connection *connection, struct download *download)
{
    uint64_t length = lesser(download->bytes - download->sent, download->credit);
    const uint8_t *data = download->body.data;
    if (length > 0) {
        send(hub, connection, download, (struct bytes){data + download->sent, (size_t)length});
    }
}

void download_pump(struct hub *hub, struct download *download)
{
    struct connection *connection = connection_find(hub, download->connection);
    if (connection == NULL || download->transfer == 0 || download->request != 0) {
        return;
    }
    if (!download->copy) {
        send_memory(hub, connection, download);
    }
    uint64_t length = lesser(download->bytes - download->sent, download->credit);
    if (download->sent == download->bytes) {
        end(hub, connection, download, 0);
    } else if (download->copy && length > 0) {
        ask(hub, &download->request,
            &(struct row_request){.kind = ROWS_COPY_PIECE,
                                  .before = download->sent,
                                  .limit = lesser(length, PIECE_BYTES)});
    }
}

/* --- a copy of the data file --- */

void download_begin_copy(struct hub *hub, struct download *download)
{
    ask(hub, &download->request, &(struct row_request){.kind = ROWS_COPY_BEGIN});
}

static void tell_copy(struct hub *hub, struct connection *connection, struct download *download,
                      uint64_t position)
{
    struct writer writer = operator_begin(hub);
    write_map(&writer, 4);
    download_write(&writer, connection, download);
    write_pair_position(&writer, "position", position);
    write_text(&writer, "journal");
    write_bin(&writer, (struct bytes){hub->config.journal.bytes, JOURNAL_ID_BYTES});
    operator_answer(hub, connection, download->call, &writer);
}

static struct download *find(const struct hub *hub, uint64_t request)
{
    struct download *at = hub->downloads;
    while (at != NULL && (at->request != request || request == 0)) {
        at = at->next;
    }
    return at;
}

static bool read_copy(struct bytes rows, struct row *row)
{
    struct reader reader = reader_of(rows);
    return row_read(&reader, row) && row->kind == ROW_COPY;
}

static bool is_next(const struct download *download, const struct row *row)
{
    return row->detail.length > 0 && row->detail.length <= download->credit &&
           row->detail.length <= download->bytes - download->sent;
}

static void give_up(struct hub *hub, struct download *download)
{
    struct connection *connection = connection_find(hub, download->connection);
    if (connection != NULL && download->transfer != 0) {
        end(hub, connection, download, STATUS_FAILED);
    } else if (connection != NULL) {
        operator_refuse(hub, connection, download->call, CODE_UNAVAILABLE,
                        "The hub could not copy its database; its log says why.");
    }
    download->connection = 0;
}

bool download_loaded(struct hub *hub, uint64_t request, struct bytes rows)
{
    struct download *download = find(hub, request);
    struct row row;
    if (download == NULL) {
        return false;
    }
    struct connection *connection = connection_find(hub, download->connection);
    download->request = 0;
    if (connection == NULL) {
        return true;
    }
    if (!read_copy(rows, &row) || (download->transfer != 0 && !is_next(download, &row))) {
        give_up(hub, download);
        return true;
    }
    if (download->transfer == 0) {
        download->bytes = row.index;
        tell_copy(hub, connection, download, row.position);
    } else {
        send(hub, connection, download, row.detail);
    }
    download_pump(hub, download);
    return true;
}

bool download_load_failed(struct hub *hub, uint64_t request)
{
    struct download *download = find(hub, request);
    if (download != NULL) {
        download->request = 0;
        give_up(hub, download);
    }
    return download != NULL;
}

/* --- the connection --- */

bool download_credit(struct hub *hub, uint64_t connection, int64_t transfer, uint64_t bytes)
{
    for (struct download *at = hub->downloads; at != NULL; at = at->next) {
        if (at->connection == connection && at->transfer == transfer) {
            at->credit += lesser(bytes, LIMIT_BODY_BYTES - at->credit);
            download_pump(hub, at);
            return true;
        }
    }
    return false;
}

void downloads_drop(struct hub *hub, uint64_t connection)
{
    for (struct download *at = hub->downloads; at != NULL; at = at->next) {
        at->connection = at->connection == connection ? 0 : at->connection;
    }
}

static void finish(struct hub *hub, struct download **at)
{
    struct download *download = *at;
    *at = download->next;
    if (download->copy && hub->status == HUB_OK) {
        uint64_t nobodys;
        ask(hub, &nobodys, &(struct row_request){.kind = ROWS_COPY_END});
    }
    buffer_finish(&download->body);
    free(download);
}

void downloads_sweep(struct hub *hub)
{
    struct download **at = &hub->downloads;
    while (*at != NULL) {
        if ((*at)->connection == 0 && (*at)->request == 0) {
            finish(hub, at);
        } else {
            at = &(*at)->next;
        }
    }
}

void downloads_finish(struct hub *hub)
{
    while (hub->downloads != NULL) {
        struct download *download = hub->downloads;
        hub->downloads = download->next;
        buffer_finish(&download->body);
        free(download);
    }
}
