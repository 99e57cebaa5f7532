/*
 * Job: an operator's call that works on one document: its rows and all of its replicas' are loaded
 * first, and stay until the job has ended; then it answers, or submits a record to the journal and
 * answers when that is merged.
 */
#ifndef HUB_JOB_H
#define HUB_JOB_H

#include "protocol/buffer.h"
#include "server/hub/codes.h"
#include "server/hub/hub.h"

struct document;
struct operator_call;
struct record;

struct job {
    struct job *next;
    uint64_t connection; /* it may be gone by then */
    int64_t call;
    struct document *document; /* pinned */
    size_t loads;
    bool submitted;
    bool done;
    bool failed; /* something could not be loaded */
    /* The journal and the file are rid of all up to there before the answer; 0: no. */
    uint64_t scrub;
    uint64_t request;     /* the SCRUB under way; 0: none */
    struct buffer result; /* of the merge, until then */
    struct buffer body;   /* what the call brought */
    /* All is loaded. Ends with `job_answer`, `job_refuse`, `job_submit` or `job_done`. */
    void (*ready)(struct hub *hub, struct job *job);
};

/* Whether one can begin now; else the call was answered with BUSY. */
HUB_CHECKED bool job_has_room(const struct operator_call *call);

/* Begins one for the document of that name, which is made if there is none. NULL: refused. */
struct job *job_begin(const struct operator_call *call, struct bytes name,
                      void (*ready)(struct hub *hub, struct job *job));

/* The hub's own, which nobody waits for. NULL: the step has failed. */
struct job *job_begin_own(struct hub *hub, struct bytes name,
                          void (*ready)(struct hub *hub, struct job *job));

/* Its record goes into the journal; `jobs_merged` ends it. */
void job_submit(struct hub *hub, struct job *job, const struct record *record);

/* It answers with `result` when nothing up to `position` is left in the journal and the file. */
void job_scrub(struct hub *hub, struct job *job, uint64_t position, struct bytes result);

/* The one whose record is merged now; NULL: nobody waits. */
struct job *job_merging(const struct hub *hub, const struct document *document);

/* RESULT with a raw value. */
void job_answer(struct hub *hub, struct job *job, struct bytes value);
void job_refuse(struct hub *hub, struct job *job, enum hub_code code, const char *text);
/* It has been answered otherwise. */
void job_done(struct job *job);

/* For the rest of the hub. */

void jobs_pump(struct hub *hub);
/* Something of the document could not be loaded, for who counts his loads there. */
void jobs_unloaded(struct hub *hub, const struct document *document, const size_t *loads);
/* Its record is merged: `result` is the value of the answer, raw. */
void jobs_merged(struct hub *hub, const struct document *document, struct bytes result);
/* What was erased is gone from the file, or may not be. */
void jobs_scrubbed(struct hub *hub, uint64_t request, bool done);
/* The journal has not taken it. */
void jobs_refused(struct hub *hub, const struct document *document);
void jobs_finish(struct hub *hub);

#endif
