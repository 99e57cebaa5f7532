#include "tests/memory/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[FOLDER_PATH_BYTES / 2];

void folder_make(void)
{
    static const char *const parents[] = {"/dev/shm", "/tmp"};
    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++) {
        (void)snprintf(folder, sizeof folder, "%s/memory-XXXXXX", parents[i]);
        if (mkdtemp(folder) != NULL) {
            return;
        }
    }
    perror("memory: no folder in /dev/shm, nor in /tmp");
    exit(2);
}

void folder_file(char path[FOLDER_PATH_BYTES], const char *name)
{
    (void)snprintf(path, FOLDER_PATH_BYTES, "%s/%s", folder, name);
}

void folder_empty(void)
{
    DIR *list = opendir(folder);
    if (list == NULL) {
        abort();
    }
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (entry->d_type == DT_REG && unlinkat(dirfd(list), entry->d_name, 0) != 0) {
            abort();
        }
    }
    (void)closedir(list);
}

void folder_remove(void)
{
    folder_empty();
    if (rmdir(folder) != 0) {
        perror(folder);
    }
}
