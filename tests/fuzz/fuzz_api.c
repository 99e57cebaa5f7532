/*
 * Goal:   whatever stands in a request, and whoever leaves or stops reading when, each request is
 *         answered once, with JSON, and the hub goes on.
 * Method: the API before the hub's core, both real, over a storage that takes everything at once or
 *         later. Requests are put together from parts that make sense and bytes that do not; among
 *         them peers leave, sockets fill and time passes. At the end what was asked is settled.
 *         An input of odd length is for a hub that wants tokens.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/rows.h"
#include "server/api/api.h"
#include "server/hub/access.h"
#include "server/storage/storage.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/declared.h"

enum { REQUESTS = 64, QUEUED = 4096 };

struct asked {
    bool there;
    bool answered;
    bool more; /* a watch */
};

/* Events that wait for the step under way, as the loop has them. */
struct queued {
    struct hub_event event;
    uint8_t *bytes;
};

struct run {
    struct hub *hub;
    struct api *api;
    struct asked asked[REQUESTS];
    size_t length;
    struct queued queue[QUEUED];
    size_t first;
    size_t last;
    bool stepping;
    uint64_t now_ms;
    uint64_t position;
    uint64_t claim; /* that waits; 0: none */
    uint8_t replica[REPLICA_BYTES];
    bool tokens;
};

static struct schema_set schemas;

/* Whom tokens name: the text is the token, and the principal. */
static struct person {
    const char *token;
    enum hub_verdict verdict;
    uint64_t life_ms;
    unsigned rights; /* to post/1 */
    bool admin;
    struct buffer grants;
} people[] = {
    {.token = "ann", .verdict = VERDICT_ACCEPTED, .life_ms = 1000000, .rights = ACCESS_USE},
    {.token = "bob", .verdict = VERDICT_ACCEPTED, .life_ms = 1000, .rights = ACCESS_READ},
    {.token = "eve", .verdict = VERDICT_ACCEPTED, .life_ms = 1000000, .rights = ACCESS_PRESENCE},
    {.token = "root",
     .verdict = VERDICT_ACCEPTED,
     .life_ms = 1000000,
     .rights = ACCESS_ALL,
     .admin = true},
    {.token = "late", .verdict = VERDICT_EXPIRED},
    {.token = "none", .verdict = VERDICT_REFUSED},
};

enum { PEOPLE = sizeof people / sizeof *people };

static void declare(struct schema *schema, const char *name, const char *type, const char *options)
{
    struct schema_field *field =
        schema_add_field(schema, (struct bytes){(const uint8_t *)name, strlen(name)});
    FUZZ_REQUIRE(field != NULL);
    field->declared = declared(type, options);
    field->number = (uint32_t)schema->length - 1;
}

static void declare_all(void)
{
    struct schema *schema =
        schema_set_add(&schemas, (struct bytes){(const uint8_t *)"post", strlen("post")});
    FUZZ_REQUIRE(schema != NULL);
    declare(schema, "likes", "g-counter", "{}");
    declare(schema, "seats", "bounded-counter", "{\"min\":0,\"max\":5}");
    declare(schema, "tags", "or-set", "{\"of\":\"any\"}");
    declare(schema, "gone", "2p-set", "{\"of\":\"string\"}");
    declare(schema, "title", "lww-register", "{\"of\":\"any\"}");
    declare(schema, "open", "flag", "{}");
    declare(schema, "votes", "map", "{\"of\":[\"map\",{\"of\":[\"pn-counter\",{}]}]}");
}

static void grant_all(void)
{
    for (size_t i = 0; i < PEOPLE; i++) {
        buffer_init(&people[i].grants, 64);
        struct writer writer = writer_to(&people[i].grants);
        access_grant(&writer, bytes_of_text("post/1"), true, people[i].rights);
        FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
    }
}

/* --- what the loop and the storage do --- */

static void step(void *context, const struct hub_event *event);

static void tell(struct run *run, enum hub_event_kind kind, uint64_t request, struct bytes bytes)
{
    struct hub_event event = {
        .kind = kind, .request = request, .position = run->position, .bytes = bytes};
    step(run, &event);
}

/* Who is nobody of them is refused as `none` is. */
static void verify(struct run *run, const struct hub_effect *effect)
{
    size_t i = 0;
    while (i < PEOPLE - 1 && !bytes_equal(effect->bytes, bytes_of_text(people[i].token))) {
        i++;
    }
    step(run, &(struct hub_event){.kind = EVENT_VERIFIED,
                                  .connection = effect->connection,
                                  .request = effect->request,
                                  .verdict = people[i].verdict,
                                  .bytes = bytes_of_text(people[i].token),
                                  .grants = buffer_bytes(&people[i].grants),
                                  .expires_ms = run->now_ms + people[i].life_ms,
                                  .admin = people[i].admin});
}

