/*
 * Targets: what a path with its query asks for.
 *
 *     /api/documents/SCHEMA/KEY              GET, PATCH
 *     /api/documents/SCHEMA/KEY/watch        GET
 *     /api/documents/SCHEMA/KEY/FIELD        GET
 *     /api/documents/SCHEMA/KEY/FIELD/EDIT   POST
 *     /api/document?name=SCHEMA/KEY...       the same, for keys that no path can hold
 *
 * A slash in a key would be one in the path, and servers on the way take `..` for something else:
 * the second form has the name in the query, where everything can be escaped.
 */
#include <string.h>

#include "server/api/state.h"

enum { SEGMENTS_MAX = 7 };

static const char prefix[] = "/api/";

static bool is_text(struct bytes bytes, const char *text)
{
    return bytes.length == strlen(text) &&
           (bytes.length == 0 || memcmp(bytes.data, text, bytes.length) == 0);
}

/* False: too long, or it has a NUL. */
static bool copy(struct bytes from, char *to, size_t size)
{
    if (from.length >= size || (from.length > 0 && memchr(from.data, 0, from.length) != NULL)) {
        return false;
    }
    if (from.length > 0) {
        memcpy(to, from.data, from.length);
    }
    to[from.length] = '\0';
    return true;
}

/* --- paths --- */

struct path {
    struct bytes segments[SEGMENTS_MAX]; /* behind `/api/` */
    size_t length;                       /* SEGMENTS_MAX: too many */
};

static struct path split(struct bytes text)
{
    struct path path = {.length = 0};
    size_t start = sizeof prefix - 1;
    for (size_t i = start; i <= text.length && path.length < SEGMENTS_MAX; i++) {
        if (i == text.length || text.data[i] == '/') {
            path.segments[path.length++] = (struct bytes){text.data + start, i - start};
            start = i + 1;
        }
    }
    return path;
}

/* What a path is about, whatever the method. */
enum place {
    PLACE_NONE,
    PLACE_DESCRIPTION,
    PLACE_LIST,
    PLACE_DOCUMENT,
    PLACE_WATCH,
    PLACE_FIELD,
    PLACE_EDIT,
    PLACE_NAMED, /* by the query */
    PLACE_NAMED_WATCH
};

static enum place place_of(const struct path *path)
{
    static const enum place places[] = {PLACE_NONE,  PLACE_LIST, PLACE_NONE, PLACE_DOCUMENT,
                                        PLACE_FIELD, PLACE_EDIT, PLACE_NONE, PLACE_NONE};
    const struct bytes *segments = path->segments;
    if (path->length == 1 && is_text(segments[0], "openapi.json")) {
        return PLACE_DESCRIPTION;
    }
    if (is_text(segments[0], "document")) {
        bool watch = path->length == 2 && is_text(segments[1], "watch");
        return watch ? PLACE_NAMED_WATCH : path->length == 1 ? PLACE_NAMED : PLACE_NONE;
    }
    if (!is_text(segments[0], "documents")) {
        return PLACE_NONE;
    }
    if (path->length == 4 && is_text(segments[3], "watch")) {
        return PLACE_WATCH;
    }
    return places[path->length];
}

static bool starts_with_prefix(struct bytes path)
{
    return path.length >= sizeof prefix - 1 && memcmp(path.data, prefix, sizeof prefix - 1) == 0;
}

static const char *methods_of(enum place place)
{
    switch (place) {
    case PLACE_DOCUMENT:
        return "GET, HEAD, PATCH";
    case PLACE_EDIT:
        return "POST";
    case PLACE_NAMED:
        return "GET, HEAD, PATCH, POST";
    case PLACE_NONE:
    case PLACE_DESCRIPTION:
    case PLACE_LIST:
    case PLACE_WATCH:
    case PLACE_FIELD:
    case PLACE_NAMED_WATCH:
        break;
    }
    return "GET, HEAD";
}

const char *target_methods(struct bytes path)
{
    struct path parts = split(path);
    return methods_of(place_of(&parts));
}

/* API_NOTHING: not by this method. */
static enum api_action action_of(enum place place, struct bytes method)
{
    bool get = is_text(method, "GET") || is_text(method, "HEAD");
    bool patch = is_text(method, "PATCH");
    bool post = is_text(method, "POST");
    switch (place) {
    case PLACE_NONE:
        return API_NOTHING;
    case PLACE_DESCRIPTION:
        return get ? API_DESCRIBE : API_NOTHING;
    case PLACE_LIST:
        return get ? API_LIST : API_NOTHING;
    case PLACE_WATCH:
    case PLACE_NAMED_WATCH:
        return is_text(method, "GET") ? API_WATCH : API_NOTHING;
    case PLACE_FIELD:
        return get ? API_GET : API_NOTHING;
    case PLACE_EDIT:
        return post ? API_POST : API_NOTHING;
    case PLACE_DOCUMENT:
        return get ? API_GET : patch ? API_PATCH : API_NOTHING;
    case PLACE_NAMED:
        return get ? API_GET : patch ? API_PATCH : post ? API_POST : API_NOTHING;
    }
    return API_NOTHING;
}

