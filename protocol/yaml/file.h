/* Whole files in memory: configurations, schemas, secrets. Who reads those reads files by this
 * alone. */
#ifndef YAML_FILE_H
#define YAML_FILE_H

#include "protocol/buffer.h"

/* Appends the file to `bytes`. 0, or a number of errno; EFBIG: it is longer than the buffer may be,
 * and a part of it is there. */
CRDT_CHECKED int file_read(const char *path, struct buffer *bytes);

#endif