static void perform(struct run *run, const struct hub_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_SEND:
    case EFFECT_CLOSE:
    case EFFECT_PAUSE:
    case EFFECT_RESUME:
        api_effect(run->api, effect);
        return;
    case EFFECT_APPEND:
        run->position++;
        tell(run, EVENT_APPENDED, 0, (struct bytes){0});
        return;
    case EFFECT_LOAD:
        tell(run, EVENT_LOADED, effect->request, (struct bytes){0});
        return;
    case EFFECT_CHANGED: /* nobody wants to know, and no operator asks */
    case EFFECT_VALUES:
    case EFFECT_ASK:
    case EFFECT_SCRUB:
        return;
    case EFFECT_STORE:
        tell(run, EVENT_STORED, 0, (struct bytes){0});
        return;
    case EFFECT_VERIFY:
        verify(run, effect);
        return;
    case EFFECT_NONE:
    case EFFECT_DAMAGED:
    case EFFECT_TRIM:
        return;
    }
}

static void take(struct run *run, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = run->now_ms;
    FUZZ_REQUIRE(hub_step(run->hub, &event, &effects) == HUB_OK);
    for (size_t i = 0; i < effects.length; i++) {
        perform(run, &effects.items[i]);
    }
}

static void queue(struct run *run, const struct hub_event *event)
{
    struct queued *queued = &run->queue[run->last++ % QUEUED];
    FUZZ_REQUIRE(run->last - run->first <= QUEUED);
    *queued = (struct queued){.event = *event, .bytes = malloc(event->bytes.length + 1)};
    FUZZ_REQUIRE(queued->bytes != NULL);
    if (event->bytes.length > 0) {
        memcpy(queued->bytes, event->bytes.data, event->bytes.length);
    }
    queued->event.bytes.data = queued->bytes;
}

static void step(void *context, const struct hub_event *event)
{
    struct run *run = context;
    if (run->stepping) {
        queue(run, event);
        return;
    }
    run->stepping = true;
    take(run, *event);
    while (run->first < run->last) {
        struct queued queued = run->queue[run->first++ % QUEUED];
        take(run, queued.event);
        free(queued.bytes);
    }
    run->stepping = false;
}

/* Of the last claim; another one before it is answered finds its errand gone or waiting for ever,
 * so it is answered first. */
static void answer_claim(struct run *run, enum storage_claim verdict)
{
    uint8_t bytes[REPLICA_BYTES + 8];
    struct buffer buffer = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&buffer);
    uint64_t claim = run->claim;
    write_array(&writer, 2);
    write_uint(&writer, verdict);
    write_bin(&writer, (struct bytes){run->replica, sizeof run->replica});
    run->claim = 0;
    if (claim != 0) {
        api_claimed(run->api, claim, buffer_bytes(&buffer));
    }
}

static bool claim(void *context, uint64_t request, struct bytes bytes)
{
    struct run *run = context;
    struct reader reader = reader_of(bytes);
    FUZZ_REQUIRE(read_tuple(&reader, 7) == 0);
    reader_skip(&reader, 3);
    struct bytes replica = read_bin(&reader, REPLICA_BYTES);
    FUZZ_REQUIRE(reader_ok(&reader) && replica.length == REPLICA_BYTES);
    answer_claim(run, CLAIM_NEW);
    memcpy(run->replica, replica.data, REPLICA_BYTES);
    run->claim = request;
    return true;
}

static uint64_t now_ms(void *context) { return ((struct run *)context)->now_ms; }

/* --- what comes back --- */