/* The document's name is two segments with the slash between them. */
static bool take_segments(const struct path *path, struct api_target *target)
{
    if (path->length < 3 || path->segments[1].length == 0 || path->segments[2].length == 0) {
        return path->length < 3;
    }
    struct bytes name = {path->segments[1].data,
                         path->segments[1].length + 1 + path->segments[2].length};
    bool watch = target->action == API_WATCH;
    struct bytes field = path->length > 3 && !watch ? path->segments[3] : (struct bytes){0};
    struct bytes verb = path->length > 4 ? path->segments[4] : (struct bytes){0};
    return copy(name, target->document, sizeof target->document) &&
           copy(field, target->field, sizeof target->field) &&
           copy(verb, target->verb, sizeof target->verb) &&
           (path->length <= 3 || watch || field.length > 0) &&
           (path->length <= 4 || verb.length > 0);
}

/* --- queries --- */

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes as forms are encoded. False: an escape that is none, a NUL, or too long. */
static bool decode(struct bytes from, char *to, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < from.length; i++) {
        int byte = from.data[i] == '+' ? ' ' : from.data[i];
        if (from.data[i] == '%') {
            int high = i + 2 < from.length ? digit_of(from.data[i + 1]) : -1;
            int low = i + 2 < from.length ? digit_of(from.data[i + 2]) : -1;
            byte = high < 0 || low < 0 ? 0 : high << 4 | low;
            i += 2;
        }
        if (byte == 0 || length + 1 >= size) {
            return false;
        }
        to[length++] = (char)byte;
    }
    to[length] = '\0';
    return true;
}

static bool read_limit(const char *text, uint64_t *limit)
{
    *limit = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || *limit > LIMIT_LISTED) {
            return false;
        }
        *limit = *limit * 10 + (uint64_t)(*at - '0');
    }
    return *limit >= 1 && *limit <= LIMIT_LISTED;
}

enum parameter { NAME, FIELD, EDIT, SCHEMA, AFTER, LIMIT, PARAMETERS };

static const char *const parameters[PARAMETERS] = {"name",   "field", "edit",
                                                   "schema", "after", "limit"};

/* PARAMETERS: the path takes none of that name. */
static enum parameter find_parameter(const char *name, enum place place)
{
    bool named = place == PLACE_NAMED || place == PLACE_NAMED_WATCH;
    size_t first = place == PLACE_LIST ? SCHEMA : NAME;
    size_t end = place == PLACE_LIST ? PARAMETERS : named ? SCHEMA : NAME;
    for (size_t i = first; i < end; i++) {
        if (strcmp(name, parameters[i]) == 0) {
            return (enum parameter)i;
        }
    }
    return PARAMETERS;
}

static bool take_value(enum parameter parameter, struct bytes value, struct api_target *target)
{
    char limit[8];
    switch (parameter) {
    case NAME:
        return decode(value, target->document, sizeof target->document);
    case FIELD:
        return decode(value, target->field, sizeof target->field);
    case EDIT:
        return decode(value, target->verb, sizeof target->verb);
    case SCHEMA:
        return decode(value, target->schema, sizeof target->schema);
    case AFTER:
        return decode(value, target->after, sizeof target->after);
    case LIMIT:
        return decode(value, limit, sizeof limit) && read_limit(limit, &target->limit);
    case PARAMETERS:
        break; /* what is not known is passed over */
    }
    return true;
}

/* Each once: of two, who stands before the hub might judge the one and the hub take the other. */
static bool take_parameter(struct bytes name, struct bytes value, enum place place, unsigned *seen,
                           struct api_target *target)
{
    char decoded[64];
    if (!decode(name, decoded, sizeof decoded)) {
        return false;
    }
    enum parameter parameter = find_parameter(decoded, place);
    unsigned bit = parameter == PARAMETERS ? 0 : 1U << parameter;
    bool twice = (*seen & bit) != 0;
    *seen |= bit;
    return !twice && take_value(parameter, value, target);
}

static bool take_query(struct bytes query, enum place place, struct api_target *target)
{
    bool good = true;
    unsigned seen = 0;
    size_t start = 0;
    for (size_t i = 0; query.length > 0 && i <= query.length && good; i++) {
        if (i < query.length && query.data[i] != '&') {
            continue;
        }
        struct bytes pair = {query.data + start, i - start};
        const uint8_t *equals = pair.length == 0 ? NULL : memchr(pair.data, '=', pair.length);
        size_t before = equals == NULL ? pair.length : (size_t)(equals - pair.data);
        size_t behind = equals == NULL ? pair.length : before + 1;
        if (pair.length > 0) {
            good = take_parameter((struct bytes){pair.data, before},
                                  (struct bytes){pair.data + behind, pair.length - behind}, place,
                                  &seen, target);
        }
        start = i + 1;
    }
    bool named = place == PLACE_NAMED || place == PLACE_NAMED_WATCH;
    bool whole =
        target->action != API_POST || (target->field[0] != '\0' && target->verb[0] != '\0');
    return good && whole && (!named || target->document[0] != '\0');
}

enum api_problem target_read(const struct net_request *request, struct api_target *target)
{
    *target = (struct api_target){.action = API_NOTHING};
    if (!starts_with_prefix(request->path)) {
        return PROBLEM_NOT_FOUND;
    }
    struct path path = split(request->path);
    enum place place = path.length == SEGMENTS_MAX ? PLACE_NONE : place_of(&path);
    if (place == PLACE_NONE) {
        return PROBLEM_NOT_FOUND;
    }
    target->action = action_of(place, request->method);
    if (target->action == API_NOTHING) {
        return PROBLEM_METHOD;
    }
    if (!take_segments(&path, target)) {
        return PROBLEM_NOT_FOUND;
    }
    return take_query(request->query, place, target) ? PROBLEM_NONE : PROBLEM_BAD_QUERY;
}
