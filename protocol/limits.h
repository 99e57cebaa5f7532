/* The bounds of everything that crosses a wall, each with its reason. Config may lower or raise
 * those marked (config). */
#ifndef PROTOCOL_LIMITS_H
#define PROTOCOL_LIMITS_H

enum {
    LIMIT_MESSAGE_BYTES =
        1 << 20, /* (config) one WebSocket message: bounds what is gathered before it is decoded */
    LIMIT_DEPTH = 32,    /* msgpack nesting: a packet needs 7, each map in a map 2 more, an element
                            of type any may add 8 */
    LIMIT_MAP_DEPTH = 8, /* maps in maps */
    LIMIT_OBJECTS = 1 << 17,      /* values in one packet: bounds the work of one message */
    LIMIT_ELEMENT_BYTES = 4096,   /* one element of a set: an element is a key, not a document */
    LIMIT_VALUE_BYTES = 64 << 10, /* one value of a register */
    LIMIT_KEY_BYTES = 1024,       /* a key of a map */
    LIMIT_VALUES = 256,           /* concurrent values of a register */
    LIMIT_STATE_PARTS = 4096,     /* dots of one entry, and parts of one counter in a map, in a full
                                     state: joins compare each with each */
    LIMIT_STATE_DOTS = 1 << 17,   /* dots of all entries in a full state: bounds its memory */
    LIMIT_LEASES = 1000,          /* leases of a bounded counter */
    LIMIT_LEASE_KEY_BYTES = 64,
    LIMIT_LEASE_MS_MIN = 1000, /* how long a lease may last */
    LIMIT_LEASE_MS_MAX = 7 * 24 * 60 * 60 * 1000,
    LIMIT_ELEMENT_DEPTH = 8,            /* nesting inside an element of type any */
    LIMIT_SCHEMA_NAME_BYTES = 64,       /* a schema's or field's name */
    LIMIT_DOCUMENT_NAME_BYTES = 256,    /* schema, slash, key */
    LIMIT_FIELDS = 256,                 /* fields of a schema, ever declared */
    LIMIT_SCHEMAS = 256,                /* schemas in a config */
    LIMIT_NAMED_REPLICAS = 256,         /* replicas one OPEN names, and one context */
    LIMIT_STREAMS = 4096,               /* (config) open documents of one connection */
    LIMIT_TOKEN_BYTES = 8192,           /* a token or an agent's name in HELLO */
    LIMIT_GRANTS_BYTES = 32768,         /* what a token allows, with its principal filled in */
    LIMIT_PRINCIPAL_BYTES = 256,        /* whom a token is for: a user's id, or an address */
    LIMIT_IDEMPOTENCY_KEY_BYTES = 255,  /* what a request names itself by: a UUID, as a rule */
    LIMIT_DIGEST_BYTES = 32,            /* of a request, beside its key */
    LIMIT_CODE_BYTES = 64,              /* an error's code */
    LIMIT_TEXT_BYTES = 1024,            /* an error's sentence */
    LIMIT_INLINE_BODY_BYTES = 64 << 10, /* a larger SNAPSHOT or UPDATE travels in chunks */
    LIMIT_CHUNK_BYTES = 16 << 10,       /* one CHUNK: live packets wait for no more than this */
    LIMIT_TRANSFER_WINDOW =
        256 << 10,               /* bytes of a transfer sent before the receiver grants more */
    LIMIT_BODY_BYTES = 1 << 30,  /* a document's encoded state */
    LIMIT_REMOVALS = 10000,      /* (config) removals a field remembers: bounds the log */
    LIMIT_ROW_WALK_BYTES = 256,  /* where a walk through rows goes on: a replica's row's key, or a
                                    document's name */
    LIMIT_PRESENCE_BYTES = 1024, /* what one client says of itself: a name, a colour, a selection */
    LIMIT_PRESENCES = 1000,      /* in one document: each is told to all others */
    LIMIT_AGENT_BYTES =
        128, /* of HELLO's agent, and of its client, kept to be shown to operators */
    LIMIT_CORRELATION_BYTES = 64, /* what a client calls its connection in logs and errors */
    LIMIT_LISTED = 1000,        /* connections, documents or streams in one answer to an operator */
    LIMIT_LISTED_WRITERS = 100, /* of a document, in such an answer */
    LIMIT_LISTED_REJECTED = 500, /* refused updates in such an answer */
    LIMIT_KEPT_LETTERS = 1000,   /* dead letters of a target; the oldest leave */
    LIMIT_LISTED_LETTERS = 500,  /* dead letters in such an answer */
    LIMIT_LOOKED_AT = 10000,     /* what is looked at for one such answer, listed or not: bounds its
                                    time */
    LIMIT_VALUE_CALLS = 1024,    /* calls for values that wait for their documents at once */
    LIMIT_OPERATOR_CALLS = 64,   /* such answers that wait for the database at once */
    LIMIT_DOCUMENT_CALLS = 16,   /* operators' calls that work on a document each at once: all of
                                    its replicas are loaded */
    LIMIT_DOWNLOADS = 4,         /* to operators at once: each has a copy of what it sends */
    LIMIT_REJECTIONS = 16, /* refused updates that a replica is told of again after a lost REJECT */
};

#endif
