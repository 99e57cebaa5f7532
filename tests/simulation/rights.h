/*
 * Rights: what each person's token allows, as the hub is told and as the oracle knows. The first
 * person is an operator. The others do not write the field `open`, which is guarded, and the last
 * one only reads the second document.
 */
#ifndef SIMULATION_RIGHTS_H
#define SIMULATION_RIGHTS_H

#include "protocol/writer.h"
#include "tests/simulation/history.h"

enum { PEOPLE = 3 };

/* What a token has in the place of its principal; the person's number, or PEOPLE for nobody. */
void person_name(unsigned person, char *text, size_t size);
unsigned person_of(struct bytes principal);

bool rights_are_operators(unsigned person);
/* The grants of the person's tokens. */
void rights_write(unsigned person, struct writer *writer);
bool rights_may_edit(unsigned person, const struct history_edit *edit);

#endif
