-- What a proof's controller has told that it will take, as its coordinator writes it.
ALTER TABLE proofs ADD COLUMN plan TEXT;
-- A hash of the last refused proof, until its evidence is kept and it is deleted.
ALTER TABLE refusals ADD COLUMN remains BLOB;
