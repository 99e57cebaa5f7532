/*
 * The API's description (OpenAPI 3.1), from the schemas as the hub declares them: a path for each
 * schema, field and edit, so that a generated client has their names and types.
 */
#include <stdio.h>
#include <string.h>

#include "server/api/state.h"

enum { PATH_BYTES = 256, NAME_BYTES = 2 * LIMIT_SCHEMA_NAME_BYTES + 16 };

/* --- values --- */

static json_t *schema_of_element(enum element_of of)
{
    switch (of) {
    case ELEMENT_STRING:
        return json_pack("{s:s}", "type", "string");
    case ELEMENT_INT:
        return json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum",
                         (json_int_t)-CRDT_INTEGER_MAX, "maximum", (json_int_t)CRDT_INTEGER_MAX);
    case ELEMENT_FLOAT:
        return json_pack("{s:[s,s]}", "type", "number", "null");
    case ELEMENT_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case ELEMENT_BYTES:
        return json_pack("{s:s,s:{s:{s:s,s:s}},s:[s]}", "type", "object", "properties", "$bytes",
                         "type", "string", "pattern", "^([0-9a-f]{2})*$", "required", "$bytes");
    case ELEMENT_ANY:
        break;
    }
    return json_object(); /* anything */
}

static bool is_named(const struct declaration *declared, const char *part)
{
    return strstr(declared->codec->type->name, part) != NULL;
}

static json_t *schema_of_counter(const struct declaration *declared)
{
    bool bounded = declared->codec->takes_bounds;
    bool grows = strcmp(declared->codec->type->name, "g-counter") == 0;
    int64_t min = bounded ? declared->crdt.min : (grows ? 0 : -CRDT_INTEGER_MAX);
    int64_t max = bounded ? declared->crdt.max : CRDT_INTEGER_MAX;
    return json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum", (json_int_t)min, "maximum",
                     (json_int_t)max);
}

/* A field's value, as `write_json` of its codec has it. */
static json_t *schema_of_value(const struct declaration *declared)
{
    if (declared->inner != NULL) {
        return json_pack("{s:s,s:o}", "type", "object", "additionalProperties",
                         schema_of_value(declared->inner));
    }
    if (is_named(declared, "counter")) {
        return schema_of_counter(declared);
    }
    if (is_named(declared, "flag")) {
        return json_pack("{s:s}", "type", "boolean");
    }
    if (is_named(declared, "lww")) { /* nothing was set yet: null */
        return json_pack("{s:[o,{s:s}]}", "anyOf", schema_of_element(declared->of), "type", "null");
    }
    return json_pack("{s:s,s:o}", "type", "array", "items", schema_of_element(declared->of));
}

/* --- edits --- */

static json_t *schema_of_edits(const struct declaration *declared);

static json_t *schema_of_amount(void)
{
    return json_pack("{s:s,s:i,s:I}", "type", "integer", "minimum", 1, "maximum",
                     (json_int_t)CRDT_INTEGER_MAX);
}

static json_t *schema_of_list(json_t *items)
{
    return json_pack("{s:s,s:o,s:i}", "type", "array", "items", items, "minItems", 1);
}

/* What stands behind an edit's name in a PATCH; NULL: HTTP has no such edit. */
static json_t *schema_of_argument(const struct declaration *declared, const char *verb)
{
    switch (edit_takes(bytes_of_text(verb), declared)) {
    case EDIT_NOTHING:
        return json_pack("{s:b}", "const", true);
    case EDIT_AMOUNT:
        return schema_of_amount();
    case EDIT_ELEMENTS:
        return schema_of_list(schema_of_element(declared->of));
    case EDIT_VALUE:
        return schema_of_element(declared->of);
    case EDIT_KEYS:
        return schema_of_list(json_pack("{s:s}", "type", "string"));
    case EDIT_PUT:
        return json_pack("{s:s,s:o,s:i}", "type", "object", "additionalProperties",
                         schema_of_edits(declared->inner), "minProperties", 1);
    case EDIT_UNKNOWN:
    case EDIT_RESERVE:
        break;
    }
    return NULL;
}

