/* Names the journal that positions count in: 16 random bytes, new when the order of updates may
 * have been lost. */
#ifndef PROTOCOL_JOURNAL_ID_H
#define PROTOCOL_JOURNAL_ID_H

#include <stdint.h>

enum { JOURNAL_ID_BYTES = 16 };

struct journal_id {
    uint8_t bytes[JOURNAL_ID_BYTES];
};

#endif
