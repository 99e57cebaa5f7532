/* `backup FILE`: a copy of the running hub's data file, whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/c/data_call.h"

enum { PATH_BYTES = 4096 };

struct copy {
    const char *path;
    char part[PATH_BYTES]; /* its name until it is whole */
    int file;
    int error; /* errno of the first write that failed */
};

static bool on_bytes(void *context, struct bytes bytes)
{
    struct copy *copy = context;
    while (bytes.length > 0) {
        ssize_t written = write(copy->file, bytes.data, bytes.length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            copy->error = written < 0 ? errno : ENOSPC;
            return false;
        }
        bytes = (struct bytes){bytes.data + written, bytes.length - (size_t)written};
    }
    return true;
}

static bool sync_folder(const char *path)
{
    char name[PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s", path);
    int folder = open(dirname(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0) {
        (void)close(folder);
    }
    return synced;
}

static int put_in_place(const struct copy *copy)
{
    if (fsync(copy->file) != 0 || rename(copy->part, copy->path) != 0 || !sync_folder(copy->path)) {
        return data_fail(EXIT_FAILURE, copy->path, strerror(errno));
    }
    return EXIT_SUCCESS;
}

static int fetch(struct link *link, struct copy *copy, uint64_t timeout_ms)
{
    struct buffer answer;
    buffer_init(&answer, LIMIT_BODY_BYTES);
    int code = data_ask(link, &(struct data_call){.method = "backup",
                                                  .taken = on_bytes,
                                                  .context = copy,
                                                  .answer = &answer,
                                                  .timeout_ms = timeout_ms,
                                                  .waits = true});
    if (copy->error != 0) {
        (void)data_fail(code, copy->part, strerror(copy->error));
    }
    code = code == EXIT_SUCCESS ? put_in_place(copy) : code;
    if (code == EXIT_SUCCESS) {
        (void)printf("%s: %" PRIu64 " bytes, everything up to position %" PRIu64 "\n", copy->path,
                     data_number(buffer_bytes(&answer), "bytes"),
                     data_number(buffer_bytes(&answer), "position"));
    }
    buffer_finish(&answer);
    return code;
}

/*
 * Two backups to one name must not write one file: the first to have it has it alone, until it is
 * in place. What a command that was killed has left is begun anew.
 */
static bool open_part(struct copy *copy)
{
    struct stat opened;
    struct stat named;
    copy->file = open(copy->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = copy->file >= 0 && flock(copy->file, LOCK_EX | LOCK_NB) == 0;
    good = good && fstat(copy->file, &opened) == 0 && stat(copy->part, &named) == 0;
    if (good && opened.st_ino != named.st_ino) { /* put in place meanwhile */
        errno = EWOULDBLOCK;
        good = false;
    }
    good = good && fchmod(copy->file, 0600) == 0 && ftruncate(copy->file, 0) == 0;
    if (!good && copy->file >= 0) {
        int error = errno;
        (void)close(copy->file);
        errno = error;
    }
    return good;
}

/* What is there under the name stays until the copy is whole and on the disk. */
int data_backup(struct link *link, const struct data_options *options)
{
    struct copy copy = {.file = -1};
    if (options->count != 2) {
        return data_fail(DATA_USAGE, "backup takes the name of a file", "");
    }
    copy.path = options->words[1];
    int length = snprintf(copy.part, sizeof copy.part, "%s.part", copy.path);
    if (length < 0 || (size_t)length >= sizeof copy.part) {
        return data_fail(DATA_USAGE, "the file's name is too long", "");
    }
    if (!open_part(&copy)) {
        const char *why = errno == EWOULDBLOCK ? "another backup writes it" : strerror(errno);
        return data_fail(EXIT_FAILURE, copy.part, why);
    }
    int code = fetch(link, &copy, options->timeout_ms);
    (void)close(copy.file);
    if (code != EXIT_SUCCESS) {
        (void)unlink(copy.part);
    }
    return code;
}
