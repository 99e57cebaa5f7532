#include "clients/c/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clients/c/asking.h"
#include "clients/c/stored.h"
#include "clients/c/token.h"
#include "clients/c/transport.h"

/* A connection that was up for STEADY_MS shows that the hub is well. */
enum { BACKOFF_MS = 100, BACKOFF_MAX_MS = 5000, STEADY_MS = 10000, TURN_MS = 50 };

struct member {
    struct member *next;
    struct session session;
    uint64_t resend_ms; /* 0: not waiting */
};

struct link {
    struct link_options options;
    struct transport *transport;
    struct member *members;
    struct asking asking;
    struct journal_id journal;
    bool welcomed;
    uint64_t welcomed_ms; /* if welcomed */
    bool connecting;
    int64_t last_id;
    uint64_t retry_ms; /* when to connect again */
    uint64_t backoff_ms;
    struct buffer out;
    struct buffer token; /* as read last */
    char why[SESSION_TEXT_BYTES * 2];
    bool failed; /* trying again would not help */
};

static uint64_t now_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t random_below(uint64_t bound)
{
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != sizeof value || bound == 0) {
        return 0;
    }
    return value % bound;
}

static void explain(struct link *link, const char *what, const char *detail)
{
    (void)snprintf(link->why, sizeof link->why, "%.250s%s%.250s", what,
                   detail[0] == '\0' ? "" : ": ", detail);
}

static void give_up(struct link *link, const char *what, const char *detail)
{
    explain(link, what, detail);
    link->failed = true;
}

/* --- sending --- */

static void flush(struct link *link, struct writer *writer)
{
    if (writer->status != PROTOCOL_OK ||
        !transport_send(link->transport, buffer_bytes(&link->out))) {
        give_up(link, "out of memory", "");
    }
    buffer_clear(&link->out);
}

static void send_all(struct link *link)
{
    struct writer writer = writer_to(&link->out);
    for (struct member *member = link->members; member != NULL && link->welcomed;
         member = member->next) {
        while (member->resend_ms == 0 && link->welcomed &&
               session_send(&member->session, &writer)) {
            flush(link, &writer);
        }
        /* Other documents may share the message, as far as it holds them. */
        if (link->out.length > LIMIT_MESSAGE_BYTES / 4) {
            flush(link, &writer);
        }
    }
    flush(link, &writer);
}

static void open_member(struct link *link, struct member *member)
{
    struct writer writer = writer_to(&link->out);
    session_open(&member->session, ++link->last_id, &link->journal, &writer);
    flush(link, &writer);
}

static void call(struct link *link)
{
    struct writer writer = writer_to(&link->out);
    asking_write(&link->asking, ++link->last_id, &writer);
    flush(link, &writer);
}

/* --- receiving --- */

static void on_welcome(struct link *link, const struct packet *packet)
{
    link->journal = packet->welcome.journal;
    link->welcomed = true;
    link->welcomed_ms = now_ms(CLOCK_MONOTONIC);
    for (struct member *member = link->members; member != NULL; member = member->next) {
        member->resend_ms = 0;
        open_member(link, member);
    }
    if (link->asking.call.method != NULL) {
        call(link);
    }
}

/* NULL: nobody's. A session without a stream has the id 0, which no stream has. */
static struct member *member_of(struct link *link, int64_t id)
{
    for (struct member *member = link->members; member != NULL; member = member->next) {
        if ((id != 0 && member->session.stream == id) ||
            (id < 0 && member->session.transferring.transfer == id)) {
            return member;
        }
    }
    return NULL;
}

static struct replica_id mint(void)
{
    uint8_t random[REPLICA_BYTES] = {0};
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        abort(); /* two sessions with one replica would lose updates */
    }
    return replica_id_make(now_ms(CLOCK_REALTIME), random);
}

static void on_closed_stream(struct link *link, struct member *member,
                             const struct session_news *news)
{
    if (strcmp(news->code, "REPLICA_IN_USE") == 0) {
        member->session.replica = mint();
        open_member(link, member);
    } else if (strcmp(news->code, "SCHEMA_CHANGED") == 0) {
        open_member(link, member);
    } else {
        give_up(link, news->code, news->text);
    }
}

static void tell(struct link *link, struct member *member, const struct session_news *news)
{
    struct session *session = &member->session;
    if (news->changed && !link_save(link, session)) {
        give_up(link, "the store cannot be written", "");
    }
    if (news->rejected > 0) {
        link->options.rejected(link->options.context, session, news);
    }
    if (news->changed) {
        link->options.changed(link->options.context, session);
    }
    if (news->closed) {
        on_closed_stream(link, member, news);
    } else if (news->error && news->retry_ms == 0) {
        give_up(link, news->code, news->text);
    } else if (news->error) {
        explain(link, news->code, news->text);
        member->resend_ms = now_ms(CLOCK_MONOTONIC) + news->retry_ms;
    }
}

