#include "clients/c/typescript.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"

/* What a field's type is called in `clients/js`; `nested` where it is another inside a map. */
static const struct typescript_type {
    const char *type;
    const char *name;
    const char *nested;
} types[] = {
    {"g-counter", "Counter", NULL},
    {"pn-counter", "PnCounter", NULL},
    {"bounded-counter", "BoundedCounter", "NestedBoundedCounter"},
    {"g-set", "GSet", NULL},
    {"2p-set", "TwoPhaseSet", NULL},
    {"or-set", "OrSet", NULL},
    {"lww-register", "LwwRegister", NULL},
    {"mv-register", "MvRegister", NULL},
    {"flag", "Flag", NULL},
    {"map", "LiveMap", NULL},
};

static const char *const elements[] = {
    [ELEMENT_STRING] = "string", [ELEMENT_INT] = "number",       [ELEMENT_FLOAT] = "number",
    [ELEMENT_BOOL] = "boolean",  [ELEMENT_BYTES] = "Uint8Array", [ELEMENT_ANY] = "Element",
};

/* Beside the types' names, what the module calls something else. */
static const char *const taken[] = {"Element", "SchemaOf", "Schemas", "Uint8Array"};

enum {
    TYPES = sizeof types / sizeof *types,
    TAKEN = sizeof taken / sizeof *taken,
    NUMBER_DIGITS_MAX = 8,
    IMPORTS_MAX = 2 * TYPES + TAKEN,
};

/* What a schema's type is called. */
struct type_name {
    char text[LIMIT_SCHEMA_NAME_BYTES + NUMBER_DIGITS_MAX + 1];
};

struct module {
    const struct schema_set *schemas;
    struct type_name *names; /* one for each schema */
    struct buffer *text;
    bool failed;
};

static void put(struct module *module, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct module *module, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text ||
        buffer_append(module->text, text, (size_t)length) != PROTOCOL_OK) {
        module->failed = true;
    }
}

const char *typescript_type_name(const struct declaration *declared)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (strcmp(types[i].type, declared->codec->type->name) == 0) {
            return declared->crdt.nested && types[i].nested != NULL ? types[i].nested
                                                                    : types[i].name;
        }
    }
    return NULL;
}

/* --- names --- */

static bool is_taken(const struct module *module, size_t count, const char *name)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (strcmp(name, types[i].name) == 0 ||
            (types[i].nested != NULL && strcmp(name, types[i].nested) == 0)) {
            return true;
        }
    }
    for (size_t i = 0; i < TAKEN; i++) {
        if (strcmp(name, taken[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, module->names[i].text) == 0) {
            return true;
        }
    }
    return false;
}

/* `work-shop` is `WorkShop`. */
static struct type_name pascal_case(const char *name)
{
    struct type_name result = {""};
    size_t length = 0;
    bool upper = true;
    for (; *name != '\0'; name++) {
        if (*name == '-' || *name == '_') {
            upper = true;
        } else {
            result.text[length++] = (char)(upper ? toupper((unsigned char)*name) : *name);
            upper = false;
        }
    }
    return result;
}

/* The first that is free of `Post`, `Post2`, `Post3`. */
static void name_types(struct module *module)
{
    for (size_t i = 0; i < module->schemas->length; i++) {
        struct type_name base = pascal_case(module->schemas->schemas[i].name);
        struct type_name name = base;
        size_t length = strlen(base.text);
        for (unsigned number = 2; is_taken(module, i, name.text); number++) {
            (void)snprintf(&name.text[length], sizeof name.text - length, "%u", number);
        }
        module->names[i] = name;
    }
}

/* A name as a property: as it is where it is an identifier, which it is but for `-`. */
static void put_property(struct module *module, const char *name)
{
    const char *quote = strchr(name, '-') == NULL ? "" : "'";
    put(module, "%s%s%s", quote, name, quote);
}

/* --- types --- */

static void put_type(struct module *module, const struct declaration *declared)
{
    size_t depth = 0;
    for (; declared != NULL; declared = declared->inner) {
        const char *name = typescript_type_name(declared);
        put(module, "%s", name == NULL ? "unknown" : name);
        if (declared->codec->takes_of) {
            put(module, "<%s>", elements[declared->of]);
        }
        if (declared->inner != NULL) {
            put(module, "<");
            depth++;
        }
    }
    for (; depth > 0; depth--) {
        put(module, ">");
    }
}

static void put_schema_type(struct module *module, size_t index)
{
    const struct schema *schema = &module->schemas->schemas[index];
    put(module, "export type %s = {\n", module->names[index].text);
    for (size_t i = 0; i < schema->length; i++) {
        put(module, "  ");
        put_property(module, schema->fields[i].name);
        put(module, ": ");
        put_type(module, &schema->fields[i].declared);
        put(module, ";\n");
    }
    put(module, "};\n\n");
}