/* Leases belong to devices (edit.c): neither of their edits is here. */
static bool is_offered(const struct declaration *declared, const char *verb)
{
    return edit_takes(bytes_of_text(verb), declared) != EDIT_RESERVE &&
           strcmp(verb, "release") != 0;
}

static json_t *schema_of_edits(const struct declaration *declared)
{
    const char *verb;
    json_t *properties = json_object();
    for (size_t n = 0; (verb = edit_verb(declared, n)) != NULL; n++) {
        if (is_offered(declared, verb)) {
            (void)json_object_set_new(properties, verb, schema_of_argument(declared, verb));
        }
    }
    return json_pack("{s:s,s:o,s:b,s:i}", "type", "object", "properties", properties,
                     "additionalProperties", false, "minProperties", 1);
}

/* A POST's body: one member, named after what it is. */
static json_t *schema_of_post(const struct declaration *declared, const char *verb)
{
    const char *member = NULL;
    switch (edit_takes(bytes_of_text(verb), declared)) {
    case EDIT_AMOUNT:
        return json_pack("{s:s,s:{s:o}}", "type", "object", "properties", "by", schema_of_amount());
    case EDIT_ELEMENTS:
        member = "elements";
        break;
    case EDIT_VALUE:
        member = "value";
        break;
    case EDIT_KEYS:
        member = "keys";
        break;
    case EDIT_PUT:
        return json_pack("{s:s,s:{s:{s:s},s:o,s:{}},s:[s]}", "type", "object", "properties", "key",
                         "type", "string", "edit", schema_of_edits(declared->inner), "value",
                         "required", "key");
    case EDIT_NOTHING:
    case EDIT_UNKNOWN:
    case EDIT_RESERVE:
        return json_pack("{s:s}", "type", "object");
    }
    return json_pack("{s:s,s:{s:o},s:[s]}", "type", "object", "properties", member,
                     schema_of_argument(declared, verb), "required", member);
}

/* --- operations --- */

static json_t *content_of(const char *type, json_t *schema)
{
    return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *parameter(const char *in, const char *name, bool required, const char *what)
{
    return json_pack("{s:s,s:s,s:b,s:s,s:{s:s}}", "name", name, "in", in, "required", required,
                     "description", what, "schema", "type", "string");
}

static json_t *key_parameters(void)
{
    return json_pack("[o]",
                     parameter("path", "key", true,
                               "The document's key; one with a slash goes by /api/document."));
}

/* `body` NULL: it takes none. */
static json_t *operation(const char *summary, const char *type, json_t *answer, json_t *body,
                         bool body_required)
{
    json_t *made = json_pack("{s:s,s:{s:{s:s,s:{s:{s:s,s:{s:s}}},s:o},s:{s:s}}}", "summary",
                             summary, "responses", "200", "description", "What stands.", "headers",
                             "ETag", "description", "Journal and position of what is told.",
                             "schema", "type", "string", "content", content_of(type, answer),
                             "default", "$ref", "#/components/responses/Problem");
    if (body != NULL) {
        json_t *keys = json_pack("[o]", parameter("header", "Idempotency-Key", false,
                                                  "The same key counts once, for a day at least."));
        (void)json_object_set_new(made, "parameters", keys);
        (void)json_object_set_new(made, "requestBody",
                                  json_pack("{s:b,s:o}", "required", body_required, "content",
                                            content_of("application/json", body)));
    }
    return made;
}

/* Of values, which a tag stands for. */
static json_t *operation_get(const char *summary, json_t *answer)
{
    json_t *made = operation(summary, "application/json", answer, NULL, false);
    (void)json_object_set_new(made, "parameters",
                              json_pack("[o]", parameter("header", "If-None-Match", false,
                                                         "The ETag of what is known.")));
    (void)json_object_set_new(json_object_get(made, "responses"), "304",
                              json_pack("{s:s}", "description", "It still stands."));
    return made;
}

static json_t *reference(const char *schema, const char *part)
{
    char name[NAME_BYTES + 32];
    (void)snprintf(name, sizeof name, "#/components/schemas/%s%s", schema, part);
    return json_pack("{s:s}", "$ref", name);
}

static void add_path(json_t *paths, const char *path, const char *method, json_t *made)
{
    json_t *item = json_object_get(paths, path);
    if (item == NULL) {
        item = json_pack("{s:o}", "parameters", key_parameters());
        (void)json_object_set_new(paths, path, item);
    }
    (void)json_object_set_new(item, method, made);
}

/* --- schemas --- */

static void add_field(json_t *paths, const char *schema, const char *field,
                      const struct declaration *declared)
{
    char path[PATH_BYTES];
    const char *verb;
    if (strcmp(field, "watch") != 0) { /* which is another path */
        (void)snprintf(path, sizeof path, "/api/documents/%s/{key}/%s", schema, field);
        json_t *answer = json_pack("{s:s,s:{s:o},s:[s]}", "type", "object", "properties", "value",
                                   schema_of_value(declared), "required", "value");
        add_path(paths, path, "get", operation_get("The value of one field.", answer));
    }
    for (size_t n = 0; (verb = edit_verb(declared, n)) != NULL; n++) {
        if (is_offered(declared, verb)) {
            bool required = edit_takes(bytes_of_text(verb), declared) > EDIT_AMOUNT;
            (void)snprintf(path, sizeof path, "/api/documents/%s/{key}/%s/%s", schema, field, verb);
            add_path(paths, path, "post",
                     operation("Edits one field.", "application/json", reference(schema, ""),
                               schema_of_post(declared, verb), required));
        }
    }
}

static void add_document(json_t *paths, const char *schema)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/api/documents/%s/{key}", schema);
    add_path(paths, path, "get", operation_get("The values of all fields.", reference(schema, "")));
    add_path(paths, path, "patch",
             operation("Edits several fields: all of it counts, or nothing.", "application/json",
                       reference(schema, ""), reference(schema, ".edits"), true));
    (void)snprintf(path, sizeof path, "/api/documents/%s/{key}/watch", schema);
    add_path(paths, path, "get",
             operation("The values as they change, as server-sent events.", "text/event-stream",
                       json_pack("{s:s}", "type", "string"), NULL, false));
}

