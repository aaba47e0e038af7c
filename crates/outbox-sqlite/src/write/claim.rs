//! Claims: from the messages that wait to those that may be sent now.
//!
//! Messages are stored as `new`; the dispatcher walks them in the order of `seq` and gives each its place, once, when there
//! is room to send. So a backlog costs neither an enqueue nor the index of what is due.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outbox_core::clock::Timestamp;
use outbox_core::hl7::AckCondition;
use outbox_core::message::{Body, MessageId, Priority};
use outbox_core::retry::Reason;
use outbox_core::status::Failure as MessageFailure;
use outbox_core::store::{Claimed, LaneHash, Turn};
use rusqlite::{Row, params};

use super::lane;
use super::standing::{Standing, fail};
use super::unit::Unit;
use crate::error::Failure;

/// Most messages that one turn looks at: other operations wait meanwhile.
const LOOKED_AT_MAX: usize = 1_000;
/// Messages that are read together on the walk, beyond those that there is room for.
const WALK_AHEAD: usize = 16;

/// What a claim gave.
pub(crate) struct Claims {
    pub(crate) claimed: Vec<Claimed>,
    /// The walk was cut short.
    pub(crate) more: bool,
    /// How far it has come.
    pub(crate) placed: i64,
}

/// Claims what is due, the longest due first; urgent lanes with a head start. Messages that cannot be sent (damaged,
/// expired) are put aside on the way and take nobody's place.
pub(crate) fn claim(unit: &mut Unit<'_>, turn: &Turn, placed: i64) -> Result<Claims, Failure> {
    let room = turn.claim as usize;
    let mut claims = Claims { claimed: Vec::with_capacity(room), more: false, placed };
    let mut looked_at = place_urgent(unit, turn, &mut claims)?;
    loop {
        let before = claims.claimed.len();
        let mut due = fronts(unit, &turn.destination, room - before + usize::from(turn.avoid.is_some()))?;
        let avoided = due.iter().position(|front| Some(front.1) == turn.avoid).map(|n| due.remove(n));
        let mut fronts = due.into_iter().peekable();
        let mut found = 0;
        'walk: while before + found < room {
            if looked_at >= LOOKED_AT_MAX {
                claims.more = true;
                break;
            }
            let chunk = walk(unit, claims.placed, room - before - found + WALK_AHEAD)?;
            let ended = chunk.is_empty();
            for new in chunk {
                looked_at += 1;
                if new.place == "new" && new.destination == *turn.destination {
                    if lane_is_occupied(unit, new.lane.as_ref())? {
                        wait_in_lane(unit, &new)?;
                    } else {
                        while let Some(front) = fronts.next_if(|front| front.0 <= new.due) {
                            found += 1;
                            claims.claimed.extend(claim_one(unit, turn, front.1)?);
                            if before + found >= room {
                                break 'walk;
                            }
                        }
                        found += 1;
                        claims.claimed.extend(claim_one(unit, turn, new.seq)?);
                    }
                }
                claims.placed = new.seq;
                if before + found >= room {
                    break 'walk;
                }
            }
            if ended {
                break;
            }
        }
        for (_, seq) in fronts.chain(avoided).take(room.saturating_sub(before + found)) {
            found += 1;
            claims.claimed.extend(claim_one(unit, turn, seq)?);
        }
        // One that was put aside may have let the next of its lane to the front, and left room: look again.
        let put_aside = before + found - claims.claimed.len();
        looked_at += put_aside;
        claims.more |= put_aside > 0 && looked_at >= LOOKED_AT_MAX;
        if put_aside == 0 || claims.more {
            return Ok(claims);
        }
    }
}

/// A message on the walk.
struct New {
    seq: i64,
    destination: String,
    place: String,
    lane: Option<LaneHash>,
    due: i64,
    priority: bool,
}

impl New {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            destination: row.get(1)?,
            place: row.get(2)?,
            lane: row.get(3)?,
            due: row.get(4)?,
            priority: row.get(5)?,
        })
    }
}

/// The next messages of any destination: the place of each is looked at once per destination.
fn walk(unit: &Unit<'_>, after: i64, most: usize) -> Result<Vec<New>, Failure> {
    Ok(unit
        .connection
        .prepare_cached(
            "SELECT seq, destination, place, lane, due_at, priority FROM message INDEXED BY message_not_delivered
             WHERE state = 'PENDING' AND seq > ?1 ORDER BY seq LIMIT ?2",
        )?
        .query_map(params![after, most], New::read)?
        .collect::<Result<_, _>>()?)
}

