/* Every code that the hub answers with, and the sentence a person can act on. docs/protocol.md
 * lists them. */
#ifndef HUB_CODES_H
#define HUB_CODES_H

#include "crdt/bytes.h"

#define HUB_CODE_LIST(X)                                                                           \
    X(NONE, "")                                                                                    \
    X(UNKNOWN_FIELD, "The schema has no such field; fetch the schema again.")                      \
    X(BAD_CHANGE, "The change does not have the form of its field's type.")                        \
    X(BAD_ELEMENT, "The element is not of the field's type, not canonical msgpack, or too long.")  \
    X(OVERFLOW, "The counter would exceed 2^53 - 1; count in larger units.")                       \
    X(OUT_OF_BOUNDS, "The counter would leave its bounds; see what stands, and count less.")       \
    X(CLOCK_AHEAD, "The clock of this device is more than a minute ahead of the hub's.")           \
    X(TOO_MANY, "The field holds as many concurrent values, or leases, as it may.")                \
    X(REPLICA_EXPIRED, "The replica was silent for too long; make the edits again in a new "       \
                       "session.")                                                                 \
    X(UNKNOWN_SCHEMA, "No schema of this name is configured on the hub.")                          \
    X(BAD_NAME, "A document's name is schema/key, at most 256 bytes, without control characters.") \
    X(NOT_OFFERED, "The hub offers documents of this schema to some only, for now.")               \
    X(SCHEMA_CHANGED, "The hub's schema of this document has changed; open it again.")             \
    X(FROZEN, "The hub takes no edits of this for now; make the edit again later.")                \
    X(UNKNOWN_STREAM, "No stream with this id is open.")                                           \
    X(ID_IN_USE, "This id was used before on this connection; ids only grow.")                     \
    X(UNKNOWN_REPLICA, "Name the replica in OPEN before sending its updates.")                     \
    X(BAD_REPLICA, "A replica is a UUIDv7 whose time is not in the future.")                       \
    X(REPLICA_IN_USE, "Another connection opened the document with the same replica, or it is "    \
                      "another principal's; begin a new session.")                                 \
    X(FORBIDDEN, "The token does not allow this; bring one that does, or undo the edit.")          \
    X(TOO_MANY_STREAMS, "Close a document before opening another.")                                \
    X(TOO_MANY_CONNECTIONS, "This principal has as many connections as it may; close one.")        \
    X(BUSY, "The hub has no room for another document now; try again later.")                      \
    X(READ_ONLY, "The hub cannot write to its disk now; the update was not taken, send it again.") \
    X(UNAVAILABLE, "The hub could not read the document from its database.")                       \
    X(PRESENCE_TOO_LONG, "Presence data may have 1024 bytes; put more into a field.")              \
    X(TOO_MANY_PRESENT, "A document shows at most 1000 who are present; this one is full.")        \
    X(UNKNOWN_METHOD, "There is no such method.")                                                  \
    X(TOO_LARGE, "The values are too large for one answer; ask for single fields.")                \
    X(BAD_PARAMETERS, "The call's parameters are not what it takes.")                              \
    X(TOKEN_REQUIRED, "The hub takes nobody in without a token; give the client one.")             \
    X(TOKEN_INVALID, "The token is not signed with a key of the hub, lacks a claim, or is "        \
                     "another principal's.")                                                       \
    X(TOKEN_EXPIRED, "The token has expired; bring a fresh one.")                                  \
    X(TOO_OFTEN, "Tokens are looked at four times a second at most; try again later.")

enum hub_code {
#define X(name, text) CODE_##name,
    HUB_CODE_LIST(X)
#undef X
        HUB_CODE_COUNT
};

const char *hub_code_name(enum hub_code code);
const char *hub_code_text(enum hub_code code);

/* CODE_NONE: no such name. */
enum hub_code hub_code_find(struct bytes name);

#endif
