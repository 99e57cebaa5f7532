#include "server/key_watch.h"

#include <string.h>

#include "server/jwks.h"
#include "server/log.h"

enum { LOOK_MS = 2000, NOTES_BYTES = 4096 };

void key_watch_log(struct bytes notes) { log_lines(LEVEL_WARNING, "jwks", "note", notes); }

static void log_failure(const struct key_watch *watch, const char *reason)
{
    log_event(LEVEL_ERROR, "jwks-failed",
              LOG_FIELDS(log_sentence("file", watch->path), log_sentence("reason", reason),
                         log_sentence("hint", "the keys stay as they are")));
}

static void read_again(struct key_watch *watch)
{
    struct token_keys set;
    struct buffer notes;
    char error[JWKS_TEXT_BYTES] = "there is no memory for its keys";
    buffer_init(&notes, NOTES_BYTES);
    size_t before = watch->keys->length;
    if (jwks_read(watch->path, &set, &notes, error) && token_keys_replace(watch->keys, &set)) {
        key_watch_log(buffer_bytes(&notes));
        log_event(LEVEL_INFO, "jwks-read",
                  LOG_FIELDS(log_sentence("file", watch->path),
                             log_number("keys", watch->keys->length),
                             log_number("before", before)));
    } else {
        token_keys_finish(&set);
        log_failure(watch, error);
    }
    buffer_finish(&notes);
}

static bool is_known(const struct key_watch *watch, const uv_stat_t *stat)
{
    return watch->known && watch->changed.tv_sec == stat->st_mtim.tv_sec &&
           watch->changed.tv_nsec == stat->st_mtim.tv_nsec && watch->size == stat->st_size &&
           watch->node == stat->st_ino;
}

static void on_looked(uv_fs_t *request)
{
    struct key_watch *watch = request->data;
    int result = (int)request->result;
    uv_stat_t stat = request->statbuf;
    bool asked =
        request->path != NULL && watch->path != NULL && strcmp(request->path, watch->path) == 0;
    uv_fs_req_cleanup(request);
    watch->looking = false;
    if (watch->closed || !asked) {
        return;
    }
    if (result < 0 && result != watch->failed) {
        log_failure(watch, uv_strerror(result));
    }
    watch->failed = result < 0 ? result : 0;
    if (result >= 0 && !is_known(watch, &stat)) {
        watch->known = true;
        watch->changed = stat.st_mtim;
        watch->size = stat.st_size;
        watch->node = stat.st_ino;
        read_again(watch);
    }
}

/* The first look reads the file once more: it may have changed since the configuration was read. */
static void on_time(uv_timer_t *timer)
{
    struct key_watch *watch = timer->data;
    if (!watch->looking) {
        watch->looking = uv_fs_stat(timer->loop, &watch->look, watch->path, on_looked) == 0;
    }
}

bool key_watch_init(struct key_watch *watch, uv_loop_t *uv)
{
    *watch = (struct key_watch){.path = NULL};
    watch->timer.data = watch;
    watch->look.data = watch;
    return uv_timer_init(uv, &watch->timer) == 0;
}

void key_watch_set(struct key_watch *watch, const char *path, struct token_keys *keys)
{
    watch->path = path;
    watch->keys = keys;
    watch->known = false;
    watch->failed = 0;
    if (path == NULL) {
        (void)uv_timer_stop(&watch->timer);
    } else {
        (void)uv_timer_start(&watch->timer, on_time, LOOK_MS, LOOK_MS);
    }
}

void key_watch_close(struct key_watch *watch)
{
    watch->closed = true;
    uv_close((uv_handle_t *)&watch->timer, NULL);
}
