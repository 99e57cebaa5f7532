#include "crdt/field.h"

bool crdt_change_is_ahead(const struct crdt_change *change, uint64_t now_ms)
{
    return change->type->is_ahead != NULL && change->type->is_ahead(change, now_ms);
}

bool crdt_field_is_ahead(const struct crdt_field *field, uint64_t now_ms)
{
    return field->type->is_field_ahead != NULL && field->type->is_field_ahead(field, now_ms);
}

enum crdt_status crdt_change_stamp(struct crdt_change *change, const struct crdt_field *field,
                                   uint64_t now_ms)
{
    return change->type->stamp == NULL ? CRDT_OK : change->type->stamp(change, field, now_ms);
}

enum crdt_status crdt_field_check(const struct crdt_field *field, const struct crdt_entry *entry,
                                  const struct crdt_change *change,
                                  const struct crdt_update *update)
{
    return field->type->check == NULL ? CRDT_OK : field->type->check(field, entry, change, update);
}

void crdt_entry_spend(struct crdt_entry *entry, const struct crdt_change *change)
{
    if (change->type->spend != NULL) {
        change->type->spend(entry, change);
    }
}

void crdt_change_claim(struct crdt_change *change, struct crdt_entry entry)
{
    if (change->type->claim != NULL) {
        change->type->claim(change, entry);
    }
}

enum crdt_status crdt_field_check_remove(const struct crdt_field *field,
                                         const struct crdt_update *update)
{
    return field->type->check_remove == NULL ? CRDT_OK : field->type->check_remove(field, update);
}

enum crdt_status crdt_field_check_join(const struct crdt_field *field,
                                       const struct crdt_field *state, const struct crdt_join *join)
{
    return field->type->check_join == NULL ? CRDT_OK : field->type->check_join(field, state, join);
}

void crdt_field_trim(struct crdt_field *field, size_t removals_max)
{
    if (field->type->trim != NULL) {
        field->type->trim(field, removals_max);
    }
}

uint64_t crdt_field_due_ms(const struct crdt_field *field)
{
    return field->type->due_ms == NULL ? UINT64_MAX : field->type->due_ms(field);
}

void crdt_field_expire(struct crdt_field *field, uint64_t now_ms, uint64_t position)
{
    if (field->type->expire != NULL) {
        field->type->expire(field, now_ms, position);
    }
}

enum crdt_company crdt_declaration_company(const struct crdt_declaration *declared)
{
    enum crdt_company company = declared->type->company;
    for (const struct crdt_declaration *inner = declared->of; inner != NULL; inner = inner->of) {
        company = inner->type->company > company ? inner->type->company : company;
    }
    return company;
}
