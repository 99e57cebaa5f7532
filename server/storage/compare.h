/*
 * Compare: what a data file's tables say against each other, and against those of a second file
 * that was made from it. All connections of both files are closed, or their writers rest.
 */
#ifndef STORAGE_COMPARE_H
#define STORAGE_COMPARE_H

#include "server/storage/storage.h"

/* Told of each difference: a sentence with the table, the row and what is wrong. */
typedef void compare_told(void *context, const char *sentence);

enum { COMPARE_TOLD_MAX = 100 }; /* of each sort; then their number alone */

/* Every page, every index, and how rows refer to each other. False: the file cannot be read; the
 * sentence was told. */
CRDT_CHECKED bool compare_inside(const char *path, compare_told *told, void *context);

/* Makes `to` a copy of `from` whose documents have no rows. */
CRDT_CHECKED bool compare_prepare(const char *from, const char *to,
                                  char error[STORAGE_ERROR_BYTES]);

/* The rows of both, as far as they are of declared fields, which are numbered. False: they cannot
 * be read; the sentence was told. */
CRDT_CHECKED bool compare_files(const char *path, const char *made,
                                const struct schema_set *schemas, compare_told *told,
                                void *context);

/* Visits the names of all documents. False: they cannot be read, or `visit` answers false. */
CRDT_CHECKED bool compare_names(const char *path, bool (*visit)(void *context, struct bytes name),
                                void *context);

#endif
