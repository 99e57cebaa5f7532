#include "server/webhooks/target.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_MS ((uint64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)

void webhook_target_init(struct webhook_target *target)
{
    *target = (struct webhook_target){.timeout_ms = 10000,
                                      .body_bytes = 256 << 10,
                                      .limits = {.owed_max = 1000,
                                                 .parallel = 4,
                                                 .gather_ms = 50,
                                                 .retry_min_ms = 1000,
                                                 .retry_max_ms = 5 * MINUTE_MS,
                                                 .hold_max_ms = HOUR_MS,
                                                 .attempts_max = 20,
                                                 .age_max_ms = 24 * HOUR_MS,
                                                 .breaker = 5}};
}

void webhook_target_finish(struct webhook_target *target)
{
    for (size_t i = 0; i < target->document_count; i++) {
        free(target->documents[i]);
    }
    free(target->documents);
    free(target->name);
    free(target->url);
    free(target->ca_file);
    *target = (struct webhook_target){0};
}

void webhook_targets_finish(struct webhook_targets *targets)
{
    for (size_t i = 0; i < targets->length; i++) {
        webhook_target_finish(&targets->items[i]);
    }
    free(targets->items);
    *targets = (struct webhook_targets){0};
}

/* NULL stays NULL. */
static bool copy_text(char **copy, const char *source)
{
    *copy = source == NULL ? NULL : strdup(source);
    return source == NULL || *copy != NULL;
}

static bool copy_target(struct webhook_target *copy, const struct webhook_target *source)
{
    *copy = *source;
    copy->document_count = 0;
    copy->documents = calloc(source->document_count + 1, sizeof *copy->documents);
    bool good = copy_text(&copy->name, source->name);
    good = copy_text(&copy->url, source->url) && good;
    good = copy_text(&copy->ca_file, source->ca_file) && good && copy->documents != NULL;
    for (size_t i = 0; i < source->document_count && good; i++) {
        good = copy_text(&copy->documents[i], source->documents[i]);
        copy->document_count += good;
    }
    return good;
}

bool webhook_targets_copy(struct webhook_targets *copy, const struct webhook_targets *source)
{
    *copy = (struct webhook_targets){.items = calloc(source->length + 1, sizeof *copy->items)};
    bool good = copy->items != NULL;
    for (size_t i = 0; i < source->length && good; i++) {
        copy->length++;
        good = copy_target(&copy->items[i], &source->items[i]);
    }
    if (!good) {
        webhook_targets_finish(copy);
    }
    return good;
}

static bool pattern_matches(const char *pattern, struct bytes name)
{
    size_t length = strlen(pattern);
    bool begins = length > 0 && pattern[length - 1] == '*';
    length -= begins;
    return (begins ? name.length >= length : name.length == length) &&
           memcmp(name.data, pattern, length) == 0;
}

bool webhook_target_wants(const struct webhook_target *target, struct bytes document)
{
    for (size_t i = 0; i < target->document_count; i++) {
        if (pattern_matches(target->documents[i], document)) {
            return true;
        }
    }
    return false;
}
