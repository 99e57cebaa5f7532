#include "crdt/status.h"

const char *crdt_status_text(enum crdt_status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        CRDT_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}
