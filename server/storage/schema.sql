-- What one data file holds. docs/storage.md tells the story; `format` in `meta` names this version of it.

-- The source of truth: accepted updates in their order. Rows leave once the tables below hold what they did.
CREATE TABLE journal(
    position INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, even when the journal is empty again
    at INTEGER NOT NULL,                        -- when it was committed, Unix milliseconds
    batch BLOB NOT NULL                         -- records as the hub wrote them
);

CREATE TABLE documents(
    id INTEGER PRIMARY KEY,
    schema TEXT NOT NULL,
    key TEXT NOT NULL,
    position INTEGER NOT NULL,   -- the journal up to here is in the document's rows
    next_index INTEGER NOT NULL, -- the number its next new replica gets
    retired INTEGER NOT NULL,    -- replicas made before this (Unix milliseconds) that have no row are retired
    UNIQUE(schema, key)
);

-- A field of a document as far as it is not in its entries.
CREATE TABLE document_fields(
    document INTEGER NOT NULL,
    field INTEGER NOT NULL,      -- fields.number
    position INTEGER NOT NULL,   -- that last changed it
    horizon INTEGER NOT NULL,    -- removals at or below it are forgotten
    PRIMARY KEY(document, field)
) WITHOUT ROWID;

-- The live data: one row for a counter, one for each element of a set.
CREATE TABLE entries(
    document INTEGER NOT NULL,
    field INTEGER NOT NULL,
    key BLOB NOT NULL,           -- the element as canonical msgpack; empty for a field of one value
    value NOT NULL,              -- for people: an integer, or JSON text
    detail BLOB NOT NULL,        -- for the hub: a counter's total, an element's dots
    position INTEGER NOT NULL,   -- that last changed it
    PRIMARY KEY(document, field, key)
) WITHOUT ROWID;

-- What clients that were away must un-show; bounded by the horizon.
CREATE TABLE removals(
    document INTEGER NOT NULL,
    field INTEGER NOT NULL,
    key BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY(document, field, key)
) WITHOUT ROWID;

-- The ledger: which updates of each replica were merged.
CREATE TABLE replicas(
    document INTEGER NOT NULL,
    replica BLOB NOT NULL,       -- UUIDv7
    number INTEGER NOT NULL,     -- its index in the document's dots
    seq INTEGER NOT NULL,        -- the highest contiguous one merged or refused
    position INTEGER NOT NULL,   -- that last changed the row
    at INTEGER NOT NULL,         -- when, Unix milliseconds
    detail BLOB NOT NULL,        -- for the hub: its counter entries and last refused updates
    principal BLOB NOT NULL,     -- who it belongs to
    PRIMARY KEY(document, replica)
) WITHOUT ROWID;

-- Updates that took no effect, and why: for the operator.
CREATE TABLE rejected(
    document INTEGER NOT NULL,
    replica BLOB NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    packet BLOB NOT NULL,        -- the update as it came
    PRIMARY KEY(document, replica, seq)
);

-- Field numbers are given once and for ever.
CREATE TABLE fields(
    schema TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    options TEXT NOT NULL,       -- as JSON
    PRIMARY KEY(schema, number)
) WITHOUT ROWID;

-- Journals that this one was restored from, with the last position they share.
CREATE TABLE ancestors(
    journal BLOB PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;

-- format, journal (id), clean (1 after a clean stop), boot (id of the operating system's start)
CREATE TABLE meta(
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;