fn lane_is_occupied(unit: &Unit<'_>, lane: Option<&LaneHash>) -> Result<bool, Failure> {
    outbox_core::plant!("plant-skip-lane-check", {
        unit.connection.execute_batch("DROP INDEX IF EXISTS message_one_front_per_lane")?;
        return Ok(false);
    });
    lane.map_or(Ok(false), |lane| lane::is_occupied(unit, lane))
}

fn wait_in_lane(unit: &Unit<'_>, new: &New) -> Result<(), Failure> {
    unit.connection.prepare_cached("UPDATE message SET place = 'waiting' WHERE seq = ?1")?.execute([new.seq])?;
    // An urgent one lends its rank to the front.
    if new.priority { lane::settle_any(unit, new.lane.as_ref()) } else { Ok(()) }
}

/// Urgent messages may not stand behind a backlog that nobody has looked at: everything up to them gets its place. Answers
/// how many were looked at.
fn place_urgent(unit: &Unit<'_>, turn: &Turn, claims: &mut Claims) -> Result<usize, Failure> {
    let urgent: Option<i64> = unit
        .connection
        .prepare_cached("SELECT max(seq) FROM message WHERE destination = ?1 AND priority = 1 AND place = 'new'")?
        .query_row([turn.destination.as_ref()], |row| row.get(0))?;
    let Some(urgent) = urgent else { return Ok(0) };
    let (placed, looked_at) = place_until(unit, &turn.destination, claims.placed, urgent, LOOKED_AT_MAX)?;
    claims.placed = placed;
    claims.more = placed < urgent;
    Ok(looked_at)
}

/// Gives the messages of a destination their places, up to `until` or as many as `most`. Answers how far it came, and how
/// many it looked at.
pub(crate) fn place_until(
    unit: &Unit<'_>,
    destination: &str,
    mut placed: i64,
    until: i64,
    most: usize,
) -> Result<(i64, usize), Failure> {
    let mut looked_at = 0;
    while placed < until && looked_at < most {
        let chunk = walk(unit, placed, (most - looked_at).min(256))?;
        if chunk.first().is_none_or(|new| new.seq > until) {
            return Ok((until, looked_at));
        }
        for new in chunk.into_iter().take_while(|new| new.seq <= until) {
            looked_at += 1;
            placed = new.seq;
            if new.place != "new" || new.destination != destination {
                continue;
            }
            if lane_is_occupied(unit, new.lane.as_ref())? {
                wait_in_lane(unit, &new)?;
            } else {
                // The clock may have jumped back since it was stored.
                unit.connection
                    .prepare_cached(
                        "UPDATE message SET place = 'front', rank = priority, due_at = min(due_at, ?2) WHERE seq = ?1",
                    )?
                    .execute([new.seq, unit.now.0])?;
            }
        }
    }
    Ok((placed, looked_at))
}

/// The first of their lanes that are due, as (when, `seq`); "when" with the head start of the urgent.
fn fronts(unit: &Unit<'_>, destination: &str, most: usize) -> Result<Vec<(i64, i64)>, Failure> {
    let mut due = Vec::new();
    for rank in [Priority::Routine, Priority::Urgent] {
        let head_start = if rank == Priority::Urgent { head_start_ms() } else { 0 };
        let mut statement = unit.connection.prepare_cached(
            "SELECT due_at, seq FROM message WHERE destination = ?1 AND rank = ?2 AND place = 'front' AND due_at <= ?3
             ORDER BY due_at, seq LIMIT ?4",
        )?;
        let rows = statement.query_map(params![destination, rank as u8, unit.now.0, most], |row| {
            Ok((row.get::<_, i64>(0)? - head_start, row.get(1)?))
        })?;
        for row in rows {
            due.push(row?);
        }
    }
    due.sort_unstable();
    due.truncate(most);
    Ok(due)
}

fn head_start_ms() -> i64 {
    i64::try_from(Priority::HEAD_START.as_millis()).unwrap_or(i64::MAX)
}

/// A row that is about to be claimed.
struct Candidate {
    claimed: Claimed,
    digest: [u8; 32],
    manual: bool,
    expires_ms: Option<i64>,
    fresh_at: i64,
}

