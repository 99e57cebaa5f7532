#include "protocol/status.h"

const char *protocol_status_text(enum protocol_status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        PROTOCOL_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}
