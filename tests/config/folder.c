#include "tests/config/folder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

void folder_make(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/syncline-config-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL && chdir(folder) == 0);
}

void folder_remove(void)
{
    DIR *list = opendir(folder);
    cr_assert(list != NULL);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        (void)unlinkat(dirfd(list), entry->d_name, 0); /* not `.` and `..` */
    }
    (void)closedir(list);
    cr_assert(chdir("/") == 0 && rmdir(folder) == 0);
}

void folder_write(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    cr_assert(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

bool folder_read(const char *text, struct config *config, struct buffer *mistakes)
{
    folder_write("hub.yaml", text);
    buffer_init(mistakes, 1 << 16);
    bool good = config_read("hub.yaml", config, mistakes);
    cr_assert(eq(int, buffer_append(mistakes, "", 1), PROTOCOL_OK));
    return good;
}
