#include "server/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/compare.h"
#include "server/storage/copy.h"
#include "server/storage/storage.h"

/* A time at which nothing ends by itself, so that what is made is what was there. */
enum { PATH_BYTES = 4096, NOW_MS = 1 };

struct verification {
    struct config *config;
    char folder[PATH_BYTES];
    char copy[PATH_BYTES]; /* in it, of the file */
    char made[PATH_BYTES]; /* from the copy */
    struct hub *hub;
    struct storage *source; /* the copy */
    struct storage *target; /* takes the stores: what is made; NULL: the copy does */
    uint64_t differences;
    size_t documents;
    size_t undeclared;
    bool failed; /* there is nothing more to be learnt */
};

static void tell(void *context, const char *sentence)
{
    struct verification *verification = context;
    (void)printf("%s\n", sentence);
    verification->differences++;
}

static void fail(struct verification *verification, const char *sentence)
{
    tell(verification, sentence);
    verification->failed = true;
}

/* --- a hub without clients, on the caller's thread --- */

static void tell_damage(struct verification *verification, const struct hub_effect *effect)
{
    char sentence[1024];
    (void)snprintf(sentence, sizeof sentence, "%.300s: %.*s, position %" PRIu64 ": makes no sense",
                   effect->text, (int)effect->bytes.length, (const char *)effect->bytes.data,
                   effect->position);
    tell(verification, sentence);
}

static bool perform(struct verification *verification, const struct hub_effect *effect)
{
    struct storage *target =
        verification->target == NULL ? verification->source : verification->target;
    switch (effect->kind) {
    case EFFECT_APPEND:
        return storage_append(verification->source, effect->bytes, NOW_MS);
    case EFFECT_LOAD:
        return storage_load(verification->source, effect->request, effect->bytes);
    case EFFECT_STORE:
        return storage_store(target, effect->bytes);
    case EFFECT_DAMAGED:
        tell_damage(verification, effect);
        return true;
    default:
        return true; /* no clients, and nothing is trimmed: the copy goes */
    }
}

static void step(struct verification *verification, struct hub_event event)
{
    struct hub_effects effects;
    event.now_ms = NOW_MS;
    enum hub_status status = hub_step(verification->hub, &event, &effects);
    for (size_t i = 0; i < effects.length; i++) {
        if ((status == HUB_OK || effects.items[i].kind == EFFECT_DAMAGED) &&
            !perform(verification, &effects.items[i])) {
            fail(verification, "out of memory");
        }
    }
    if (status != HUB_OK && !verification->failed) {
        fail(verification, hub_status_text(status));
    }
}

static void complete(struct verification *verification, struct storage_completion *completion)
{
    static const enum hub_event_kind kinds[] = {
        [STORAGE_APPENDED] = EVENT_APPENDED, [STORAGE_APPEND_FAILED] = EVENT_APPEND_FAILED,
        [STORAGE_STORED] = EVENT_STORED,     [STORAGE_STORE_FAILED] = EVENT_STORE_FAILED,
        [STORAGE_LOADED] = EVENT_LOADED,     [STORAGE_LOAD_FAILED] = EVENT_LOAD_FAILED,
        [STORAGE_SCRUBBED] = EVENT_SCRUBBED, [STORAGE_SCRUB_FAILED] = EVENT_SCRUB_FAILED,
    };
    if (completion->kind == STORAGE_LOAD_FAILED) {
        tell(verification, completion->text);
    } else if (completion->kind != STORAGE_APPENDED && completion->kind != STORAGE_STORED &&
               completion->kind != STORAGE_LOADED) {
        fail(verification, completion->text);
        return;
    }
    step(verification, (struct hub_event){.kind = kinds[completion->kind],
                                          .position = completion->position,
                                          .request = completion->request,
                                          .bytes = completion->bytes});
}

static bool take_completions(struct verification *verification, struct storage *storage)
{
    struct storage_completion completion;
    bool any = false;
    while (storage != NULL && storage_poll(storage, &completion)) {
        any = true;
        if (!verification->failed) {
            complete(verification, &completion);
        }
        storage_completion_finish(&completion);
    }
    return any;
}

/* Until nothing is under way. */
static void settle(struct verification *verification)
{
    bool any = true;
    while (any && !verification->failed) {
        any = storage_write_some(verification->source);
        any = storage_read_one(verification->source) || any;
        any = (verification->target != NULL && storage_write_some(verification->target)) || any;
        any = take_completions(verification, verification->source) || any;
        any = take_completions(verification, verification->target) || any;
    }
}

static int replay_batch(void *context, uint64_t position, struct bytes batch)
{
    struct verification *verification = context;
    step(verification,
         (struct hub_event){.kind = EVENT_REPLAY, .position = position, .bytes = batch});
    return verification->failed ? -1 : 0;
}

