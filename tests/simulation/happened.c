#include "tests/simulation/happened.h"

static const char *const texts[HAPPENED_KINDS] = {
#define X(name, text) [HAPPENED_##name] = text,
    HAPPENED_LIST(X)
#undef X
};

const char *happened_text(enum happened kind) { return texts[kind]; }

void happened_print(const size_t counts[HAPPENED_KINDS], FILE *out)
{
    for (size_t i = 0; i < HAPPENED_KINDS; i++) {
        (void)fprintf(out, "%12zu  %s\n", counts[i], texts[i]);
    }
}
