-- What else than tries is known of what went wrong with a task that waits or runs, as its coordinator writes it.
ALTER TABLE tasks ADD COLUMN history TEXT;
