-- How often the proofs of a batch were refused: each is made anew after a longer pause.
CREATE TABLE refusals (
    number   INTEGER NOT NULL,
    level    TEXT    NOT NULL,
    content  BLOB    NOT NULL,
    prover   TEXT    NOT NULL, -- the prover type
    times    INTEGER NOT NULL,
    cause    TEXT    NOT NULL, -- of the last one
    again_at INTEGER NOT NULL, -- when the next one may be made
    PRIMARY KEY (number, level, content, prover)
) STRICT, WITHOUT ROWID;
