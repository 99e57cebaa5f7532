/*
 * The API's inside. target.c reads what a request is about, problem.c and answer.c write what it
 * gets; errand.c is the way through the hub, of which edit.c, watch.c, idempotency.c and
 * openapi.c are the parts that only some requests need.
 */
#ifndef API_STATE_H
#define API_STATE_H

#include <jansson.h>

#include "protocol/edit.h"
#include "protocol/packet.h"
#include "server/api/api.h"
#include "server/hub/table.h"

enum api_action {
    API_NOTHING,
    API_GET,     /* a document's values, or one field's */
    API_PATCH,   /* edits of several fields, as JSON */
    API_POST,    /* one edit */
    API_WATCH,   /* values as they change */
    API_LIST,    /* documents, for operators */
    API_DESCRIBE /* openapi.json */
};

enum { API_ID_BYTES = 64, API_VERB_BYTES = 32, API_DETAIL_BYTES = 512, API_TAGS_BYTES = 512 };

/* What the API itself refuses; problem.c has their codes. */
enum api_problem {
    PROBLEM_NONE,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD,
    PROBLEM_BAD_QUERY,
    PROBLEM_BAD_JSON,
    PROBLEM_TOO_DEEP,
    PROBLEM_UNSUPPORTED_TYPE,
    PROBLEM_BAD_EDIT,
    PROBLEM_TOO_LONG,
    PROBLEM_BAD_KEY,
    PROBLEM_KEY_REUSED,
    PROBLEM_KEY_IN_USE,
    PROBLEM_TOO_MANY_KEYS,
    PROBLEM_TOO_MANY_WATCHES,
    PROBLEM_TOO_MANY_REQUESTS,
    PROBLEM_UNAVAILABLE,
    PROBLEM_NO_MEMORY,
    PROBLEM_COUNT
};

/* What a path with its query names; texts are NUL-terminated. */
struct api_target {
    enum api_action action;
    char document[LIMIT_DOCUMENT_NAME_BYTES + 1];
    char field[LIMIT_SCHEMA_NAME_BYTES + 1];  /* empty: all */
    char verb[API_VERB_BYTES];                /* of POST */
    char schema[LIMIT_SCHEMA_NAME_BYTES + 1]; /* of a list; empty: all */
    char after[LIMIT_DOCUMENT_NAME_BYTES + 1];
    uint64_t limit; /* 0: not said */
};

enum api_stage {
    STAGE_HELLO,   /* HELLO and CALL `whoami` are said */
    STAGE_VALUES,  /* CALL: before an edit, or all that is wanted */
    STAGE_CLAIM,   /* the key's row is on its way to the disk */
    STAGE_OPEN,    /* OPEN is said */
    STAGE_ACK,     /* DELTA is said */
    STAGE_RESULT,  /* CALL `values` behind an edit */
    STAGE_WATCHING /* a stream tells of changes */
};

/* Server-sent events on their way. */
struct api_watch {
    uint64_t position; /* told up to here */
    bool begun;        /* the head is out */
    bool full;         /* the peer has not taken what it was given */
    bool asking;       /* CALL `values` is under way */
    bool changed;      /* behind what was asked for */
    bool counted;      /* among the API's */
};

/* One request with its connection to the hub. */
struct errand {
    struct api *api;
    uint64_t id;         /* the network's */
    uint64_t connection; /* the hub's */
    enum api_stage stage;
    struct api_target target;
    char request_id[API_ID_BYTES + 1];
    json_t *body; /* NULL: none */
    bool paused;  /* by the hub */
    bool over;    /* answered: to be freed */
    struct errand *next_over;
    bool repeat; /* it had counted before */
    bool acknowledged;
    struct buffer pending; /* said while the hub was not listening */
    int64_t last_id;       /* of calls and streams */
    int64_t stream;
    struct journal_id journal;
    uint8_t schema[4];      /* of the hash of what is declared: other fields are another answer */
    uint64_t message_bytes; /* the hub takes in */
    uint64_t position;      /* of the values that the edit has seen */
    char principal[LIMIT_PRINCIPAL_BYTES + 1];
    char key[LIMIT_IDEMPOTENCY_KEY_BYTES + 1]; /* empty: none */
    uint8_t digest[LIMIT_DIGEST_BYTES];
    struct replica_id replica; /* the edit's, or that names the watch's stream */
    struct buffer changes;     /* raw map: DELTA's fields */
    struct api_watch watch;
    char last_event[64];           /* that the watcher has seen; empty: none */
    char tags[API_TAGS_BYTES + 1]; /* If-None-Match: of answers that the asker has */
};

