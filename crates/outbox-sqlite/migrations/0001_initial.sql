-- 0001 initial: messages, their bodies, attempts, changes, destinations, and the orders of persons.
-- Times are milliseconds since the Unix epoch, UTC. Migrations only expand: two versions share the file during a reload.
-- Conditions that every insert meets are chains of OR: for a longer IN, SQLite builds a temporary table each time.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  -- Given inside the commit: the order in which messages were stored. The newest row is never deleted, so none comes twice.
  seq                INTEGER PRIMARY KEY,
  -- A UUIDv7 that carries `seq`, which finds the row: the id needs no index of its own.
  id                 BLOB    NOT NULL CONSTRAINT message_id_has_16_bytes CHECK (length(id) = 16),
  destination        TEXT    NOT NULL,
  control_id         TEXT    NOT NULL,
  -- Keyed digest (HMAC-SHA-256) of the body: recognises a repeated message, and a body that changed on disk.
  digest             BLOB    NOT NULL CONSTRAINT message_digest_has_32_bytes CHECK (length(digest) = 32),
  message_type       TEXT    NOT NULL,
  -- Keyed hash of destination and ordering key, so that no identifier of a patient stands in an index; NULL: no order.
  lane               BLOB    CONSTRAINT message_lane_has_16_bytes CHECK (lane IS NULL OR length(lane) = 16),
  -- The order within the lane: `seq`, or the position of the message that this one replaces.
  position           INTEGER NOT NULL,
  state              TEXT    NOT NULL CONSTRAINT message_state_is_known
                     CHECK (state = 'PENDING' OR state = 'ACKNOWLEDGED' OR state = 'SENT' OR state = 'FAILED' OR state = 'HELD'
                            OR state = 'CANCELLED'),
  -- Where a PENDING message stands: not looked at by the dispatcher yet ('new'), first of its lane ('front'), behind others
  -- ('waiting'), being sent ('flight'), or outside its lane until its time ('deferred'). A FAILED one that its lane waits
  -- for is a 'barrier'.
  place              TEXT    CONSTRAINT message_place_is_known
                     CHECK (place = 'new' OR place = 'front' OR place = 'waiting' OR place = 'flight' OR place = 'deferred'
                            OR place = 'barrier'),
  due_at             INTEGER,
  -- The delay that led to due_at: mends it after a jump of the wall clock.
  delay_ms           INTEGER NOT NULL DEFAULT 0,
  -- 1: urgent. Of a 'front', `rank` is the highest priority that waits in its lane.
  priority           INTEGER NOT NULL DEFAULT 0 CONSTRAINT message_priority_is_known CHECK (priority = 0 OR priority = 1),
  rank               INTEGER NOT NULL DEFAULT 0,
  attempts           INTEGER NOT NULL DEFAULT 0,
  tries              INTEGER NOT NULL DEFAULT 0,
  indeterminates     INTEGER NOT NULL DEFAULT 0,
  attempts_max       INTEGER,
  -- How long it may wait, counted from fresh_at (stored, due for the first time, released or retried by a person): NULL as its
  -- destination says, -1 for ever.
  expires_ms         INTEGER,
  fresh_at           INTEGER NOT NULL,
  not_before         INTEGER,
  -- MSH-16, when an application acknowledgement is asked for.
  application_ack    TEXT,
  possible_duplicate INTEGER NOT NULL DEFAULT 0,
  -- The next attempt was asked for by a person.
  manual             INTEGER NOT NULL DEFAULT 0,
  -- A person withdrew it while it was in flight.
  cancel_requested   INTEGER NOT NULL DEFAULT 0,
  held_at_entry      INTEGER NOT NULL DEFAULT 0,
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
  -- Its content is gone; what is left is a tombstone, by which a repeated message is still recognised.
  purged_at          INTEGER,

  CONSTRAINT message_pending_has_a_place CHECK ((state = 'PENDING') = (place IS NOT NULL AND place <> 'barrier')),
  CONSTRAINT message_barrier_is_failed CHECK (place IS NULL OR place <> 'barrier' OR state = 'FAILED'),
  CONSTRAINT message_pending_is_due CHECK ((state = 'PENDING') = (due_at IS NOT NULL)),
  CONSTRAINT message_failed_has_a_reason CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
  CONSTRAINT message_delivered_was_sent CHECK (state = 'PENDING' OR tries > 0 OR state NOT IN ('SENT', 'ACKNOWLEDGED')),
  CONSTRAINT message_delivered_has_a_time CHECK (state = 'PENDING' OR state NOT IN ('SENT', 'ACKNOWLEDGED') OR sent_at IS NOT NULL),
  CONSTRAINT message_acknowledged_has_a_time CHECK (state <> 'ACKNOWLEDGED' OR acknowledged_at IS NOT NULL),
  CONSTRAINT message_counted_attempts_are_tries CHECK (attempts BETWEEN 0 AND tries AND indeterminates BETWEEN 0 AND tries)
) STRICT;