static void add_schema(json_t *root, struct bytes name, struct reader *reader)
{
    char schema[LIMIT_SCHEMA_NAME_BYTES + 1];
    char field[LIMIT_SCHEMA_NAME_BYTES + 1];
    char part[NAME_BYTES];
    json_t *paths = json_object_get(root, "paths");
    json_t *schemas = json_object_get(json_object_get(root, "components"), "schemas");
    json_t *values = json_object();
    json_t *edits = json_object();
    (void)snprintf(schema, sizeof schema, "%.*s", (int)name.length, (const char *)name.data);
    add_document(paths, schema);
    size_t length = read_array(reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct declaration declared;
        (void)read_tuple(reader, 4);
        (void)read_uint(reader);
        struct bytes told = read_string(reader, LIMIT_SCHEMA_NAME_BYTES);
        if (!declaration_read(reader, &declared)) {
            break;
        }
        (void)snprintf(field, sizeof field, "%.*s", (int)told.length, (const char *)told.data);
        (void)json_object_set_new(values, field, schema_of_value(&declared));
        (void)json_object_set_new(edits, field, schema_of_edits(&declared));
        add_field(paths, schema, field, &declared);
        declaration_finish(&declared);
    }
    json_t *document =
        json_pack("{s:s,s:{s:{s:s},s:{s:s},s:{s:s,s:o}},s:[s,s,s]}", "type", "object", "properties",
                  "document", "type", "string", "position", "type", "integer", "values", "type",
                  "object", "properties", values, "required", "document", "position", "values");
    (void)json_object_set_new(schemas, schema, document);
    (void)snprintf(part, sizeof part, "%s.edits", schema);
    (void)json_object_set_new(schemas, part,
                              json_pack("{s:s,s:o,s:b,s:i}", "type", "object", "properties", edits,
                                        "additionalProperties", false, "minProperties", 1));
}

/* --- documents by the query, whose keys a path cannot hold --- */

static json_t *any_document(void)
{
    return json_pack("{s:s,s:{s:{s:s},s:{s:s}},s:[s,s]}", "type", "object", "properties",
                     "document", "type", "string", "position", "type", "integer", "required",
                     "document", "position");
}

static json_t *any_edits(void) { return json_pack("{s:s}", "type", "object"); }

