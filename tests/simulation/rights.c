#include "tests/simulation/rights.h"

#include <stdio.h>
#include <string.h>

#include "server/hub/access.h"

enum { READER = PEOPLE - 1, READ_DOCUMENT = 1, NAME_BYTES = 16 };

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void person_name(unsigned person, char *text, size_t size)
{
    (void)snprintf(text, size, "person-%u", person);
}

unsigned person_of(struct bytes principal)
{
    unsigned person = 0;
    char name[NAME_BYTES];
    for (; person < PEOPLE; person++) {
        person_name(person, name, sizeof name);
        if (bytes_equal(principal, text_bytes(name))) {
            break;
        }
    }
    return person;
}

bool rights_are_operators(unsigned person) { return person == 0; }

void rights_write(unsigned person, struct writer *writer)
{
    if (person == READER) {
        access_grant(writer, text_bytes("all/1"), false, ACCESS_USE);
        access_grant(writer, text_bytes("all/2"), false, ACCESS_READ | ACCESS_PRESENCE);
    } else {
        access_grant(writer, text_bytes("all/"), true, ACCESS_USE);
    }
}

bool rights_may_edit(unsigned person, const struct history_edit *edit)
{
    bool guarded = edit->kind == HISTORY_OPEN && !rights_are_operators(person);
    return !guarded && (person != READER || edit->document != READ_DOCUMENT);
}
