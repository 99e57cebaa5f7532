// Grants as people write them: a pattern and the rights to the documents whose names fit it. They
// stand in the configuration (`tokens.allow`) and in tokens (the claim `allow`).
//
//     post/42       one document           cart/{sub}    the one with the principal's name
//     post/*        all of a schema        notes/{sub}/*
//     *             all there are
//
// `*` stands at the end only. `{sub}` is the token's principal, as it is: one with a slash in its
// name fits no such pattern, or `a` could reach below the documents of `a/b`.
#ifndef SERVER_GRANTS_H
#define SERVER_GRANTS_H

#include "crdt/bytes.h"
#include "crdt/status.h"
#include "protocol/schema.h"
#include "protocol/writer.h"

enum { GRANTS_MAX = 64 };

struct grant {
    char *pattern;
    unsigned rights; /* enum access_right */
};

/* `{0}` is empty: nothing is granted. */
struct grants {
    struct grant *items;
    size_t length;
    bool given; /* whether somebody has written them, if only an empty list */
};

bool grant_pattern_valid(struct bytes pattern);

/* read, write, presence or admin; 0: none of them. */
unsigned grant_right(struct bytes word);

/* False: no memory, and nothing has changed. */
CRDT_CHECKED bool grants_add(struct grants *grants, struct bytes pattern, unsigned rights);
void grants_finish(struct grants *grants);

/* As the hub takes them (server/hub/access.h), for that principal. */
void grants_write(const struct grants *grants, const char *subject, struct writer *writer);

enum grants_status { GRANTS_OK, GRANTS_BAD, GRANTS_NO_MEMORY };

/* Reads the claim: an object of patterns, each with a list of rights. Adds nothing but to an empty
 * set, which is to be finished in any case. */
CRDT_CHECKED enum grants_status grants_parse(const char *json, struct grants *grants);

#endif
