/* What the hub says of an update that it does not take: REJECT and GAP. */
#include <string.h>

#include "clients/c/session_state.h"

enum { GAP_RETRY_MS = 1000 };

void session_copy_text(char *to, struct bytes from)
{
    size_t length = from.length < SESSION_TEXT_BYTES ? from.length : (size_t)SESSION_TEXT_BYTES - 1;
    memcpy(to, from.data, length);
    to[length] = '\0';
}

/* The hub's time, from the details of CLOCK_AHEAD. False: it is not told. */
static bool read_clock(const struct session *session, struct bytes details, int64_t *ahead)
{
    struct reader reader = reader_of(details);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes key = read_string(&reader, LIMIT_TEXT_BYTES);
        if (bytes_equal(key, (struct bytes){(const uint8_t *)"now_ms", 6})) {
            *ahead = (int64_t)read_uint(&reader) - (int64_t)session->now_ms;
            return reader_ok(&reader);
        }
        reader_skip(&reader, 1);
    }
    return false;
}

static bool is_code(const struct packet_reject *reject, const char *code)
{
    return bytes_equal(reject->code, bytes_of_text(code));
}

/* True: the edit is made again, and nobody needs to know. */
static bool try_again(struct session *session, const struct packet_reject *reject,
                      const struct outbox *box, const struct delta *delta)
{
    return is_code(reject, "CLOCK_AHEAD") &&
           read_clock(session, reject->details, &session->clock_ahead) &&
           session_edit_again(session, box, delta) == SESSION_OK;
}

/* Whether it is about the replica, and not about what the update does. */
static bool is_of_replica(struct bytes details)
{
    struct reader reader = reader_of(details);
    size_t length = read_map(&reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct bytes key = read_string(&reader, LIMIT_TEXT_BYTES);
        if (bytes_equal(key, (struct bytes){(const uint8_t *)"replica", 7})) {
            return read_bool(&reader) && reader_ok(&reader);
        }
        reader_skip(&reader, 1);
    }
    return false;
}

/* The hub will refuse all of the replica's updates. What was sent it may have taken once, and
 * forgotten since; or what was not, too, is the replica's owner's to send: the app decides. */
static void hand_over(struct outbox *box, bool all, struct session_news *news)
{
    for (size_t i = 0; i < box->length; i++) {
        struct delta *delta = &box->deltas[i];
        if ((delta->sent || all) && delta->last > box->acked && !delta->rejected) {
            delta->rejected = true;
            news->rejected++;
            news->seq = delta->last;
        }
    }
    news->stuck = true;
}

static struct delta *find_delta(struct outbox *box, uint64_t last)
{
    for (size_t i = 0; box != NULL && i < box->length; i++) {
        if (box->deltas[i].last == last && !box->deltas[i].rejected) {
            return &box->deltas[i];
        }
    }
    return NULL;
}

void session_rejected(struct session *session, const struct packet_reject *reject,
                      struct session_news *news)
{
    struct outbox *box = session_box(session, &reject->replica);
    struct delta *delta = find_delta(box, reject->seq);
    if (delta == NULL) {
        return;
    }
    news->changed = true;
    bool foreign = is_code(reject, "FORBIDDEN") && is_of_replica(reject->details);
    if (foreign || is_code(reject, "REPLICA_EXPIRED")) {
        hand_over(box, foreign, news);
    } else {
        delta->rejected = true;
        if (try_again(session, reject, box, delta)) {
            return;
        }
        news->rejected = 1;
        news->seq = reject->seq;
    }
    session_copy_text(news->code, reject->code);
    session_copy_text(news->text, reject->text);
}

void session_turned_away(struct session *session, const struct packet_gap *gap,
                         struct session_news *news)
{
    static const char text[] = "The hub does not take an update yet.";
    struct outbox *box = session_box(session, &gap->replica);
    if (box == NULL) {
        return;
    }
    bool again = box->asked == gap->next;
    box->next = gap->next;
    box->asked = gap->next;
    if (session_is_stuck(session)) {
        news->stuck = true;
    } else if (again) { /* at once, it would be turned away for ever */
        news->error = true;
        news->retry_ms = GAP_RETRY_MS;
        session_copy_text(news->code, (struct bytes){(const uint8_t *)"GAP", 3});
        session_copy_text(news->text, (struct bytes){(const uint8_t *)text, sizeof text - 1});
    }
}
