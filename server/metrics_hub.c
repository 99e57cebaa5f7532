/* The metrics of the hub: what it holds now, and what it has counted. */
#include <stdio.h>

#include "server/hub/codes.h"
#include "server/metrics.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

void metrics_hub(struct metrics *metrics, struct loop *loop)
{
    struct hub_stats stats;
    struct net_stats net;
    const struct hub_config *config = hub_configured(loop->hub);
    hub_stats(loop->hub, &stats);
    net_stats(loop->net, &net);
    const struct {
        const char *name;
        const char *help;
        uint64_t number;
    } gauges[] = {
        {"syncline_connections", "WebSocket connections.", stats.connections},
        {"syncline_connections_max", "limits.connections.", config->connections_max},
        {"syncline_connections_paused", "Connections that are not read from now.", stats.paused},
        {"syncline_principals", "Principals that tokens have named and that are connected.",
         stats.principals},
        {"syncline_streams", "Open documents of all connections.", stats.streams},
        {"syncline_documents", "Documents in memory.", stats.documents},
        {"syncline_memory_bytes", "Memory of documents and of who has them open.",
         stats.memory_bytes},
        {"syncline_memory_max_bytes", "limits.memory.", config->memory_limit},
        {"syncline_answers_bytes", "Answers that wait to be read by their clients.",
         stats.answer_bytes},
        {"syncline_gathered_bytes", "Messages and bodies that are not all here.",
         net.gathered_bytes},
        {"syncline_held_bytes", "Messages that wait for their turn.", stats.held_bytes},
        {"syncline_unsent_bytes", "Messages that are not all gone, at the most.", net.unsent_bytes},
        {"syncline_buffers_max_bytes", "limits.buffers: for each of the four before.",
         config->buffer_bytes},
        {"syncline_handshakes", "Connections that are no WebSocket, or not yet.", net.handshakes},
        {"syncline_requests", "HTTP requests that wait for their answer.", net.requests},
        {"syncline_pending_updates", "Updates that wait for the journal.", stats.pending},
        {"syncline_pending_bytes", "Their bytes.", stats.pending_bytes},
        {"syncline_read_only", "1: the disk does not take what is written.", stats.read_only},
        {"syncline_draining", "1: the hub is about to stop.", stats.draining},
        {"syncline_journal_position", "Position of the last batch that was merged.",
         stats.position},
        {"syncline_journal_kept_batches", "Batches whose rows may not be stored yet.",
         stats.position - stats.trimmed},
    };
    for (size_t i = 0; i < COUNT_OF(gauges); i++) {
        metrics_gauge_of(metrics, gauges[i].name, gauges[i].help, gauges[i].number);
    }
}

static void write_results(struct metrics *metrics, const struct hub_counters *counters)
{
    static const char *const labels[] = {"kind", "result"};
    static const char *const kinds[] = {[UPDATE_DELTA] = "delta", [UPDATE_STATE] = "state"};
    metrics_counter(metrics, "syncline_updates_total",
                    "Updates merged, by kind and result: accepted, or the code of the REJECT.");
    for (size_t kind = 0; kind < UPDATE_KINDS; kind++) {
        for (size_t code = 0; code < HUB_CODE_COUNT; code++) {
            const char *result =
                code == CODE_NONE ? "accepted" : hub_code_name((enum hub_code)code);
            if (code == CODE_NONE || counters->results[kind][code] > 0) {
                metrics_sample_two(metrics, labels, (const char *const[]){kinds[kind], result},
                                   counters->results[kind][code]);
            }
        }
    }
}

/* All codes, so that a rate can be told from the first one on. */
static void write_errors(struct metrics *metrics, const struct hub_counters *counters)
{
    metrics_counter(metrics, "syncline_errors_total", "ERRORs, and CLOSEs with a code, by code.");
    for (size_t code = CODE_NONE + 1; code < HUB_CODE_COUNT; code++) {
        metrics_sample(metrics, "code", hub_code_name((enum hub_code)code), counters->errors[code]);
    }
}

static void write_limits(struct metrics *metrics, const struct hub_counters *counters,
                         const struct net_stats *net, const struct api_stats *api)
{
    metrics_counter(metrics, "syncline_limit_hits_total",
                    "How often a bound was met, by its name (docs/config.md).");
    for (size_t limit = 0; limit < HUB_LIMIT_COUNT; limit++) {
        uint64_t beside = limit == HUB_LIMIT_BUFFERS         ? net->overfull
                          : limit == HUB_LIMIT_MESSAGE_BYTES ? net->too_long
                                                             : 0;
        metrics_sample(metrics, "limit", hub_limit_name((enum hub_limit)limit),
                       counters->limits[limit] + beside);
    }
    metrics_sample(metrics, "limit", "handshakes", net->handshakes_cut);
    metrics_sample(metrics, "limit", "requests", net->requests_refused + api->requests_refused);
    metrics_sample(metrics, "limit", "request_bytes", net->bodies_refused);
    metrics_sample(metrics, "limit", "watches", api->watches_refused);
    metrics_sample(metrics, "limit", "keys_per_principal", api->keys_refused);
}