/* What cannot be sent under its replica goes on under a fresh one, once that is stored. */
static void move(struct link *link, struct member *member)
{
    struct writer writer = writer_to(&link->out);
    struct replica_id replica = mint();
    struct session_news news = {0};
    if (session_move(&member->session, &replica, &writer, &news) != SESSION_OK) {
        give_up(link, "out of memory", "");
        return;
    }
    tell(link, member, &news);
    if (!link->failed) {
        open_member(link, member);
    }
}

static void on_document(struct link *link, const struct packet *packet)
{
    struct member *member = member_of(link, packet->id);
    struct session_news news;
    if (member == NULL) {
        return;
    }
    session_set_time(&member->session, now_ms(CLOCK_REALTIME));
    enum session_status status = session_receive(&member->session, packet, &news);
    if (status != SESSION_OK) {
        give_up(link, session_status_text(status), "");
    } else {
        tell(link, member, &news);
    }
    if (!link->failed && news.stuck) {
        move(link, member);
    }
}

static void pong(struct link *link, uint64_t token)
{
    struct writer writer = writer_to(&link->out);
    struct packet packet = {.kind = PACKET_PONG, .number = {token}};
    packet_write(&writer, &packet);
    flush(link, &writer);
}

static void explain_error(struct link *link, const struct packet *packet)
{
    char code[SESSION_TEXT_BYTES];
    char text[SESSION_TEXT_BYTES];
    (void)snprintf(code, sizeof code, "%.*s", (int)packet->error.code.length,
                   (const char *)packet->error.code.data);
    (void)snprintf(text, sizeof text, "%.*s", (int)packet->error.text.length,
                   (const char *)packet->error.text.data);
    explain(link, code, text);
}

static void on_call_refused(struct link *link, const struct packet *packet)
{
    explain_error(link, packet);
    if (!asking_refused(&link->asking, &packet->error)) {
        link->failed = true;
    }
}

static void on_transfer(struct link *link, const struct packet *packet)
{
    struct writer writer = writer_to(&link->out);
    const char *why;
    if (asking_take(&link->asking, packet, &writer, &why)) {
        flush(link, &writer);
    } else {
        give_up(link, why, "");
    }
}

/* False: the file cannot be read, and `why` says so. */
static bool read_token(struct link *link)
{
    char error[TOKEN_TEXT_BYTES];
    buffer_clear(&link->token);
    if (!token_read(link->options.token_file, &link->token, error)) {
        explain(link, "the token's file", error);
        return false;
    }
    return true;
}

static void on_event(struct link *link, const struct packet *packet)
{
    static const char token[] = "token";
    struct bytes name = packet->call.name;
    if (link->options.token_file == NULL || name.length != sizeof token - 1 ||
        memcmp(name.data, token, name.length) != 0 || !read_token(link)) {
        return; /* goaway: the hub closes, and the back-off spreads the return */
    }
    struct writer writer = writer_to(&link->out);
    struct packet auth = {.kind = PACKET_AUTH, .id = ++link->last_id};
    auth.call.name = buffer_bytes(&link->token);
    packet_write(&writer, &auth);
    flush(link, &writer);
}

/* On id 0: the hub ends the connection. Before the welcome it would do so again. */
static void on_refused(struct link *link, const struct packet *packet)
{
    explain_error(link, packet);
    link->failed = !link->welcomed;
}

static void on_packet(struct link *link, const struct packet *packet)
{
    switch (packet->kind) {
    case PACKET_WELCOME:
        on_welcome(link, packet);
        return;
    case PACKET_PING:
        pong(link, packet->number.value);
        return;
    case PACKET_RESULT:
        asking_answered(&link->asking, packet);
        return;
    case PACKET_PONG:
        return;
    case PACKET_EVENT:
        on_event(link, packet);
        return;
    default:
        if (packet->kind == PACKET_ERROR && packet->id == 0) {
            on_refused(link, packet);
        } else if (packet->kind == PACKET_ERROR && asking_is(&link->asking, packet->id)) {
            on_call_refused(link, packet);
        } else if (asking_transfers(&link->asking, packet->id)) {
            on_transfer(link, packet);
        } else if (packet_kind_text(packet->kind) != NULL) {
            on_document(link, packet);
        }
    }
}

static void on_received(void *context, struct bytes message)
{
    struct link *link = context;
    struct reader reader = reader_of(message);
    struct packet packet;
    while (!link->failed && packet_read(&reader, &packet)) {
        on_packet(link, &packet);
    }
    if (!reader_ok(&reader)) {
        give_up(link, "the hub sent something that is no packet", "");
    }
    send_all(link);
}

/* --- the connection --- */

