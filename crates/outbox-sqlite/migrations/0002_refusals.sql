-- 0002 refusals: dead letters by what they failed of, and what persons note on them. New tables, a view and triggers, and no
-- change to what was there: an older program that shares the file keeps all of it true without knowing of it.

-- What a dead letter failed of, as the row of the message has it.
CREATE VIEW dead_letter AS
  SELECT seq, destination, coalesce(failure_code, '') AS code,
         CASE WHEN json_valid(failure) THEN coalesce(json_extract(failure, '$.errCodes'), '[]') ELSE '[]' END AS err_codes,
         CASE WHEN json_valid(failure) THEN coalesce(json_extract(failure, '$.reason'), '') ELSE '' END AS reason,
         updated_at AS at
  FROM message WHERE state = 'FAILED';

-- A group of them. It goes with its last dead letter, unless somebody has noted something on it; its number never comes twice.
CREATE TABLE refusal (
  n           INTEGER PRIMARY KEY AUTOINCREMENT,
  destination TEXT    NOT NULL,
  code        TEXT    NOT NULL,
  -- ERR-3 and ERR-5, a JSON array.
  err_codes   TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  CONSTRAINT refusal_is_one_a_kind UNIQUE (destination, code, err_codes, reason)
) STRICT;

-- The dead letters that are in a group now.
CREATE TABLE refused (
  seq     INTEGER PRIMARY KEY REFERENCES message (seq),
  refusal INTEGER NOT NULL REFERENCES refusal (n),
  -- The number of the change by which it came: newer ones are known without a clock.
  nth     INTEGER NOT NULL,
  at      INTEGER NOT NULL
) STRICT;

-- What persons note on a group, or on its part that bears certain tags: who answers for a part notes for that part alone.
CREATE TABLE refusal_work (
  refusal      INTEGER NOT NULL REFERENCES refusal (n),
  -- Which part: a JSON object with its keys in order, {} for the whole.
  tags         TEXT    NOT NULL,
  owner        TEXT,
  note         TEXT,
  state        TEXT    NOT NULL DEFAULT 'open' CONSTRAINT refusal_work_state_is_known CHECK (state = 'open' OR state = 'rectified'),
  rectified_at INTEGER,
  rectified_by TEXT,
  -- It was rectified, and then came another.
  reopened_at  INTEGER,
  changed_at   INTEGER NOT NULL,
  changed_by   TEXT    NOT NULL,
  -- Counts the changes: of two persons the second is told of the first.
  version      INTEGER NOT NULL,
  PRIMARY KEY (refusal, tags),
  CONSTRAINT refusal_work_rectified_has_a_time CHECK (state = 'open' OR rectified_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

INSERT INTO refusal (destination, code, err_codes, reason)
  SELECT DISTINCT destination, code, err_codes, reason FROM dead_letter;

-- Each of them came by a change, so these numbers are all behind the next one.
INSERT INTO refused (seq, refusal, nth, at)
  SELECT seq, n, row_number() OVER (ORDER BY at, seq), at
  FROM dead_letter JOIN refusal USING (destination, code, err_codes, reason) ORDER BY seq;

CREATE INDEX refused_in_order ON refused (refusal, nth, at);

CREATE TRIGGER refusal_begins AFTER UPDATE OF state ON message
WHEN NEW.state = 'FAILED' AND OLD.state <> 'FAILED'
BEGIN
  INSERT INTO refusal (destination, code, err_codes, reason)
    SELECT destination, code, err_codes, reason FROM dead_letter
    LEFT JOIN refusal USING (destination, code, err_codes, reason) WHERE seq = NEW.seq AND refusal.n IS NULL;
  -- The line of this change is written next.
  INSERT INTO refused (seq, refusal, nth, at)
    SELECT seq, refusal.n, (SELECT coalesce(max(change.n), 0) + 1 FROM change), at
    FROM dead_letter JOIN refusal USING (destination, code, err_codes, reason) WHERE seq = NEW.seq
    ON CONFLICT (seq) DO UPDATE SET refusal = excluded.refusal, nth = excluded.nth, at = excluded.at;
  UPDATE refusal_work SET state = 'open', reopened_at = NEW.updated_at, version = version + 1
    WHERE refusal = (SELECT refusal FROM refused WHERE seq = NEW.seq) AND state = 'rectified'
      AND NOT EXISTS (
        SELECT 1 FROM json_each(refusal_work.tags) AS asked WHERE NOT EXISTS (
          SELECT 1 FROM tag WHERE tag.key = asked.key AND tag.value = asked.value AND tag.seq = NEW.seq));
END;

CREATE TRIGGER refusal_ends AFTER UPDATE OF state ON message
WHEN OLD.state = 'FAILED' AND NEW.state <> 'FAILED'
BEGIN
  DELETE FROM refusal
    WHERE n = (SELECT refusal FROM refused WHERE seq = NEW.seq)
      AND NOT EXISTS (SELECT 1 FROM refused WHERE refusal = n AND seq <> NEW.seq)
      AND NOT EXISTS (SELECT 1 FROM refusal_work WHERE refusal = n);
  DELETE FROM refused WHERE seq = NEW.seq;
END;
