-- How often the proofs of a batch were refused: each is made anew after a longer pause.
CREATE TABLE refusals (
    number   BIGINT NOT NULL,
    level    TEXT   COLLATE "C" NOT NULL,
    content  BYTEA  NOT NULL,
    prover   TEXT   COLLATE "C" NOT NULL, -- the prover type
    times    BIGINT NOT NULL,
    cause    TEXT   NOT NULL, -- of the last one
    again_at BIGINT NOT NULL, -- when the next one may be made
    PRIMARY KEY (number, level, content, prover)
);
