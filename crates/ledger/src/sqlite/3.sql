-- Which prover holds which batch, of provers that pull. A batch is known by its number, its level and a hash of its content.
CREATE TABLE assignments (
    number  INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    content BLOB    NOT NULL,
    prover  TEXT    NOT NULL, -- the prover type
    holder  TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (number, level, content, prover)
) STRICT, WITHOUT ROWID;
