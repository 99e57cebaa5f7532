#include "server/hub/access.h"

#include <string.h>

#include "protocol/limits.h"
#include "protocol/reader.h"

/* A grant is `[name, prefix, rights]`. */
enum { GRANT_LENGTH = 3 };

void access_grant(struct writer *writer, struct bytes name, bool prefix, unsigned rights)
{
    write_array(writer, GRANT_LENGTH);
    write_string(writer, name);
    write_bool(writer, prefix);
    write_uint(writer, rights);
}

static bool begins_with(struct bytes name, struct bytes with)
{
    return with.length == 0 ||
           (name.length >= with.length && memcmp(name.data, with.data, with.length) == 0);
}

unsigned access_rights(struct bytes grants, struct bytes name)
{
    struct reader reader = reader_of(grants);
    unsigned rights = 0;
    while (reader_ok(&reader) && reader.left.length > 0) {
        (void)read_tuple(&reader, GRANT_LENGTH);
        struct bytes granted = read_string(&reader, LIMIT_DOCUMENT_NAME_BYTES);
        bool prefix = read_bool(&reader);
        unsigned more = (unsigned)read_uint(&reader);
        bool fits = prefix ? begins_with(name, granted) : bytes_equal(name, granted);
        rights |= reader_ok(&reader) && fits ? more : 0;
    }
    return reader_ok(&reader) ? rights & ACCESS_ALL : 0;
}
