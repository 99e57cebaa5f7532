/* The metrics of webhooks, by their names, which the configuration gives. */
#include "server/metrics.h"

typedef uint64_t read_number(const struct webhook_stats *stats);

static uint64_t delivered(const struct webhook_stats *stats) { return stats->delivered; }
static uint64_t failed(const struct webhook_stats *stats) { return stats->failed; }
static uint64_t dead(const struct webhook_stats *stats) { return stats->dead; }
static uint64_t owed(const struct webhook_stats *stats) { return stats->owed; }
static uint64_t behind(const struct webhook_stats *stats) { return stats->behind; }
static uint64_t position(const struct webhook_stats *stats) { return stats->position; }
static uint64_t sending(const struct webhook_stats *stats) { return stats->sending; }
static uint64_t letters(const struct webhook_stats *stats) { return stats->letters; }
static uint64_t is_open(const struct webhook_stats *stats) { return stats->open; }
static uint64_t paused(const struct webhook_stats *stats) { return stats->paused; }

typedef void begin_family(struct metrics *metrics, const char *name, const char *help);

static const struct {
    begin_family *begin;
    const char *name;
    const char *help;
    read_number *number;
} families[] = {
    {metrics_counter, "syncline_webhook_deliveries_total", "Deliveries that the target has taken.",
     delivered},
    {metrics_counter, "syncline_webhook_failures_total", "Deliveries that it has not taken.",
     failed},
    {metrics_counter, "syncline_webhook_dead_total", "Deliveries that were given up.", dead},
    {metrics_gauge, "syncline_webhook_owed_documents",
     "Documents whose changes the target has not got yet, as far as they are known by name.", owed},
    {metrics_gauge, "syncline_webhook_behind",
     "1: there are more, which are looked for in the database.", behind},
    {metrics_gauge, "syncline_webhook_position",
     "All changes up to it are told, or known by name; the rest of the journal's is not.",
     position},
    {metrics_gauge, "syncline_webhook_sending", "Deliveries under way.", sending},
    {metrics_gauge, "syncline_webhook_dead_letters", "Dead letters that are kept.", letters},
    {metrics_gauge, "syncline_webhook_breaker_open", "1: it fails, and is only probed.", is_open},
    {metrics_gauge, "syncline_webhook_paused", "1: an operator has paused it.", paused},
};

void metrics_webhooks(struct metrics *metrics, struct loop *loop)
{
    struct webhook_stats stats[WEBHOOKS_MAX];
    size_t count = loop->webhooks == NULL ? 0 : webhooks_stats(loop->webhooks, stats, WEBHOOKS_MAX);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        families[i].begin(metrics, families[i].name, families[i].help);
        for (size_t k = 0; k < count; k++) {
            metrics_sample(metrics, "target", stats[k].name, families[i].number(&stats[k]));
        }
    }
}
