/* An operator's call `erase`: see erase.c. */
#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/job.h"
#include "server/hub/operator.h"
#include "server/hub/state.h"

/* The body is the record's packet. */
static void ready(struct hub *hub, struct job *job)
{
    static const uint8_t nobody[REPLICA_BYTES];
    struct record record = {.kind = RECORD_ERASE,
                            .name = document_name(job->document),
                            .replica = replica_id_make(hub->now_ms, nobody),
                            .field = UINT32_MAX,
                            .packet = buffer_bytes(&job->body)};
    job_submit(hub, job, &record);
}

/* NULL: there is no such set. */
static const struct schema_field *find_set(const struct operator_call *call)
{
    struct bytes schema_name;
    struct bytes key;
    document_name_split(call->values[0].text, &schema_name, &key);
    const struct schema *schema = schema_find(call->hub->config.schemas, schema_name);
    const struct schema_field *field =
        schema == NULL ? NULL : schema_field_by_name(schema, call->values[1].text);
    return field != NULL && field->declared.crdt.type->erase != NULL ? field : NULL;
}

static bool write_packet(struct job *job, const struct operator_call *call,
                         const struct schema_field *field)
{
    struct writer writer = writer_to(&job->body);
    write_array(&writer, field == NULL ? 0 : 2);
    if (field != NULL) {
        write_uint(&writer, field->number);
        write_bin(&writer, call->values[2].text);
    }
    return writer.status == PROTOCOL_OK;
}

void operator_erase(const struct operator_call *call)
{
    bool element = call->values[1].given;
    const struct schema_field *field = element ? find_set(call) : NULL;
    if (element != call->values[2].given) {
        operator_refuse(call->hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        "field and element stand together.");
        return;
    }
    if (element && field == NULL) {
        operator_refuse(call->hub, call->connection, call->id, CODE_BAD_PARAMETERS,
                        "field is the name of a set: or-set, g-set or 2p-set.");
        return;
    }
    struct job *job = job_begin(call, call->values[0].text, ready);
    if (job != NULL && !write_packet(job, call, field)) {
        hub_fail(call->hub, HUB_NO_MEMORY);
    }
}
