-- 0001 initial: messages, their bodies, attempts, changes, destinations, and the orders of persons.
-- Times are milliseconds since the Unix epoch, UTC. Migrations only expand: two versions share the file during a reload.
-- Conditions that every insert meets are chains of OR: for a longer IN, SQLite builds a temporary table each time.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  -- The order of everything: given inside the commit, never used twice (hence AUTOINCREMENT).
  seq                INTEGER PRIMARY KEY AUTOINCREMENT,
  id                 BLOB    NOT NULL CONSTRAINT message_id_has_16_bytes CHECK (length(id) = 16),
  destination        TEXT    NOT NULL,
  control_id         TEXT    NOT NULL,
  -- Keyed digest (HMAC-SHA-256) of the body: recognises a repeated message, and a body that changed on disk.
  digest             BLOB    NOT NULL CONSTRAINT message_digest_has_32_bytes CHECK (length(digest) = 32),
  message_type       TEXT    NOT NULL,
  -- Keyed hash of destination and ordering key, so that no identifier of a patient stands in an index; NULL: no order.
  lane               BLOB    CONSTRAINT message_lane_has_16_bytes CHECK (lane IS NULL OR length(lane) = 16),
  state              TEXT    NOT NULL CONSTRAINT message_state_is_known
                     CHECK (state = 'PENDING' OR state = 'ACKNOWLEDGED' OR state = 'SENT' OR state = 'FAILED' OR state = 'HELD'
                            OR state = 'CANCELLED'),
  -- Where a PENDING message stands: first of its lane ('front'), behind others ('waiting'), being sent ('flight'), or
  -- outside its lane until its time ('deferred').
  place              TEXT    CONSTRAINT message_place_is_known
                     CHECK (place = 'front' OR place = 'waiting' OR place = 'flight' OR place = 'deferred'),
  due_at             INTEGER,
  -- The delay that led to due_at: mends it after a jump of the wall clock.
  delay_ms           INTEGER NOT NULL DEFAULT 0,
  attempts           INTEGER NOT NULL DEFAULT 0,
  tries              INTEGER NOT NULL DEFAULT 0,
  indeterminates     INTEGER NOT NULL DEFAULT 0,
  attempts_max       INTEGER,
  -- MSH-16, when an application acknowledgement is asked for.
  application_ack    TEXT,
  possible_duplicate INTEGER NOT NULL DEFAULT 0,
  -- The next attempt was asked for by a person.
  manual             INTEGER NOT NULL DEFAULT 0,
  -- A person withdrew it while it was in flight.
  cancel_requested   INTEGER NOT NULL DEFAULT 0,
  warning            TEXT,
  failure_code       TEXT,
  failure            TEXT,
  tags               TEXT,
  replaces           BLOB,
  replaced_by        BLOB,
  created_at         INTEGER NOT NULL,
  sent_at            INTEGER,
  acknowledged_at    INTEGER,
  updated_at         INTEGER NOT NULL,

  CONSTRAINT message_pending_has_a_place CHECK ((state = 'PENDING') = (place IS NOT NULL)),
  CONSTRAINT message_pending_is_due CHECK ((state = 'PENDING') = (due_at IS NOT NULL)),
  CONSTRAINT message_failed_has_a_reason CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
  CONSTRAINT message_delivered_has_a_time CHECK (state NOT IN ('SENT', 'ACKNOWLEDGED') OR sent_at IS NOT NULL),
  CONSTRAINT message_acknowledged_has_a_time CHECK (state <> 'ACKNOWLEDGED' OR acknowledged_at IS NOT NULL),
  CONSTRAINT message_counted_attempts_are_tries CHECK (attempts BETWEEN 0 AND tries AND indeterminates BETWEEN 0 AND tries)
) STRICT;

