/* The metrics of the HTTP API, and of TLS. */
#include "server/metrics.h"

static void write_answers(struct metrics *metrics, const struct loop_counters *counters)
{
    metrics_counter(metrics, "syncline_http_requests_total",
                    "HTTP requests that were answered, by status code.");
    metrics_codes(metrics, counters->answers);
    metrics_histogram(metrics, "syncline_http_request_duration_seconds",
                      "An HTTP request, from when it was all here until it was answered.",
                      &counters->answer_us, 1e6);
}

static void write_tls(struct metrics *metrics, const struct net_handshakes *tls)
{
    metrics_counter(metrics, "syncline_tls_handshakes_total", "TLS handshakes, by result.");
    metrics_sample(metrics, "result", "done", tls->done);
    metrics_sample(metrics, "result", "failed", tls->failed);
    metrics_gauge(metrics, "syncline_tls_certificate_expiry_timestamp_seconds",
                  "When the hub's certificate expires, in seconds since 1970.");
    if (tls->expires_s > 0) {
        metrics_sample(metrics, NULL, NULL, (uint64_t)tls->expires_s);
    }
}

void metrics_http(struct metrics *metrics, struct loop *loop)
{
    struct net_stats net;
    struct api_stats api;
    net_stats(loop->net, &net);
    api_stats(loop->api, &api);
    write_answers(metrics, &loop->counters);
    metrics_gauge_of(metrics, "syncline_http_watches",
                     "Streams of server-sent events that are open.", api.watches);
    write_tls(metrics, &net.tls);
}