impl Candidate {
    fn read(seq: i64, row: &Row<'_>) -> rusqlite::Result<Self> {
        let application_ack = row.get_ref(6)?.as_bytes_or_null()?.and_then(AckCondition::parse);
        let claimed = Claimed {
            seq,
            id: MessageId::from_bytes(row.get(0)?),
            attempt: row.get::<_, u32>(2)? + 1,
            lane: row.get(11)?,
            control_id: Arc::from(row.get_ref(1)?.as_str()?),
            body: Body::new(Bytes::copy_from_slice(row.get_ref(9)?.as_blob_or_null()?.unwrap_or_default())),
            attempts: row.get(3)?,
            indeterminates: row.get(4)?,
            possible_duplicate: row.get(10)?,
            attempts_max: row.get(5)?,
            application_ack,
        };
        Ok(Self { claimed, digest: row.get(7)?, manual: row.get(8)?, expires_ms: row.get(12)?, fresh_at: row.get(13)? })
    }

    fn has_expired(&self, now: Timestamp, default: Option<Duration>) -> bool {
        let default = default.and_then(|time| i64::try_from(time.as_millis()).ok());
        self.expires_ms.or(default).is_some_and(|ms| ms >= 0 && now.0.saturating_sub(self.fresh_at) > ms)
    }
}

fn claim_one(unit: &mut Unit<'_>, turn: &Turn, seq: i64) -> Result<Option<Claimed>, Failure> {
    let now = unit.now;
    let candidate = unit
        .connection
        .prepare_cached(
            "SELECT id, control_id, tries, attempts, indeterminates, attempts_max, application_ack, digest, manual, content,
                    possible_duplicate OR indeterminates > 0, lane, expires_ms, fresh_at
             FROM message LEFT JOIN body USING (seq) WHERE seq = ?1",
        )?
        .query_row([seq], |row| Candidate::read(seq, row))
        .map_err(Failure::from);
    let candidate = match candidate {
        Ok(whole) if unit.digests.is_body(whole.claimed.body.reveal(), &whole.digest) => whole,
        Err(failure) if !failure.is_impossible_value() => return Err(failure),
        // Its bytes are not those that were stored, or another column of its row cannot be.
        Ok(_) | Err(_) => {
            tracing::error!(seq, "a stored message is damaged; it is not sent, and its lane waits");
            put_aside(unit, turn, seq, Reason::Unreadable, "BODY_DAMAGED")?;
            return Ok(None);
        }
    };
    if candidate.has_expired(now, turn.expires) {
        put_aside(unit, turn, seq, Reason::Expired, "EXPIRED")?;
        return Ok(None);
    }
    if candidate.claimed.indeterminates >= turn.indeterminate_max {
        // A message whose sending kills the process never comes to the end of an attempt: it is stopped here.
        put_aside(unit, turn, seq, Reason::Indeterminate, "TAKEN_OVER")?;
        return Ok(None);
    }
    unit.connection
        .prepare_cached(
            "UPDATE message SET place = 'flight', tries = tries + 1, manual = 0, updated_at = ?2,
                                possible_duplicate = possible_duplicate OR indeterminates > 0 WHERE seq = ?1",
        )?
        .execute(params![seq, now.0])?;
    outbox_core::fault!("claim-row-written", Failure::planted);
    unit.connection
        .prepare_cached("INSERT INTO attempt (seq, n, started_at, manual) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, candidate.claimed.attempt, now.0, candidate.manual])?;
    Ok(Some(candidate.claimed))
}

/// Makes a dead letter of a message that cannot be sent. Bytes that are not those that were stored are never sent, and what
/// came after them may depend on them: their lane waits for a person, whatever the destination says.
fn put_aside(unit: &mut Unit<'_>, turn: &Turn, seq: i64, reason: Reason, code: &'static str) -> Result<(), Failure> {
    let sql = format!("SELECT {} FROM message WHERE seq = ?1", Standing::COLUMNS);
    let standing = unit.connection.prepare_cached(&sql)?.query_row([seq], Standing::read)?;
    let failure = MessageFailure {
        reason: reason.as_str().to_owned(),
        code: code.to_owned(),
        http_status: None,
        ack_code: None,
        err_codes: None,
    };
    let holds_lane = turn.holds_lane || reason == Reason::Unreadable;
    fail(unit, &turn.destination, &standing, standing.attempts, &failure, holds_lane)?;
    lane::settle_any(unit, standing.lane.as_ref())
}
