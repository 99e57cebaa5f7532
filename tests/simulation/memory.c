#include "tests/simulation/memory.h"

#include <malloc.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* As the linker calls them. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void __real_free(void *pointer);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void __wrap_free(void *pointer);
char *__wrap_strdup(const char *text);

/* NOLINTEND(bugprone-reserved-identifier) */

static struct {
    bool inside;
    size_t held;
    unsigned left; /* 0: none fails */
    unsigned times;
    bool failed;
    size_t failures;
    sqlite3_mem_methods sqlite; /* as they were */
} memory;

bool memory_inside(bool inside)
{
    bool before = memory.inside;
    memory.inside = inside;
    return before;
}

void memory_fail(unsigned n, unsigned times)
{
    memory.left = n;
    memory.times = times;
}

void memory_heal(void)
{
    memory.left = 0;
    memory.failed = false;
}

bool memory_has_failed(void) { return memory.failed; }

size_t memory_failures(void) { return memory.failures; }

size_t memory_held(void) { return memory.held; }

void memory_forget(void) { memory.held = 0; }

static bool refuses(void)
{
    if (!memory.inside || memory.left == 0 || --memory.left > 0) {
        return false;
    }
    memory.times--;
    memory.left = memory.times > 0 ? 1 : 0;
    memory.failed = true;
    memory.failures++;
    return true;
}

static void *taken(void *pointer)
{
    memory.held += memory.inside && pointer != NULL ? malloc_usable_size(pointer) : 0;
    return pointer;
}

static void given_back(void *pointer)
{
    memory.held -= memory.inside && pointer != NULL ? malloc_usable_size(pointer) : 0;
}

/* NOLINTBEGIN(bugprone-reserved-identifier) */
void *__wrap_malloc(size_t bytes) { return refuses() ? NULL : taken(__real_malloc(bytes)); }

void *__wrap_calloc(size_t count, size_t size)
{
    return refuses() ? NULL : taken(__real_calloc(count, size));
}

void *__wrap_realloc(void *pointer, size_t size)
{
    if (refuses()) {
        return NULL;
    }
    given_back(pointer);
    return taken(__real_realloc(pointer, size));
}

void __wrap_free(void *pointer)
{
    given_back(pointer);
    __real_free(pointer);
}

char *__wrap_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = __wrap_malloc(bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

/* NOLINTEND(bugprone-reserved-identifier) */

void *memory_own_calloc(size_t bytes) { return __real_calloc(1, bytes == 0 ? 1 : bytes); }

void *memory_own_realloc(void *pointer, size_t bytes) { return __real_realloc(pointer, bytes); }

void memory_own_free(void *pointer) { __real_free(pointer); }

/* --- SQLite's --- */

static void *sqlite_malloc(int bytes) { return refuses() ? NULL : memory.sqlite.xMalloc(bytes); }

static void *sqlite_realloc(void *pointer, int bytes)
{
    return refuses() ? NULL : memory.sqlite.xRealloc(pointer, bytes);
}

void memory_install(void)
{
    sqlite3_mem_methods methods;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.sqlite) != SQLITE_OK) {
        abort();
    }
    if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK) {
        abort(); /* both for speed */
    }
    methods = memory.sqlite;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) {
        abort();
    }
}