-- An enqueue meets two indexes and no more: the one that recognises a repeated message, and the one that the dispatcher
-- walks. The places below are given later, by the dispatcher, so a backlog costs an enqueue nothing.
CREATE UNIQUE INDEX message_by_control_id ON message (destination, control_id);
CREATE INDEX message_not_delivered ON message (state, seq)
  WHERE state = 'PENDING' OR state = 'HELD' OR state = 'FAILED' OR state = 'CANCELLED';
-- Urgent messages that the dispatcher has not looked at.
CREATE INDEX message_new_and_urgent ON message (destination, seq) WHERE priority = 1 AND place = 'new';
-- Promise 4 as a constraint: a lane has at most one message at its front or in flight.
CREATE UNIQUE INDEX message_one_front_per_lane ON message (lane) WHERE lane IS NOT NULL AND place IN ('front', 'flight');
CREATE INDEX message_waiting_in_lane ON message (lane, position) WHERE place = 'waiting';
CREATE INDEX message_urgent_in_lane ON message (lane) WHERE priority = 1 AND place = 'waiting';
CREATE INDEX message_barrier ON message (lane, position) WHERE place = 'barrier';
CREATE INDEX message_due ON message (destination, rank, due_at) WHERE place = 'front';
CREATE INDEX message_deferred ON message (destination, due_at) WHERE place = 'deferred';
CREATE INDEX message_in_flight ON message (destination) WHERE place = 'flight';
-- Without tombstones: retention looks here for those that are old enough to become one.
CREATE INDEX message_by_delivery ON message (sent_at) WHERE sent_at IS NOT NULL AND purged_at IS NULL;

-- Generated from outbox_core::state::TRANSITIONS; a test compares them.
CREATE TRIGGER message_moves_as_the_table_says BEFORE UPDATE OF state ON message
WHEN OLD.state <> NEW.state AND NOT ({{transitions}})
BEGIN
  SELECT RAISE(ABORT, 'no such transition');
END;

CREATE TRIGGER message_keeps_its_newest BEFORE DELETE ON message
WHEN OLD.seq = (SELECT max(seq) FROM message)
BEGIN
  SELECT RAISE(ABORT, 'the newest message stays, or its number would come twice');
END;

-- How far a lane has come: the position that was delivered, and the highest `seq` of those that stood there one after another
-- (a message and its corrections). What stands before that, put back, would overwrite newer data.
CREATE TABLE lane (
  key       BLOB PRIMARY KEY,
  delivered INTEGER NOT NULL,
  seq       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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

-- One line per committed change of state, in commit order. That a message was stored is no line: its row says it. The feed
-- puts the two in order by `newest`, the highest `seq` at the time of the change.
CREATE TABLE change (
  n        INTEGER PRIMARY KEY,
  newest   INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  seq      INTEGER NOT NULL REFERENCES message (seq),
  was      TEXT    NOT NULL,
  became   TEXT    NOT NULL,
  attempts INTEGER NOT NULL,
  failure  TEXT
) STRICT;

CREATE TRIGGER change_keeps_its_newest BEFORE DELETE ON change
WHEN OLD.n = (SELECT max(n) FROM change)
BEGIN
  SELECT RAISE(ABORT, 'the newest change stays, or its number would come twice');
END;

-- How many messages stand where: counting ten million rows would take seconds. What was stored lately and has not moved is
-- not in it yet (an enqueue writes one page less), but behind the number that stands under no destination's name.
CREATE TABLE tally (
  destination TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  count       INTEGER NOT NULL CONSTRAINT tally_is_not_negative CHECK (count >= 0),
  PRIMARY KEY (destination, state)
) STRICT, WITHOUT ROWID;

CREATE VIEW standing AS
  SELECT destination, state, count FROM tally WHERE destination <> ''
  UNION ALL
  SELECT destination, CASE held_at_entry WHEN 0 THEN 'PENDING' ELSE 'HELD' END, 1 FROM message
  WHERE seq > coalesce((SELECT count FROM tally WHERE destination = ''), 0);

CREATE TABLE destination (
  name          TEXT PRIMARY KEY,
  paused_at     INTEGER,
  paused_reason TEXT,
  state         TEXT    NOT NULL DEFAULT 'ok',
  since         INTEGER NOT NULL,
  reason        TEXT,
  -- Counts manual retries, which ask a resting destination for a probe now.
  nudges        INTEGER NOT NULL DEFAULT 0,
  -- Every message up to this `seq` has been given its place.
  placed        INTEGER NOT NULL DEFAULT 0,
  -- What persons changed of its configuration, as JSON, and how often.
  patch         TEXT,
  patches       INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- How far each named reader of the changes has come.
CREATE TABLE consumer (
  name       TEXT PRIMARY KEY,
  cursor     TEXT    NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Room for what still happens to stored messages when the disk is full: its pages become free ones of the file.
CREATE TABLE reserve (
  n    INTEGER PRIMARY KEY,
  room BLOB NOT NULL
) STRICT;

-- What persons ordered.
CREATE TABLE action (
  n       INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT    NOT NULL,
  reason  TEXT,
  command TEXT    NOT NULL,
  detail  TEXT    NOT NULL,
  changed INTEGER NOT NULL
) STRICT;
