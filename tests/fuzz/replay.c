/*
 * Goal:   what a fuzzer has ever come upon stays right, also without a fuzzer.
 * Method: gives each file of the folders named, its corpus, to the fuzzer's entry; the last name
 * that was printed is the one that fails.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { PATH_BYTES = 4096 };

static void require(bool good, const char *path)
{
    if (!good) {
        fuzz_fail(path, __FILE__, __LINE__);
    }
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    require(file != NULL && fseek(file, 0, SEEK_END) == 0, path);
    long end = ftell(file);
    require(end >= 0 && fseek(file, 0, SEEK_SET) == 0, path);
    size_t length = (size_t)end;
    /* Memory of just that size, so that a sanitizer sees the first byte behind it. */
    uint8_t *data = malloc(length == 0 ? 1 : length);
    require(data != NULL && fread(data, 1, length, file) == length, path);
    (void)fclose(file);
    (void)printf("%s\n", path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(data, length);
    free(data);
}

static int is_shown(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static size_t replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int length = scandir(folder, &entries, is_shown, alphasort);
    require(length >= 0, folder);
    for (int i = 0; i < length; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        replay_file(path);
        free(entries[i]);
    }
    free(entries);
    return (size_t)length;
}

int main(int count, char **arguments)
{
    size_t files = 0;
    for (int i = 1; i < count; i++) {
        files += replay_folder(arguments[i]);
    }
    (void)printf("%zu files replayed\n", files);
    return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