static void put_schemas_type(struct module *module)
{
    put(module, "export type Schemas = {\n");
    for (size_t i = 0; i < module->schemas->length; i++) {
        put(module, "  ");
        put_property(module, module->schemas->schemas[i].name);
        put(module, ": %s;\n", module->names[i].text);
    }
    put(module, "};\n\n");
}

/* --- declarations, as `connect` takes them --- */

static void put_bound(struct module *module, const char *name, int64_t bound)
{
    if (bound != CRDT_INTEGER_MAX && bound != -CRDT_INTEGER_MAX) {
        put(module, ", %s: %" PRId64, name, bound);
    }
}

static void put_declaration(struct module *module, const struct declaration *declared)
{
    size_t depth = 0;
    for (; declared->inner != NULL; declared = declared->inner, depth++) {
        put(module, "{ type: '%s', of: ", declared->codec->type->name);
    }
    const struct protocol_codec *codec = declared->codec;
    if (codec->takes_of || codec->takes_bounds || codec->takes_wins) {
        put(module, "{ type: '%s'", codec->type->name);
        if (codec->takes_of) {
            put(module, ", of: '%s'", element_of_text(declared->of));
        }
        put_bound(module, "min", declared->crdt.min);
        put_bound(module, "max", declared->crdt.max);
        if (codec->takes_wins) {
            put(module, ", wins: '%s'", declared->crdt.disable_wins ? "disable" : "enable");
        }
        put(module, " }");
    } else {
        put(module, "'%s'", codec->type->name);
    }
    for (; depth > 0; depth--) {
        put(module, " }");
    }
}

static void put_schema_value(struct module *module)
{
    put(module, "/** For `connect(url, { schema })`: documents have their types, and can be edited "
                "before the first connection. */\n"
                "export const schema: SchemaOf<Schemas> = {\n");
    for (size_t i = 0; i < module->schemas->length; i++) {
        const struct schema *schema = &module->schemas->schemas[i];
        put(module, "  ");
        put_property(module, schema->name);
        put(module, ": {\n");
        for (size_t k = 0; k < schema->length; k++) {
            put(module, "    ");
            put_property(module, schema->fields[k].name);
            put(module, ": ");
            put_declaration(module, &schema->fields[k].declared);
            put(module, ",\n");
        }
        put(module, "  },\n");
    }
    /* Else the compiler forgets what `wins` is under `constructor`, which objects have too. */
    put(module, "} as const;\n");
}

/* --- imports --- */

struct imports {
    const char *names[IMPORTS_MAX];
    size_t length;
};

static void import_name(struct imports *imports, const char *name)
{
    for (size_t i = 0; i < imports->length; i++) {
        if (strcmp(imports->names[i], name) == 0) {
            return;
        }
    }
    imports->names[imports->length++] = name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void import_declaration(struct imports *imports, const struct declaration *declared)
{
    for (; declared != NULL; declared = declared->inner) {
        if (typescript_type_name(declared) != NULL) {
            import_name(imports, typescript_type_name(declared));
        }
        if (declared->codec->takes_of && declared->of == ELEMENT_ANY) {
            import_name(imports, elements[ELEMENT_ANY]);
        }
    }
}

static void put_imports(struct module *module)
{
    struct imports imports = {{"SchemaOf"}, 1};
    for (size_t i = 0; i < module->schemas->length; i++) {
        const struct schema *schema = &module->schemas->schemas[i];
        for (size_t k = 0; k < schema->length; k++) {
            import_declaration(&imports, &schema->fields[k].declared);
        }
    }
    qsort(imports.names, imports.length, sizeof *imports.names, compare_names);
    put(module, "import type {\n");
    for (size_t i = 0; i < imports.length; i++) {
        put(module, "  %s,\n", imports.names[i]);
    }
    put(module, "} from 'syncline';\n\n");
}

bool typescript_write(const struct schema_set *schemas, struct buffer *text)
{
    struct module module = {schemas, calloc(schemas->length + 1, sizeof *module.names), text,
                            false};
    if (module.names == NULL) {
        return false;
    }
    name_types(&module);
    put(&module, "// Made by `syncline generate typescript`: not to be edited, but made again when "
                 "the schemas change.\n");
    put_imports(&module);
    for (size_t i = 0; i < schemas->length; i++) {
        put_schema_type(&module, i);
    }
    put_schemas_type(&module);
    put_schema_value(&module);
    free(module.names);
    return !module.failed;
}