static void add_query(json_t *made, const char *name, bool required, const char *what)
{
    (void)json_array_append_new(json_object_get(made, "parameters"),
                                parameter("query", name, required, what));
}

static json_t *get_by_name(void)
{
    json_t *made = operation_get("The values of all fields, or of one.", any_document());
    add_query(made, "field", false, "Only this field's value.");
    return made;
}

static json_t *post_by_name(void)
{
    json_t *made =
        operation("Edits one field.", "application/json", any_document(), any_edits(), false);
    add_query(made, "field", true, "The field.");
    add_query(made, "edit", true, "The edit, as the paths of its schema have it.");
    return made;
}

static void add_by_name(json_t *paths)
{
    static const char what[] = "The document: schema, slash and key, escaped.";
    json_t *patch = operation("Edits several fields: all of it counts, or nothing.",
                              "application/json", any_document(), any_edits(), true);
    json_t *watch =
        operation("The values as they change, as server-sent events.", "text/event-stream",
                  json_pack("{s:s}", "type", "string"), NULL, false);
    (void)json_object_set_new(paths, "/api/document",
                              json_pack("{s:[o],s:o,s:o,s:o}", "parameters",
                                        parameter("query", "name", true, what), "get",
                                        get_by_name(), "patch", patch, "post", post_by_name()));
    (void)json_object_set_new(paths, "/api/document/watch",
                              json_pack("{s:[o],s:o}", "parameters",
                                        parameter("query", "name", true, what), "get", watch));
}

/* --- the whole --- */

static json_t *problem_schema(void)
{
    return json_pack(
        "{s:s,s:{s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s}},s:[s,s,s,s]}", "type",
        "object", "properties", "type", "type", "string", "title", "type", "string", "status",
        "type", "integer", "detail", "type", "string", "code", "type", "string", "request_id",
        "type", "string", "details", "type", "object", "required", "type", "title", "status",
        "code");
}

static json_t *list_operation(void)
{
    json_t *answer =
        json_pack("{s:s,s:{s:{s:s,s:{s:s}},s:{s:[s,s]}},s:[s,s]}", "type", "object", "properties",
                  "documents", "type", "array", "items", "type", "object", "next", "type", "string",
                  "null", "required", "documents", "next");
    json_t *made =
        operation("Documents by name, for operators.", "application/json", answer, NULL, false);
    (void)json_object_set_new(
        made, "parameters",
        json_pack("[o,o,o]", parameter("query", "schema", false, "Only of this schema."),
                  parameter("query", "after", false, "What `next` of the page before says."),
                  parameter("query", "limit", false, "1 to 1000; 100 without it.")));
    return made;
}

static json_t *skeleton(void)
{
    json_t *components = json_pack("{s:{s:{s:s,s:s}},s:{s:{s:s,s:o}},s:{s:o}}", "securitySchemes",
                                   "token", "type", "http", "scheme", "bearer", "responses",
                                   "Problem", "description", "Why not (RFC 9457).", "content",
                                   content_of("application/problem+json", reference("Problem", "")),
                                   "schemas", "Problem", problem_schema());
    json_t *paths = json_pack("{s:{s:o},s:{s:o}}", "/api/documents", "get", list_operation(),
                              "/api/openapi.json", "get",
                              operation("This description.", "application/json",
                                        json_pack("{s:s}", "type", "object"), NULL, false));
    return json_pack("{s:s,s:{s:s,s:s,s:{s:s,s:s}},s:[{s:s}],s:[{s:[]},{}],s:o,s:o}", "openapi",
                     "3.1.0", "info", "title", "Syncline", "version", "1", "license", "name",
                     "Apache-2.0", "identifier", "Apache-2.0", "servers", "url", "/", "security",
                     "token", "paths", paths, "components", components);
}

char *openapi_write(struct bytes declared)
{
    struct reader reader = reader_of(declared);
    json_t *root = skeleton();
    add_by_name(json_object_get(root, "paths"));
    size_t length = read_map(&reader, LIMIT_SCHEMAS);
    for (size_t i = 0; root != NULL && i < length && reader_ok(&reader); i++) {
        struct bytes name = read_string(&reader, LIMIT_SCHEMA_NAME_BYTES);
        add_schema(root, name, &reader);
    }
    char *text = root == NULL || !reader_ok(&reader) ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}
