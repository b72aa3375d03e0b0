-- What a task has told whoever follows it, in order.
CREATE TABLE messages (
    seq     INTEGER PRIMARY KEY,
    task    TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    payload BLOB NOT NULL
) STRICT;

CREATE INDEX messages_by_task ON messages (task);
