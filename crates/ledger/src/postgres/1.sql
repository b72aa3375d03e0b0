-- Moments are milliseconds since the Unix epoch. Statuses, failures and kinds are the numbers of cluster.proto and
-- worker.proto. 64-bit counts (cycles, gas and their limits) are stored as the signed number with the same bits. Ids are
-- ordered by their bytes, whatever the database's locale.

-- Whose the ledger is: one row.
CREATE TABLE owner (
    one     BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
    schema  BIGINT  NOT NULL, -- the version of these tables
    number  BIGINT  NOT NULL, -- of the owner: how many there have been
    commits BIGINT  NOT NULL, -- how many batches all of them have committed
    backend INTEGER NOT NULL  -- the server's process that serves the owner
);
INSERT INTO owner (schema, number, commits, backend) VALUES (0, 0, 0, 0);

CREATE TABLE proofs (
    seq                BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                 TEXT    COLLATE "C" NOT NULL UNIQUE,
    prover             TEXT    NOT NULL,
    status             BIGINT  NOT NULL CHECK (status BETWEEN 1 AND 4),
    requester          BYTEA   NOT NULL,
    execution_status   BIGINT,
    execution_failure  BIGINT,
    execution_cycles   BIGINT,
    execution_gas      BIGINT,
    public_values_hash BYTEA,
    program            TEXT    NOT NULL,
    stdin              TEXT    NOT NULL,
    stdin_private      BOOLEAN NOT NULL,
    proof              TEXT,
    options            TEXT,
    cycle_limit        BIGINT,
    gas_limit          BIGINT,
    deadline           BIGINT,
    handled            BOOLEAN NOT NULL,
    metadata           TEXT    NOT NULL,
    extra_data         TEXT,
    scheduled_by       TEXT,
    failure_cause      TEXT,
    diagnosis          TEXT,
    created_at         BIGINT  NOT NULL,
    updated_at         BIGINT  NOT NULL,
    completed_at       BIGINT
);

CREATE INDEX proofs_by_age ON proofs (created_at, id);
CREATE INDEX proofs_by_status ON proofs (status, created_at, id);

CREATE TABLE tasks (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           TEXT   COLLATE "C" NOT NULL UNIQUE,
    proof        TEXT   COLLATE "C" NOT NULL REFERENCES proofs (id),
    kind         BIGINT NOT NULL,
    weight       BIGINT NOT NULL, -- GB
    parent       TEXT,
    inputs       TEXT   NOT NULL, -- JSON list of artifact ids
    outputs      TEXT   NOT NULL, -- JSON list of artifact ids
    metadata     TEXT   NOT NULL,
    requester    TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed')),
    retries      BIGINT,          -- pending, running
    worker       TEXT,            -- running
    since        BIGINT,          -- running
    cause        TEXT             -- failed; pending: why the last try failed
);

CREATE INDEX tasks_by_proof ON tasks (proof);

-- Which proof answers for a content (program version, input and mode, hashed).
CREATE TABLE contents (
    key   BYTEA NOT NULL PRIMARY KEY,
    proof TEXT  COLLATE "C" NOT NULL REFERENCES proofs (id)
);

CREATE INDEX contents_by_proof ON contents (proof);

-- What a task has told whoever follows it, in order.
CREATE TABLE messages (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task    TEXT   COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    payload BYTEA  NOT NULL
);

CREATE INDEX messages_by_task ON messages (task);

-- Which prover holds which batch, of provers that pull. A batch is known by its number, its level and a hash of its content.
CREATE TABLE assignments (
    number  BIGINT NOT NULL,
    level   TEXT   COLLATE "C" NOT NULL,
    content BYTEA  NOT NULL,
    prover  TEXT   COLLATE "C" NOT NULL, -- the prover type
    holder  TEXT   NOT NULL,
    since   BIGINT NOT NULL,
    PRIMARY KEY (number, level, content, prover)
);
