-- Moments are milliseconds since the Unix epoch. Statuses, failures and kinds are the numbers of cluster.proto and
-- worker.proto. 64-bit counts (cycles, gas and their limits) are stored as the signed number with the same bits.

CREATE TABLE proofs (
    seq                INTEGER PRIMARY KEY,
    id                 TEXT    NOT NULL UNIQUE,
    prover             TEXT    NOT NULL,
    status             INTEGER NOT NULL CHECK (status BETWEEN 1 AND 4),
    requester          BLOB    NOT NULL,
    execution_status   INTEGER,
    execution_failure  INTEGER,
    execution_cycles   INTEGER,
    execution_gas      INTEGER,
    public_values_hash BLOB,
    program            TEXT    NOT NULL,
    stdin              TEXT    NOT NULL,
    stdin_private      INTEGER NOT NULL,
    proof              TEXT,
    options            TEXT,
    cycle_limit        INTEGER,
    gas_limit          INTEGER,
    deadline           INTEGER,
    handled            INTEGER NOT NULL,
    metadata           TEXT    NOT NULL,
    extra_data         TEXT,
    scheduled_by       TEXT,
    failure_cause      TEXT,
    diagnosis          TEXT,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    completed_at       INTEGER
) STRICT;

CREATE INDEX proofs_by_age ON proofs (created_at, id);
CREATE INDEX proofs_by_status ON proofs (status, created_at, id);

CREATE TABLE tasks (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    proof        TEXT    NOT NULL REFERENCES proofs (id),
    kind         INTEGER NOT NULL,
    weight       INTEGER NOT NULL, -- GB
    parent       TEXT,
    inputs       TEXT    NOT NULL, -- JSON list of artifact ids
    outputs      TEXT    NOT NULL, -- JSON list of artifact ids
    metadata     TEXT    NOT NULL,
    requester    TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed')),
    retries      INTEGER,          -- pending, running
    worker       TEXT,             -- running
    since        INTEGER,          -- running
    cause        TEXT              -- failed; pending: why the last try failed
) STRICT;

CREATE INDEX tasks_by_proof ON tasks (proof);

-- Which proof answers for a content (program version, input and mode, hashed).
CREATE TABLE contents (
    key   BLOB NOT NULL PRIMARY KEY,
    proof TEXT NOT NULL REFERENCES proofs (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX contents_by_proof ON contents (proof);