static bool open_hub(struct verification *verification)
{
    char error[STORAGE_ERROR_BYTES];
    struct storage_info info;
    struct hub_config config = verification->config->hub;
    if (!storage_open(&verification->source, verification->copy, false,
                      &verification->config->schemas, error)) {
        fail(verification, error);
        return false;
    }
    storage_info(verification->source, &info);
    config.schemas = &verification->config->schemas;
    config.journal = info.journal;
    config.position = info.position;
    config.store_ms = 0;
    verification->hub = hub_create(&config);
    if (verification->hub == NULL) {
        fail(verification, "out of memory");
        return false;
    }
    if (!storage_replay(verification->source, replay_batch, verification, error)) {
        fail(verification, error);
    }
    settle(verification);
    return !verification->failed;
}

static void close_hub(struct verification *verification)
{
    hub_destroy(verification->hub);
    (void)storage_close(verification->source);
    (void)storage_close(verification->target);
    verification->hub = NULL;
    verification->source = NULL;
    verification->target = NULL;
}

/* --- the steps --- */

/* The journal's tail takes effect in the copy's rows. */
static void replay(struct verification *verification)
{
    if (open_hub(verification)) {
        step(verification, (struct hub_event){.kind = EVENT_DRAIN});
        settle(verification);
    }
    close_hub(verification);
}

static bool rewrite_one(void *context, struct bytes name)
{
    struct verification *verification = context;
    struct bytes schema;
    struct bytes key;
    if (!document_name_valid(name, &schema, &key)) {
        tell(verification, "documents: a name that cannot be");
        return true;
    }
    if (schema_find(&verification->config->schemas, schema) == NULL) {
        verification->undeclared++;
        return true;
    }
    verification->documents++;
    step(verification, (struct hub_event){.kind = EVENT_REWRITE, .bytes = name});
    settle(verification);
    return !verification->failed;
}

/* Every document's rows, as the hub would write them. */
static void rewrite(struct verification *verification)
{
    char error[STORAGE_ERROR_BYTES];
    if (!compare_prepare(verification->copy, verification->made, error)) {
        fail(verification, error);
        return;
    }
    if (open_hub(verification)) {
        if (!storage_open(&verification->target, verification->made, true,
                          &verification->config->schemas, error)) {
            fail(verification, error);
        } else if (!compare_names(verification->copy, rewrite_one, verification) &&
                   !verification->failed) {
            fail(verification, "documents: the table cannot be read");
        }
    }
    close_hub(verification);
}

static void run(struct verification *verification)
{
    char error[STORAGE_ERROR_BYTES];
    if (!copy_database(verification->config->data, verification->copy, error)) {
        fail(verification, error);
        return;
    }
    verification->failed = !compare_inside(verification->copy, tell, verification);
    if (!verification->failed) {
        replay(verification);
    }
    if (!verification->failed) {
        rewrite(verification);
    }
    if (!verification->failed &&
        !compare_files(verification->copy, verification->made, &verification->config->schemas, tell,
                       verification)) {
        verification->failed = true;
    }
}

static void remove_file(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char name[PATH_BYTES + 16];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

/* A folder of its own, since anybody may write into the one that it is in. */
static bool make_folder(struct verification *verification)
{
    const char *parent = getenv("TMPDIR");
    parent = parent == NULL ? "/var/tmp" : parent;
    (void)snprintf(verification->folder, sizeof verification->folder,
                   "%.4000s/syncline-verify-XXXXXX", parent);
    if (mkdtemp(verification->folder) == NULL) {
        return false;
    }
    (void)snprintf(verification->copy, sizeof verification->copy, "%.4080s/copy",
                   verification->folder);
    (void)snprintf(verification->made, sizeof verification->made, "%.4080s/made",
                   verification->folder);
    return true;
}

static void remove_folder(const struct verification *verification)
{
    remove_file(verification->copy);
    remove_file(verification->made);
    (void)rmdir(verification->folder);
}

int verify(struct config *config)
{
    struct verification verification = {.config = config};
    if (!make_folder(&verification)) {
        (void)fprintf(stderr, "synclined: no copy can be made under TMPDIR, or /var/tmp\n");
        return EXIT_FAILURE;
    }
    run(&verification);
    remove_folder(&verification);
    if (verification.differences > 0) {
        (void)printf("%s: %" PRIu64 " differences\n", config->data, verification.differences);
        return EXIT_FAILURE;
    }
    (void)printf("%s is sound: %zu documents", config->data, verification.documents);
    if (verification.undeclared > 0) {
        (void)printf(", and %zu of schemas that are not declared, which were not looked at",
                     verification.undeclared);
    }
    (void)putchar('\n');
    return EXIT_SUCCESS;
}
