-- 0003 alerts: what is wrong and was told, and what is still to be handed over. Nothing of a message stands here.

-- A row for each thing that is wrong. While `begun_at` is NULL it has not been told; a refusal is noted in the transaction that
-- makes the dead letter, so that none is missed.
CREATE TABLE alert (
  key         TEXT PRIMARY KEY,
  type        TEXT    NOT NULL,
  destination TEXT,
  code        TEXT,
  since       INTEGER NOT NULL,
  seen_at     INTEGER NOT NULL,
  count       INTEGER NOT NULL CONSTRAINT alert_count_is_positive CHECK (count > 0),
  begun_at    INTEGER,
  told_at     INTEGER,
  CONSTRAINT alert_told_has_begun CHECK ((begun_at IS NULL) = (told_at IS NULL))
) STRICT, WITHOUT ROWID;

-- An alert on its way to one target. `due_at` NULL: given up; it is kept for a while, for health to tell.
CREATE TABLE notice (
  n          INTEGER PRIMARY KEY AUTOINCREMENT,
  target     TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  alert      TEXT    NOT NULL,
  body       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  due_at     INTEGER,
  expires_at INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  -- Why the latest attempt failed: a code.
  error      TEXT
) STRICT;

CREATE INDEX notice_due ON notice (target, due_at) WHERE due_at IS NOT NULL;
-- What is told about one thing is handed over in its order.
CREATE INDEX notice_about ON notice (target, key, n) WHERE due_at IS NOT NULL;
