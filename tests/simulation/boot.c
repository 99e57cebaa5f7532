#include "tests/simulation/boot.h"

#include <stdio.h>
#include <string.h>

enum { ID_BYTES = 36 };

/* NOLINTBEGIN(bugprone-reserved-identifier) */
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

static unsigned boots;

void boot_next(void) { boots++; }

void boot_reset(void) { boots = 0; }

FILE *__wrap_fopen(const char *path, const char *mode)
{
    static char id[ID_BYTES + 1];
    if (strcmp(path, "/proc/sys/kernel/random/boot_id") != 0) {
        return __real_fopen(path, mode);
    }
    (void)snprintf(id, sizeof id, "00000000-0000-0000-0000-%012u", boots);
    return fmemopen(id, ID_BYTES, "r");
}
/* NOLINTEND(bugprone-reserved-identifier) */
