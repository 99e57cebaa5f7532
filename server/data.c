#include "server/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/storage/restore.h"

int data_restore(const char *backup, const char *path)
{
    struct storage_restored restored;
    char error[STORAGE_ERROR_BYTES] = "";
    if (!storage_restore(backup, path, &restored, error)) {
        (void)fprintf(stderr, "synclined: not restored: %s\n", error);
        return EXIT_FAILURE;
    }
    (void)printf("restored %s from %s: everything up to position %" PRIu64 ", journal ", path,
                 backup, restored.position);
    for (size_t i = 0; i < sizeof restored.journal.bytes; i++) {
        (void)printf("%02x", restored.journal.bytes[i]);
    }
    (void)putchar('\n');
    if (restored.aside[0] != '\0') {
        (void)printf("the file before is kept as %s\n", restored.aside);
    }
    return EXIT_SUCCESS;
}
