/*
 * Key watch: the set of keys of `tokens.jwks_file`, read again when its file has changed. A set
 * that is none is logged, and the keys stay as they are. The hub is told nothing: who has a token
 * is looked at when the next one comes, and when it ends.
 */
#ifndef SERVER_KEY_WATCH_H
#define SERVER_KEY_WATCH_H

#include <uv.h>

#include "server/tokens.h"

struct key_watch {
    uv_timer_t timer;
    uv_fs_t look;
    bool looking;
    bool closed;
    const char *path; /* NULL: nothing is watched */
    struct token_keys *keys;
    int failed; /* of the last look, as libuv says it; 0: none */
    bool known; /* the file was read as it was at: */
    uv_timespec_t changed;
    uint64_t size;
    uint64_t node;
};

/* `path` NULL: nothing to watch. False: there is no timer to be had. Both are borrowed. */
CRDT_CHECKED bool key_watch_init(struct key_watch *watch, uv_loop_t *uv);

/* From now on; once more with others, when the configuration is another. */
void key_watch_set(struct key_watch *watch, const char *path, struct token_keys *keys);

/* Closes the timer; the loop must run until that is done. */
void key_watch_close(struct key_watch *watch);

/* Logs what is passed over, a line each. */
void key_watch_log(struct bytes notes);

#endif