CREATE UNIQUE INDEX message_by_id ON message (id);
CREATE UNIQUE INDEX message_by_control_id ON message (destination, control_id);
-- Promise 4 as a constraint: a lane has at most one message at its front or in flight.
CREATE UNIQUE INDEX message_one_front_per_lane ON message (lane) WHERE lane IS NOT NULL AND place IN ('front', 'flight');
CREATE INDEX message_waiting_in_lane ON message (lane, seq) WHERE place = 'waiting';
CREATE INDEX message_delivered_in_lane ON message (lane, seq) WHERE lane IS NOT NULL AND state IN ('SENT', 'ACKNOWLEDGED');
CREATE INDEX message_due ON message (destination, due_at, seq) WHERE place = 'front';
CREATE INDEX message_deferred ON message (destination, due_at) WHERE place = 'deferred';
CREATE INDEX message_in_flight ON message (destination) WHERE place = 'flight';
CREATE INDEX message_not_delivered ON message (state, seq)
  WHERE state = 'PENDING' OR state = 'HELD' OR state = 'FAILED' OR state = 'CANCELLED';
CREATE INDEX message_by_delivery ON message (sent_at) WHERE sent_at IS NOT NULL;

CREATE TRIGGER message_enters_pending_or_held BEFORE INSERT ON message
WHEN NEW.state NOT IN ('PENDING', 'HELD')
BEGIN
  SELECT RAISE(ABORT, 'a message enters as PENDING or HELD');
END;

-- Generated from outbox_core::state::TRANSITIONS; a test compares them.
CREATE TRIGGER message_moves_as_the_table_says BEFORE UPDATE OF state ON message
WHEN OLD.state <> NEW.state AND NOT ({{transitions}})
BEGIN
  SELECT RAISE(ABORT, 'no such transition');
END;

-- The bytes, apart from the row that changes with every step.
CREATE TABLE body (
  seq     INTEGER PRIMARY KEY REFERENCES message (seq),
  content BLOB NOT NULL
) STRICT;

CREATE TABLE tag (
  key   TEXT    NOT NULL,
  value TEXT    NOT NULL,
  seq   INTEGER NOT NULL REFERENCES message (seq),
  PRIMARY KEY (key, value, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
  seq         INTEGER NOT NULL REFERENCES message (seq),
  n           INTEGER NOT NULL CONSTRAINT attempt_counts_from_one CHECK (n >= 1),
  started_at  INTEGER NOT NULL,
  ended_at    INTEGER,
  outcome     TEXT,
  row         TEXT,
  code        TEXT,
  http_status INTEGER,
  ack_code    TEXT,
  err_codes   TEXT,
  bytes_sent  INTEGER,
  counted     INTEGER NOT NULL DEFAULT 1,
  manual      INTEGER NOT NULL DEFAULT 0,
  -- Last, so that reading the rest of a row never touches the pages of a long answer.
  answer      BLOB,
  PRIMARY KEY (seq, n),
  CONSTRAINT attempt_ends_with_an_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT;

CREATE INDEX attempt_after_the_first ON attempt (started_at) WHERE n > 1;

-- One line per committed change of state, in commit order.
CREATE TABLE change (
  n        INTEGER PRIMARY KEY AUTOINCREMENT,
  at       INTEGER NOT NULL,
  seq      INTEGER NOT NULL REFERENCES message (seq),
  was      TEXT,
  became   TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failure  TEXT
) STRICT;

-- How many messages stand where: counting ten million rows would take seconds.
CREATE TABLE tally (
  destination TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  count       INTEGER NOT NULL CONSTRAINT tally_is_not_negative CHECK (count >= 0),
  PRIMARY KEY (destination, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE destination (
  name          TEXT PRIMARY KEY,
  paused_at     INTEGER,
  paused_reason TEXT,
  state         TEXT    NOT NULL DEFAULT 'ok',
  since         INTEGER NOT NULL,
  reason        TEXT,
  -- Counts manual retries, which ask a resting destination for a probe now.
  nudges        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- What persons ordered.
CREATE TABLE action (
  n       INTEGER PRIMARY KEY AUTOINCREMENT,
  at      INTEGER NOT NULL,
  actor   TEXT    NOT NULL,
  reason  TEXT,
  command TEXT    NOT NULL,
  detail  TEXT    NOT NULL,
  changed INTEGER NOT NULL
) STRICT;
