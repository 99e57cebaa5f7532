#include "server/hub/codes.h"

static const struct {
    const char *name;
    const char *text;
} codes[] = {
#define X(name, text) {#name, text},
    HUB_CODE_LIST(X)
#undef X
};

const char *hub_code_name(enum hub_code code) { return codes[code].name; }

const char *hub_code_text(enum hub_code code) { return codes[code].text; }

enum hub_code hub_code_find(struct bytes name)
{
    for (size_t i = 1; i < sizeof codes / sizeof *codes; i++) {
        const char *text = codes[i].name;
        if (bytes_equal(name, bytes_of_text(text))) {
            return (enum hub_code)i;
        }
    }
    return CODE_NONE;
}
