/*
 * Schemas: what the operator declares. A document `schema/key` has the fields of its schema;
 * packets, rows and journal name a field by its number, which the database gives once and keeps for
 * ever.
 */
#ifndef PROTOCOL_SCHEMA_H
#define PROTOCOL_SCHEMA_H

#include "crdt/bytes.h"
#include "protocol/declaration.h"
#include "protocol/limits.h"
#include "protocol/status.h"

struct schema_field {
    char name[LIMIT_SCHEMA_NAME_BYTES + 1];
    struct declaration declared;
    uint32_t number; /* ascending within the schema; not always dense */
    bool guarded;    /* only admins edit it */
    uint64_t since;  /* who has seen the document up to here may not have seen the field, which was
                        not declared for a time; 0: it always was */
    bool frozen;     /* nobody edits it */
    bool aside;      /* in a client: the hub serves it no more, and an edit of it may wait */
};

/* Shares of principals are told in hundredths of a percent. */
enum { SCHEMA_SHARE_ALL = 10000 };

struct schema {
    char name[LIMIT_SCHEMA_NAME_BYTES + 1];
    struct schema_field *fields; /* ascending by number */
    size_t length;
    bool frozen;       /* none of its fields may be edited */
    uint32_t withheld; /* from what share of principals; 0: all are offered its documents */
};

/* `{0}` is empty. Owns its schemas and their fields. */
struct schema_set {
    struct schema *schemas;
    size_t length;
};

/* Frees the fields and leaves the schema without any. */
void schema_finish(struct schema *schema);
void schema_set_finish(struct schema_set *set);

/* Adds an empty schema or field and answers it, or NULL: no memory. The pointer is borrowed until
 * the next addition. */
struct schema *schema_set_add(struct schema_set *set, struct bytes name);
struct schema_field *schema_add_field(struct schema *schema, struct bytes name);

const struct schema *schema_find(const struct schema_set *set, struct bytes name);
const struct schema_field *schema_field_by_number(const struct schema *schema, uint64_t number);
/* Not one that stands aside: another may have its name. */
const struct schema_field *schema_field_by_name(const struct schema *schema, struct bytes name);

/* Sorts the fields by their numbers. */
void schema_sort(struct schema *schema);

/* Whether documents of the one are documents of the other as they are: the same name, and the same
 * fields under the same numbers. What only says who may edit, or see, them does not count. */
bool schema_equal(const struct schema *a, const struct schema *b);

/* Of a schema that is equal to `from`, takes over the declarations of `from`: what points to them
 * stays good for as long as `schema` is there. The set of `from` takes its own in exchange. */
void schema_adopt(struct schema *schema, struct schema *from);

/* Whether the schema's documents are offered to the principal: decided by the two names alone, so
 * that who has them keeps them while the share grows. */
bool schema_offers(const struct schema *schema, struct bytes principal);

/* A name of a schema or field: a letter, then letters, digits, `_` and `-`; within the limit. */
bool schema_name_valid(struct bytes name);

/*
 * A document's name: a schema's name, a slash, and a key of at least one byte: valid UTF-8 without
 * control characters. Answers the two parts.
 */
bool document_name_valid(struct bytes name, struct bytes *schema, struct bytes *key);

/* The parts before and behind the first slash; without one the key is empty. */
void document_name_split(struct bytes name, struct bytes *schema, struct bytes *key);

/* The order in which documents are listed: by schema, then by key, each by its bytes. */
int document_name_compare(struct bytes a, struct bytes b);

#endif