static void check_json(struct bytes body)
{
    json_t *json = json_loadb((const char *)body.data, body.length, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_REQUIRE(json_is_object(json));
    json_decref(json);
}

static void answer(void *context, uint64_t id, const struct net_answer *given)
{
    struct run *run = context;
    struct asked *asked = &run->asked[id];
    FUZZ_REQUIRE(id < run->length && asked->there && !asked->answered);
    FUZZ_REQUIRE(given->code >= 200 && given->code < 600 && given->code != 500);
    asked->answered = true;
    asked->more = given->more;
    if (given->code == 304) {
        FUZZ_REQUIRE(!given->more && given->body.length == 0);
    } else if (!given->more) {
        check_json(given->body);
    }
}

static void answer_more(void *context, uint64_t id, struct bytes piece, bool last)
{
    struct run *run = context;
    (void)piece;
    FUZZ_REQUIRE(id < run->length && run->asked[id].there && run->asked[id].more);
    run->asked[id].more = !last;
}

/* --- what is asked --- */

#define CHOOSE(input, texts) choose(input, texts, sizeof(texts) / sizeof *(texts))

/* One of the texts, or, one more, bytes as they stand there. */
static struct bytes choose(struct fuzz_input *input, const char *const *texts, size_t length)
{
    unsigned choice = fuzz_below(input, (unsigned)length + 1);
    return choice < length ? bytes_of_text(texts[choice]) : fuzz_bytes(input, 255);
}

static void ask(struct run *run, struct fuzz_input *input)
{
    static const char *const methods[] = {"GET", "PATCH", "POST"};
    static const char *const paths[] = {"/api/documents/post/1",
                                        "/api/documents/post/1/watch",
                                        "/api/documents/post/1/likes/increment",
                                        "/api/documents/post/1/seats/increment",
                                        "/api/documents/post/1/tags/add",
                                        "/api/documents/post/1/gone/remove",
                                        "/api/documents/post/1/votes/put",
                                        "/api/documents/post/1/title/set",
                                        "/api/documents",
                                        "/api/document",
                                        "/api/openapi.json"};
    static const char *const bodies[] = {
        "",
        "{}",
        "{\"by\":3}",
        "{\"elements\":[\"a\",1,{\"b\":[null]}]}",
        "{\"likes\":{\"increment\":1},\"tags\":{\"clear\":true,\"add\":[\"x\"]}}",
        "{\"key\":\"k\",\"edit\":{\"put\":{\"l\":{\"increment\":1}}}}",
        "{\"value\":1.5}"};
    static const char *const queries[] = {"", "name=post%2F1&field=likes&edit=increment"};
    static const char *const keys[] = {"", "k1", "k2"};
    static const char *const types[] = {"application/json"};
    static const char *const ids[] = {""};
    static const char *const tokens[] = {"ann", "bob", "eve", "root", "late", "none", ""};
    static const char *const tags[] = {"", "*", "\"x\", W/\"y\"", "W/", ", \t,W/*"};
    struct net_request request = {.id = run->length, .method = CHOOSE(input, methods)};
    request.path = CHOOSE(input, paths);
    request.query = CHOOSE(input, queries);
    request.body = CHOOSE(input, bodies);
    request.content_type = CHOOSE(input, types);
    request.idempotency_key = CHOOSE(input, keys);
    request.last_event_id = CHOOSE(input, ids);
    request.if_none_match = CHOOSE(input, tags);
    if (run->tokens) {
        request.token = CHOOSE(input, tokens);
    }
    run->asked[run->length++] = (struct asked){.there = true};
    api_request(run->api, &request);
}

static void leave(struct run *run, uint64_t id)
{
    if (id < run->length) {
        run->asked[id].there = false;
        api_request_gone(run->api, id);
    }
}

static void act(struct run *run, struct fuzz_input *input)
{
    switch (fuzz_below(input, 6)) {
    case 0:
        leave(run, fuzz_below(input, REQUESTS));
        return;
    case 1:
        api_request_writable(run->api, fuzz_below(input, REQUESTS));
        return;
    case 2:
        run->now_ms += (uint64_t)fuzz_byte(input) * 200;
        tell(run, EVENT_TICK, 0, (struct bytes){0});
        return;
    case 3:
        answer_claim(run, (enum storage_claim)fuzz_below(input, 4));
        return;
    default:
        ask(run, input);
        return;
    }
}

static void settle(struct run *run)
{
    answer_claim(run, CLAIM_NEW);
    for (size_t i = 0; i < 64; i++) {
        run->now_ms += 10;
        tell(run, EVENT_TICK, 0, (struct bytes){0});
    }
    for (size_t id = 0; id < run->length; id++) {
        FUZZ_REQUIRE(!run->asked[id].there || run->asked[id].answered);
        leave(run, id);
    }
    struct hub_stats stats;
    hub_stats(run->hub, &stats);
    FUZZ_REQUIRE(stats.connections == 0 && stats.streams == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct fuzz_input input = {{data, length}};
    struct run *run = calloc(1, sizeof *run);
    struct hub_config hub;
    struct api_config api = {.bounds = {.requests = REQUESTS,
                                        .watches = 4,
                                        .principal_watches = 4,
                                        .principal_keys = 4,
                                        .key_ms = 1000},
                             .step = step,
                             .claim = claim,
                             .now_ms = now_ms,
                             .answer = answer,
                             .answer_more = answer_more,
                             .context = run};
    if (schemas.length == 0) {
        declare_all();
        grant_all();
    }
    hub_config_init(&hub);
    hub.schemas = &schemas;
    hub.operators = true;
    FUZZ_REQUIRE(run != NULL);
    run->tokens = length % 2 == 1;
    hub.tokens = run->tokens;
    run->now_ms = UINT64_C(1500000000000);
    run->hub = hub_create(&hub);
    run->api = api_create(&api);
    FUZZ_REQUIRE(run->hub != NULL && run->api != NULL);
    while (input.left.length > 0 && run->length < REQUESTS) {
        act(run, &input);
    }
    settle(run);
    api_destroy(run->api);
    hub_destroy(run->hub);
    free(run);
    return 0;
}
