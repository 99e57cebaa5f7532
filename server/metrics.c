#include "server/metrics.h"

enum { METRICS_BYTES = 4 << 20 };

typedef void metrics_part(struct metrics *metrics, struct loop *loop);

static metrics_part *const parts[] = {metrics_hub, metrics_counted, metrics_storage,
                                      metrics_process};

bool metrics_write(struct buffer *out, struct loop *loop)
{
    struct metrics metrics = {.out = out};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i](&metrics, loop);
    }
    return !metrics.failed;
}

void metrics_answer(struct loop *loop, const struct net_request *request)
{
    struct buffer text;
    buffer_init(&text, METRICS_BYTES);
    if (metrics_write(&text, loop)) {
        struct net_answer answer = {.code = 200,
                                    .type = "text/plain; version=0.0.4; charset=utf-8",
                                    .body = buffer_bytes(&text)};
        net_answer(loop->net, request->id, &answer);
    } else {
        net_answer_problem(loop->net, request->id, 503, "the hub is out of memory", NULL);
    }
    buffer_finish(&text);
}