static void on_opened(void *context)
{
    struct link *link = context;
    static const char agent[] = "syncline/0.1";
    struct writer writer = writer_to(&link->out);
    struct packet hello = {.kind = PACKET_HELLO};
    hello.hello.version = PROTOCOL_VERSION;
    hello.hello.agent = (struct bytes){(const uint8_t *)agent, sizeof agent - 1};
    link->connecting = false;
    if (link->options.correlation != NULL) {
        const char *correlation = link->options.correlation;
        hello.hello.correlation = bytes_of_text(correlation);
    }
    if (link->options.token_file != NULL) {
        link->failed = !read_token(link);
        hello.hello.token = buffer_bytes(&link->token);
    }
    if (!link->failed) {
        packet_write(&writer, &hello);
        flush(link, &writer);
    }
}

static void on_closed(void *context, const char *reason)
{
    struct link *link = context;
    uint64_t now = now_ms(CLOCK_MONOTONIC);
    if (!link->failed) {
        explain(link, "the hub cannot be reached", reason);
    }
    if (link->welcomed && now - link->welcomed_ms >= STEADY_MS) {
        link->backoff_ms = BACKOFF_MS; /* a hub that welcomes and then drops is met more rarely */
    }
    if (link->asking.transfer != 0) {
        give_up(link, "the connection was lost within the answer", reason);
    }
    link->connecting = false;
    link->welcomed = false;
    link->last_id = 0;
    link->retry_ms = now + random_below(link->backoff_ms);
    link->backoff_ms =
        link->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : link->backoff_ms * 2;
    for (struct member *member = link->members; member != NULL; member = member->next) {
        session_disconnect(&member->session);
    }
}

struct link *link_create(const struct link_options *options, const char **error)
{
    struct link *link = calloc(1, sizeof *link);
    *error = "out of memory";
    if (link == NULL) {
        return NULL;
    }
    struct transport_handler handler = {on_opened, on_received, on_closed, link};
    link->options = *options;
    link->backoff_ms = BACKOFF_MS;
    buffer_init(&link->out, LIMIT_BODY_BYTES);
    buffer_init(&link->token, LIMIT_TOKEN_BYTES);
    link->transport = transport_create(options->hub, options->ca_file, &handler, error);
    if (link->transport == NULL) {
        free(link);
        return NULL;
    }
    return link;
}

void link_destroy(struct link *link)
{
    if (link == NULL) {
        return;
    }
    transport_destroy(link->transport);
    while (link->members != NULL) {
        struct member *member = link->members;
        link->members = member->next;
        session_finish(&member->session);
        free(member);
    }
    buffer_finish(&link->out);
    buffer_finish(&link->token);
    free(link);
}

struct session *link_add(struct link *link, const char *name)
{
    struct member *member = calloc(1, sizeof *member);
    struct replica_id replica = mint();
    if (member == NULL) {
        return NULL;
    }
    session_init(&member->session, name, &replica);
    if (link->options.store != NULL && !stored_load(link->options.store, &member->session)) {
        session_finish(&member->session);
        free(member);
        return NULL;
    }
    member->next = link->members;
    link->members = member;
    return &member->session;
}

bool link_save(struct link *link, struct session *session)
{
    return link->options.store == NULL || stored_save(link->options.store, session);
}

void link_ask(struct link *link, const char *method,
              void (*answered)(void *context, struct bytes value), void *context)
{
    link_call(link,
              &(struct link_call){.method = method, .answered = answered, .context = context});
}

void link_call(struct link *link, const struct link_call *asked)
{
    link->asking = (struct asking){.call = *asked};
    if (asked->method != NULL && link->welcomed) {
        call(link);
    }
}

bool link_is_up(const struct link *link) { return link->welcomed; }

bool link_failed(const struct link *link) { return link->failed; }

static void retry_members(struct link *link)
{
    uint64_t now = now_ms(CLOCK_MONOTONIC);
    for (struct member *member = link->members; member != NULL; member = member->next) {
        if (member->resend_ms != 0 && now >= member->resend_ms) {
            member->resend_ms = 0;
            session_resend(&member->session);
            if (member->session.stream == 0 && link->welcomed) {
                open_member(link, member);
            }
        }
    }
}

bool link_run(struct link *link, bool (*done)(void *context), void *context, uint64_t timeout_ms,
              const char **why)
{
    uint64_t deadline = now_ms(CLOCK_MONOTONIC) + timeout_ms;
    *why = link->why;
    while (!done(context)) {
        uint64_t now = now_ms(CLOCK_MONOTONIC);
        if (link->failed || now >= deadline) {
            if (link->why[0] == '\0') {
                explain(link, "the hub did not answer in time", "");
            }
            return false;
        }
        if (!transport_connected(link->transport) && !link->connecting && now >= link->retry_ms) {
            link->connecting = true;
            transport_connect(link->transport);
        }
        retry_members(link);
        send_all(link);
        transport_run(link->transport, TURN_MS);
    }
    return true;
}
