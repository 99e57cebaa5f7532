/* The program's own malloc stands before the C library's, and before AddressSanitizer's, for all
 * that is linked to it: SQLite, libfyaml, jansson, OpenSSL. */
#include "tests/memory/failing.h"

#include <errno.h>

#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

/* NOLINTBEGIN(bugprone-reserved-identifier): the names under which both libraries keep theirs. */
extern void *REAL(malloc)(size_t size);
extern void *REAL(calloc)(size_t count, size_t size);
extern void *REAL(realloc)(void *block, size_t size);
extern void REAL(free)(void *block);
/* NOLINTEND(bugprone-reserved-identifier) */

static struct {
    enum failing_room room;
    unsigned rooms;
    uint64_t first;
    uint64_t length;
    uint64_t counted;
    uint64_t failed;
    int64_t live;
} state;

void failing_begin(unsigned rooms, uint64_t first, uint64_t length)
{
    state.rooms = rooms;
    state.first = first;
    state.length = length;
    state.counted = 0;
    state.failed = 0;
}

void failing_end(void) { state.rooms = 0; }

enum failing_room failing_enter(enum failing_room room)
{
    enum failing_room left = state.room;
    state.room = room;
    return left;
}

uint64_t failing_counted(void) { return state.counted; }

uint64_t failing_failed(void) { return state.failed; }

int64_t failing_live(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0; /* its own strdup and the like do not come by here */
#else
    return state.live;
#endif
}

/* The linker's names for where the program's code begins and ends. */
extern const char __executable_start[]; /* NOLINT(bugprone-reserved-identifier) */
extern const char etext[];

static bool refused(const void *caller)
{
    bool own = (const char *)caller >= __executable_start && (const char *)caller < etext;
    if ((state.rooms & state.room) == 0 || ((state.rooms & ROOM_OWN) != 0 && !own)) {
        return false;
    }
    state.counted++;
    bool refuse = state.first != 0 && state.counted >= state.first &&
                  state.counted - state.first < state.length;
    state.failed += refuse;
    errno = refuse ? ENOMEM : errno;
    return refuse;
}

static void *given(void *block)
{
    state.live += block != NULL;
    return block;
}

#define CALLER __builtin_return_address(0)

/* Under names that are not the C library's. */
void *failing_malloc(size_t size) __asm__("malloc");
void *failing_calloc(size_t count, size_t size) __asm__("calloc");
void *failing_realloc(void *block, size_t size) __asm__("realloc");
void failing_free(void *block) __asm__("free");

void *failing_malloc(size_t size) { return refused(CALLER) ? NULL : given(REAL(malloc)(size)); }

void *failing_calloc(size_t count, size_t size)
{
    return refused(CALLER) ? NULL : given(REAL(calloc)(count, size));
}

void *failing_realloc(void *block, size_t size)
{
    if (refused(CALLER)) {
        return NULL;
    }
    return block == NULL ? given(REAL(malloc)(size)) : REAL(realloc)(block, size);
}

void failing_free(void *block)
{
    state.live -= block != NULL;
    REAL(free)(block);
}
