/* Declarations from texts: a type, and its options as JSON. */
#ifndef TESTS_DECLARED_H
#define TESTS_DECLARED_H

#include "protocol/declaration.h"

/* Stops the test where there is no such declaration. To be finished. */
struct declaration declared(const char *type, const char *options);

#endif