void metrics_codes(struct metrics *metrics, const struct loop_code codes[LOOP_CODES])
{
    for (size_t i = 0; i < LOOP_CODES && codes[i].code != 0; i++) {
        char code[16];
        (void)snprintf(code, sizeof code, "%u", codes[i].code);
        metrics_sample(metrics, "code", code, codes[i].count);
    }
}

static void write_loop(struct metrics *metrics, const struct loop_counters *counters)
{
    metrics_counter(metrics, "syncline_closes_total",
                    "Connections that the hub has closed, by WebSocket code.");
    metrics_codes(metrics, counters->closes);
    metrics_counter(metrics, "syncline_tokens_total", "Tokens looked at, by verdict.");
    for (size_t i = 0; i < TOKEN_STATUS_COUNT; i++) {
        metrics_sample(metrics, "verdict", token_status_name((enum token_status)i),
                       counters->verdicts[i]);
    }
}

void metrics_counted(struct metrics *metrics, struct loop *loop)
{
    const struct hub_counters *hub = hub_counters(loop->hub);
    struct net_stats net;
    struct api_stats api;
    net_stats(loop->net, &net);
    api_stats(loop->api, &api);
    const struct {
        const char *name;
        const char *help;
        uint64_t number;
    } counters[] = {
        {"syncline_connections_total", "Connections taken in.", hub->connections},
        {"syncline_streams_opened_total", "Documents opened.", hub->opened},
        {"syncline_streams_resumed_total", "Of these by a cursor that was good: no snapshot.",
         hub->resumed},
        {"syncline_edits_total", "Edits that accepted updates held.", hub->edits},
        {"syncline_repeats_total", "Updates that came again and had taken effect.", hub->repeats},
        {"syncline_gaps_total", "Updates that did not follow on what the hub has.", hub->gaps},
        {"syncline_received_messages_total", "WebSocket messages received.", hub->messages_in},
        {"syncline_received_bytes_total", "Their bytes.", hub->bytes_in},
        {"syncline_sent_messages_total", "WebSocket messages sent.", hub->messages_out},
        {"syncline_sent_bytes_total", "Their bytes.", hub->bytes_out},
        {"syncline_snapshots_sent_total", "Whole documents sent.", hub->snapshots},
        {"syncline_updates_sent_total", "UPDATEs sent.", hub->updates_sent},
        {"syncline_transfers_total", "Of both, what travelled in pieces.", hub->transfers},
        {"syncline_journal_batches_total", "Batches committed.", hub->batches},
        {"syncline_journal_bytes_total", "Their bytes.", hub->batch_bytes},
        {"syncline_journal_failures_total", "Batches that the disk has not taken.",
         hub->appends_failed},
        {"syncline_loads_total", "Reads of a document's rows.", hub->loads},
        {"syncline_load_failures_total", "Of these the ones that failed.", hub->loads_failed},
        {"syncline_stores_total", "Writes of changed rows.", hub->stores},
        {"syncline_store_failures_total", "Writes of rows that the disk has not taken.",
         hub->stores_failed},
        {"syncline_damaged_documents_total", "Documents with a row that makes no sense.",
         hub->damaged},
    };
    for (size_t i = 0; i < COUNT_OF(counters); i++) {
        metrics_counter_of(metrics, counters[i].name, counters[i].help, counters[i].number);
    }
    write_results(metrics, hub);
    write_errors(metrics, hub);
    write_limits(metrics, hub, &net, &api);
    write_loop(metrics, &loop->counters);
    metrics_histogram(metrics, "syncline_batch_updates", "Updates in a batch of the journal.",
                      &hub->batch_updates, 1);
    metrics_histogram(metrics, "syncline_commit_duration_seconds",
                      "A batch, from the request to write it until it is durable.",
                      &loop->counters.commit_us, 1e6);
    metrics_histogram(metrics, "syncline_publish_duration_seconds",
                      "An UPDATE, from the commit of what it tells until it is sent.",
                      &hub->publish_us, 1e6);
    metrics_histogram(metrics, "syncline_end_to_end_duration_seconds",
                      "An UPDATE, from the arrival of what it tells until it is sent.",
                      &hub->end_to_end_us, 1e6);
}
