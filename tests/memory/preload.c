/*
 * Preload: a malloc for a program that is not ours to link (LD_PRELOAD). FAILING_CONTROL names a
 * file of four numbers that test and program share: which allocation fails, counted from the moment
 * that this is written; how many behind it do too; how many there were; how many failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
    uint64_t first; /* 0: none */
    uint64_t length;
    _Atomic uint64_t counted;
    _Atomic uint64_t failed;
};

/* NOLINTBEGIN(bugprone-reserved-identifier): the C library's own names. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
/* NOLINTEND(bugprone-reserved-identifier) */

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAILING_CONTROL");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    control = mapped == MAP_FAILED ? NULL : mapped;
}

static bool refused(void)
{
    if (control == NULL || control->length == 0) {
        return false;
    }
    uint64_t counted = ++control->counted;
    bool refuse = control->first != 0 && counted >= control->first &&
                  counted - control->first < control->length;
    if (refuse) {
        control->failed++;
        errno = ENOMEM;
    }
    return refuse;
}

/* Under names that are not the C library's. */
void *failing_malloc(size_t size) __asm__("malloc");
void *failing_calloc(size_t count, size_t size) __asm__("calloc");
void *failing_realloc(void *block, size_t size) __asm__("realloc");

void *failing_malloc(size_t size) { return refused() ? NULL : __libc_malloc(size); }

void *failing_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __libc_calloc(count, size);
}

void *failing_realloc(void *block, size_t size)
{
    return refused() ? NULL : __libc_realloc(block, size);
}
