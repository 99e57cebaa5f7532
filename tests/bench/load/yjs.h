/* How many edits an update of Yjs carries, merged or not; peers/messages.mjs has the layout. */
#ifndef BENCH_YJS_H
#define BENCH_YJS_H

#include <stdint.h>

#include "crdt/bytes.h"

/* `update` is the update with its length in front, as in a message of y-protocols. */
uint64_t yjs_count_edits(struct bytes update);

#endif