struct api {
    struct api_config config;
    struct table by_request;
    struct table by_connection;
    uint64_t last_connection;
    size_t watches;
    uint64_t refused[PROBLEM_COUNT]; /* ever */
    size_t depth;                    /* entries that are not left */
    struct errand *over;             /* to be freed then */
};

/* --- target.c --- */

enum api_problem target_read(const struct net_request *request, struct api_target *target);
/* The methods of a path for the header Allow. */
const char *target_methods(struct bytes path);

/* --- problem.c: RFC 9457 --- */

/* For what never became an errand; `allow` NULL: no such header. */
void problem_answer(struct api *api, uint64_t id, const char *request_id, enum api_problem problem,
                    const char *allow);
/* `detail` NULL: the problem's own sentence says it. An errand ends with it: with a problem
 * document, or with an event, if the answer has begun. */
void errand_refuse(struct errand *errand, enum api_problem problem, const char *detail);
/* The same for what the hub has refused; `details` is raw, or empty. */
void errand_refuse_code(struct errand *errand, struct bytes code, struct bytes text,
                        struct bytes details);

/* --- answer.c --- */

/* Answers 200 with JSON, and ends the errand. `position` UINT64_MAX: no ETag. */
void errand_answer(struct errand *errand, struct bytes json, uint64_t position);
/* `{"document", "position", "values"}` from a RESULT of `values`; false: it makes no sense. */
bool answer_write_values(const struct errand *errand, struct bytes result, struct writer *writer,
                         uint64_t *position);
/* `{"documents", "next"}` from a RESULT of `documents`, of one schema if that is not empty. */
bool answer_write_list(struct bytes result, const char *schema, struct writer *writer);

/* --- api.c --- */

/* It is answered, or its peer has left: it is freed soon, and hears nothing more. */
void errand_over(struct errand *errand);

/* --- errand.c --- */

/* Says packets to the hub, now or once it listens. */
void errand_say(struct errand *errand, struct bytes message);
/* CALL `values`; `content` and `after` as in docs/protocol.md. */
void errand_call_values(struct errand *errand, bool content, uint64_t after);
void errand_open(struct errand *errand);
void errand_hello(struct errand *errand, struct bytes token);
void errand_take(struct errand *errand, const struct hub_effect *effect);
struct replica_id errand_make_replica(const struct errand *errand);

/* --- edit.c --- */

/* One field as a RESULT of `values` has it; to be ended with `declaration_finish`. */
struct told_field {
    uint64_t number;
    struct bytes name;
    struct declaration declared;
    uint64_t position;
    struct bytes value; /* raw */
};
/* False: the reader has failed. */
bool told_read(struct reader *reader, struct told_field *field);
/* The RESULT's position, and how many fields the reader is then at. */
size_t told_begin(struct bytes result, struct reader *reader, uint64_t *position);

/* The fields of the request's edits, as a raw list of names. */
void edit_write_fields(const struct errand *errand, struct writer *writer);
/* Makes `errand->changes` from what the fields hold. False: refused. */
bool edit_prepare(struct errand *errand, struct bytes result);

/* --- idempotency.c --- */

/* Before the first request. False: no memory. */
bool key_prepare(void);

/* The request's key, if it has one, and its digest; or why it cannot be had. */
enum api_problem key_take(struct errand *errand, const struct net_request *request);
void key_claim(struct errand *errand);
void key_claimed(struct errand *errand, struct bytes bytes);

/* --- watch.c --- */

void watch_begin(struct errand *errand);
void watch_take_values(struct errand *errand, struct bytes result);
void watch_take_packet(struct errand *errand, const struct packet *packet);
void watch_writable(struct errand *errand);
void watch_end(struct errand *errand, const char *event, struct bytes json);

/* --- openapi.c --- */

/* The description of what the RESULT of `schema` declares, as JSON to be freed with free(); NULL:
 * no memory. */
char *openapi_write(struct bytes declared);

#endif
