/* An operator's call `export`: a document's full state, as a download. */
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/download.h"
#include "server/hub/effects.h"
#include "server/hub/export.h"
#include "server/hub/job.h"
#include "server/hub/operator.h"

static void answer_nothing(struct hub *hub, struct job *job)
{
    static const uint8_t nil = 0xc0;
    job_answer(hub, job, (struct bytes){&nil, 1});
}

static void ready(struct hub *hub, struct job *job)
{
    struct connection *connection = connection_find(hub, job->connection);
    struct operator_call call = {.hub = hub, .connection = connection, .id = job->call};
    if (connection == NULL) {
        job_done(job);
        return;
    }
    if (job->document->position == 0) {
        answer_nothing(hub, job);
        return;
    }
    job_done(job);
    struct download *download = download_begin(&call, false);
    if (download == NULL) {
        return;
    }
    struct writer body = writer_to(&download->body);
    if (!export_write(hub, job->document, &body)) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    download->bytes = download->body.length;
    struct writer writer = operator_begin(hub);
    write_map(&writer, 2);
    download_write(&writer, connection, download);
    operator_answer(hub, connection, job->call, &writer);
    download_pump(hub, download);
}

void operator_export(const struct operator_call *call)
{
    (void)job_begin(call, call->values[0].text, ready);
}
