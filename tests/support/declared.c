#include "tests/support/declared.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/limits.h"
#include "tests/support/json_packet.h"

struct declaration declared(const char *type, const char *options)
{
    struct buffer buffer;
    struct declaration made = {0};
    buffer_init(&buffer, LIMIT_MESSAGE_BYTES);
    struct writer writer = writer_to(&buffer);
    write_text(&writer, type);
    bool good = json_value_write(&writer, options) && writer.status == PROTOCOL_OK;
    struct reader reader = reader_of(buffer_bytes(&buffer));
    if (!good || !declaration_read(&reader, &made)) {
        (void)fprintf(stderr, "no such declaration: %s %s\n", type, options);
        abort();
    }
    buffer_finish(&buffer);
    return made;
}
