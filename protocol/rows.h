/*
 * Rows: a document as the database keeps it, on its way between the hub and the storage thread.
 * Both directions are one run of rows, back to back: a DOCUMENT row, then the rows that belong to
 * it, then perhaps the next document.
 *
 * What the hub stores are the rows that changed; what it loads are all FIELD, ENTRY and REMOVAL
 * rows of a document and the REPLICA rows that it asked for. What it finds by looking for silent
 * replicas are DOCUMENT rows with their SILENT ones, and WALKED at the end.
 */
#ifndef PROTOCOL_ROWS_H
#define PROTOCOL_ROWS_H

#include "protocol/reader.h"
#include "protocol/replica.h"
#include "protocol/writer.h"

enum row_kind {
    ROW_DOCUMENT = 1, /* name, position, next_index, retired_ms */
    ROW_FIELD,        /* field, position, horizon: removals at or below the horizon are forgotten */
    ROW_ENTRY,        /* field, key, position, shown, detail: replaces the removal with that key */
    ROW_REMOVAL,      /* field, key, position: replaces the entry with that key */
    ROW_REPLICA,      /* replica, index, seq, position, at_ms, detail, principal */
    ROW_REJECTED,  /* replica, seq, at_ms, code, text, detail (the update), index: for the operator
                    */
    ROW_RETIRED,   /* replica: its REPLICA row leaves */
    ROW_SILENT,    /* replica: one that was found */
    ROW_WALKED,    /* key: where the walk goes on; empty: it is at its end */
    ROW_ERASED,    /* nothing more: all rows of the document but its replicas' leave */
    ROW_COPY,      /* position, index, detail: of a copy of the whole file, the position up to which
                      it goes, its length, and some of its bytes */
    ROW_TARGET,    /* of webhooks: name, key (the journal), position, index, horizon, paused,
                      next_index: documents that changed last before the position were delivered, and
                      of those that did at it those with ids up to the index, but for WAITING rows,
                      which belong to it; what the others lack is above the horizon. next_index counts
                      its dead letters when it is loaded */
    ROW_WAITING,   /* name (the document's), position (delivered up to there), at_ms (of the first
                      attempt), seq (attempts) */
    ROW_DELIVERED, /* name: its WAITING row leaves */
    ROW_LETTER,    /* a dead letter: index (0: the next), name, horizon (delivered up to there),
                      position (that was to be delivered), at_ms, seq (attempts), field (the answer's
                      code), text (why) */
    ROW_RESENT     /* index: its LETTER row leaves */
};

struct row {
    enum row_kind kind;
    uint32_t field;    /* its number */
    uint64_t position; /* of DOCUMENT: the journal up to here is in these rows */
    uint64_t horizon;
    uint64_t next_index; /* of DOCUMENT: the index the next new replica gets */
    uint64_t retired_ms; /* of DOCUMENT: replicas older than this that have no row are retired */
    uint64_t index;      /* of REPLICA; of REJECTED its number in the table, 0: not stored yet */
    uint64_t seq;
    uint64_t at_ms;
    struct replica_id replica;
    struct bytes name;
    struct bytes key;   /* an element's canonical bytes; empty for a field of one value */
    struct bytes shown; /* the value as JSON text, for SQL views: a number for a counter, an element
                           for a set */
    struct bytes detail;    /* opaque to the storage */
    struct bytes principal; /* who the replica belongs to */
    struct bytes code;
    struct bytes text;
    bool paused;
};

void row_write(struct writer *writer, const struct row *row);

/* Reads the next row; its bytes are borrowed from the reader's. Returns false at the end and after
 * a failure. */
bool row_read(struct reader *reader, struct row *row);

/* What the hub asks for. */
enum row_request_kind {
    ROWS_DOCUMENT, /* name: its rows, unless the hub has them (`document`), and some of its replicas
                    */
    ROWS_SILENT, /* silent_before_ms, after: replicas of all documents that were silent for long; a
                    bounded step of a walk through them */
    ROWS_NAMES,  /* after, search, limit: documents by their names, behind `after`, as DOCUMENT
                    rows of name and position, and a WALKED row; a bounded step */
    ROWS_REJECTED, /* before, limit: refused updates below that number, the latest stored first,
                      each as a DOCUMENT row of its name and a REJECTED row without the update */
    ROWS_CHANGED,  /* after (16 bytes: a position and a document's number), limit: documents behind
                      it by the positions of their rows, as DOCUMENT rows of name, position and, as
                      next_index, number */
    ROWS_TARGETS,  /* the TARGET rows, each with its WAITING rows */
    ROWS_LETTERS,  /* search (the target's name), before, limit: its LETTER rows below that number,
                      the latest first */
    ROWS_WRITERS,  /* name, limit: its DOCUMENT row, and the REPLICA rows that changed last, without
                      their details, latest first */
    ROWS_LEDGER,   /* name: all its REPLICA rows */
    ROWS_COPY_BEGIN, /* makes a copy of the whole file, one at a time, and answers with a COPY row
                        without bytes */
    ROWS_COPY_PIECE, /* before, limit: its bytes from that offset, at most so many, in a COPY row */
    ROWS_COPY_END    /* it is not needed any more; no rows */
};

struct row_request {
    enum row_request_kind kind;
    struct bytes name;
    bool document;                     /* false: only the replicas */
    const struct replica_id *replicas; /* when writing */
    size_t length;
    uint64_t silent_before_ms;
    uint64_t before;     /* 0: all */
    uint64_t limit;      /* how many, at most */
    struct bytes search; /* what names contain; empty: anything */
    struct bytes after;  /* where the walk goes on; empty: it begins */
    struct reader left;  /* when reading: `row_request_next` */
};

void row_request_write(struct writer *writer, const struct row_request *request);
bool row_request_read(struct reader *reader, struct row_request *request);
bool row_request_next(struct row_request *request, struct replica_id *replica);

#endif
