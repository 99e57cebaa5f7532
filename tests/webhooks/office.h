/*
 * Office: webhooks as the program runs them, with the loop's part of them and the storage on a real
 * file, in one thread. Played are the hub (a list of documents and their positions), the clock, the
 * randomness, the log, and a target (receiver.h). Time passes by `office_pass` alone, and no
 * further than to what is due next before the network has come to rest.
 *
 * What is sent of a document is {"n":POSITION}, or {} if it has not changed since.
 */
#ifndef TESTS_WEBHOOKS_OFFICE_H
#define TESTS_WEBHOOKS_OFFICE_H

#include "server/loop.h"
#include "tests/storage/fixture.h"
#include "tests/webhooks/receiver.h"

enum { OFFICE_DOCUMENTS = 64, OFFICE_NOW = 1000000, OFFICE_LINES_BYTES = 4 << 20 };

struct office_document {
    char name[LIMIT_DOCUMENT_NAME_BYTES + 1];
    uint64_t position; /* in the hub's memory; 0: it has never changed */
    uint64_t storing;  /* handed to the storage */
    uint64_t stored;   /* its row's */
};

struct office_asked {
    uint64_t request;
    size_t document;
    uint64_t after;
};

struct office {
    struct loop loop; /* uv, storage, webhooks */
    struct fixture fixture;
    struct receiver receiver;
    struct webhook_targets targets; /* to be filled in before `office_open` */
    uint64_t now_ms;
    uint64_t random;
    bool no_random;
    struct journal_id journal;
    struct journal_id ancestor; /* what it was restored from, at `restored` */
    uint64_t restored;
    uint64_t position; /* the journal's */
    struct office_document documents[OFFICE_DOCUMENTS];
    size_t document_count;
    uint16_t code;  /* of all values, an enum hub_code */
    bool truncated; /* all values are */
    bool mute;      /* values are not answered until `office_speak` */
    struct office_asked asked[OFFICE_DOCUMENTS];
    size_t asked_count;
    struct buffer log;     /* lines */
    struct buffer answers; /* to operators: lines of JSON, or of why there is none */
    bool no_curl;          /* libcurl has no memory for anything */
    bool no_curl_at_last;  /* nor has it, in the same call, behind the last post's answer */
    bool idle_storage;     /* it does nothing of what it is asked */
    uv_timer_cb on_timer;  /* the webhooks' own timer; NULL: none was started yet */
    uv_timer_t *timer;
    uint64_t due_ms; /* UINT64_MAX: it is not armed */
    /* The thread goes into the webhooks, or comes out of them; NULL: nobody wants to know. */
    void (*enter)(bool inside);
};

/* One target `orders`, which wants `post/`*, with the defaults. */
void office_init(struct office *office);
/* The file goes, too. */
void office_finish(struct office *office);
/* Another target, of that name. The first is `targets.items[0]`. */
struct webhook_target *office_target(struct office *office, const char *name);
/* Names that fit the pattern, instead of `post/`*. */
void office_wants(struct webhook_target *target, const char *pattern);

void office_open(struct office *office);
/* False: the webhooks have refused for want of memory, and left nothing open. */
bool office_try_open(struct office *office);
/* As at SIGTERM: false: after ten seconds it was not drained yet. */
bool office_stop(struct office *office);
/* As at SIGKILL. What the storage was handed and has not written is gone. */
void office_kill(struct office *office);

/* A batch changes the document. */
void office_change(struct office *office, const char *name);
/* All rows are handed to the storage. */
void office_store(struct office *office);
/* The values that were asked for while it was mute. */
void office_speak(struct office *office);
/* Asks as an operator; `parameters` as JSON. */
void office_call(struct office *office, const char *method, const char *parameters);

/* What can be done now is done. */
void office_rest(struct office *office);
void office_pass(struct office *office, uint64_t milliseconds);
/* What is under way on the network ends, by real time if need be. */
void office_wait(struct office *office);

/* What was logged, or answered, since the last call; borrowed until the next. */
const char *office_log(struct office *office);
const char *office_answer(struct office *office);

struct webhook_stats office_stats(const struct office *office);

/* How many messages of the document have come. */
size_t office_count(const struct office *office, const char *name);

#endif
