#include "server/config_switches.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* The switches of one name: a field's, if there is one. */
struct target {
    const struct config *config;
    struct schema *schema;
    struct schema_field *field; /* NULL: the schema's */
};

static bool text_is(struct bytes text, const char *word)
{
    return bytes_equal(text, bytes_of_text(word));
}

static void read_frozen(struct yaml_value value, const struct yaml_key *key, void *context)
{
    const struct target *target = context;
    struct bytes text = {0};
    bool given = yaml_text(value, &text);
    bool frozen = given && text_is(text, "true");
    (void)key;
    if (!frozen && !(given && text_is(text, "false"))) {
        yaml_mistake(value, "%s; expected true or false", yaml_show(value).text);
    }
    if (target->field != NULL) {
        target->field->frozen = frozen;
    } else {
        target->schema->frozen = frozen;
    }
}

/* `10%`, `0.5%`: hundredths of a percent. */
static bool parse_share(struct bytes text, uint32_t *share)
{
    uint32_t number = 0;
    size_t digits = 0;
    size_t behind_point = 0;
    bool point = false;
    for (size_t i = 0; i + 1 < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte == '.' && !point && digits > 0) {
            point = true;
        } else if (byte >= '0' && byte <= '9' && digits < 6) {
            number = number * 10 + (uint32_t)(byte - '0');
            digits++;
            behind_point += point;
        } else {
            return false;
        }
    }
    if (digits == 0 || behind_point > 2 || (point && behind_point == 0) ||
        text.data[text.length - 1] != '%') {
        return false;
    }
    *share = behind_point == 0 ? number * 100 : behind_point == 1 ? number * 10 : number;
    return *share <= SCHEMA_SHARE_ALL;
}

static void read_offered(struct yaml_value value, const struct yaml_key *key, void *context)
{
    const struct target *target = context;
    struct bytes text = {0};
    uint32_t share = 0;
    (void)key;
    if (target->field != NULL) {
        yaml_mistake(value, "\"offered\" for a field; expected it for a schema: a document is "
                            "offered as a whole");
    } else if (!yaml_text(value, &text) || !parse_share(text, &share)) {
        yaml_mistake(value, "%s; expected a share of those who have tokens, such as 10%% or 0.5%%",
                     yaml_show(value).text);
    } else if (share > 0 && share < SCHEMA_SHARE_ALL && target->config->keys.length == 0) {
        yaml_mistake(value, "a share of those who have tokens, and there is no key \"tokens\"; "
                            "expected 0%%, 100%%, or tokens");
    } else {
        target->schema->withheld = SCHEMA_SHARE_ALL - share;
    }
}

static const struct yaml_key switch_keys[] = {
    {.name = "frozen", .read = read_frozen},
    {.name = "offered", .read = read_offered},
};

static struct schema *find_schema(struct config *config, struct bytes name)
{
    const struct schema *found = schema_find(&config->schemas, name);
    return found == NULL ? NULL : &config->schemas.schemas[found - config->schemas.schemas];
}

static struct schema_field *find_field(struct schema *schema, struct bytes name)
{
    const struct schema_field *found = schema_field_by_name(schema, name);
    return found == NULL ? NULL : &schema->fields[found - schema->fields];
}

/* `post` or `post.likes`. */
static void read_switch(struct bytes name, struct yaml_value key, struct yaml_value value,
                        void *context)
{
    struct config *config = context;
    const uint8_t *point = memchr(name.data, '.', name.length);
    size_t length = point == NULL ? name.length : (size_t)(point - name.data);
    struct target target = {.config = config,
                            .schema = find_schema(config, (struct bytes){name.data, length})};
    if (target.schema == NULL) {
        yaml_mistake(key,
                     "switches of %s; expected the name of a schema, or of one and a field, "
                     "such as post.likes",
                     yaml_show_text(name).text);
        return;
    }
    if (point != NULL) {
        struct bytes field = {point + 1, name.length - length - 1};
        target.field = find_field(target.schema, field);
        if (target.field == NULL) {
            yaml_mistake(key, "switches of %s; expected a field that the schema has",
                         yaml_show_text(name).text);
            return;
        }
    }
    yaml_read_keys(value, switch_keys, COUNT_OF(switch_keys), "switches, such as \"frozen: true\"",
                   &target);
}

void config_parse_switches(struct yaml_value value, struct config *config)
{
    yaml_read_names(value, "schemas and their switches, such as \"post: {frozen: true}\"",
                    read_switch, config);
}
