/* Whole files in memory. */
#ifndef CLIENT_FILE_H
#define CLIENT_FILE_H

#include "protocol/buffer.h"

/* Appends the file to `bytes`. 0, or a number of errno; EFBIG: it is longer than the buffer may be,
 * and a part of it is there. */
CRDT_CHECKED int file_read(const char *path, struct buffer *bytes);

#endif
