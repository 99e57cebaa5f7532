#include "protocol/yaml/file.h"

#include <errno.h>
#include <stdio.h>

int file_read(const char *path, struct buffer *bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno;
    }
    uint8_t block[4096];
    size_t length = 0;
    int error = 0;
    errno = 0;
    while (error == 0 && (length = fread(block, 1, sizeof block, file)) > 0) {
        error = buffer_append(bytes, block, length) == PROTOCOL_OK ? 0 : EFBIG;
    }
    if (error == 0 && ferror(file) != 0) {
        error = errno;
    }
    (void)fclose(file);
    return error;
}
