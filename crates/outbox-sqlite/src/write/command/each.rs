//! The messages that an order means, one after another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outbox_core::error::code;
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::{Changed, MessageFilter, Unchanged};
use outbox_core::store::{Command, LaneHash};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

use super::{put_back, withdraw};
use crate::error::Failure;
use crate::filter::Condition;
use crate::walk::Meant;
use crate::write::lane;
use crate::write::standing::Standing;
use crate::write::unit::Unit;

/// Most ids that an answer lists; the count is exact.
pub(crate) const LISTED_MAX: usize = 1_000;

/// A message that a command may change.
pub(super) struct Candidate {
    pub(super) standing: Standing,
    pub(super) destination: Arc<str>,
    pub(super) place: Option<String>,
    pub(super) not_before: Option<i64>,
    /// A correction stands for it.
    pub(super) replaced: bool,
}

impl Candidate {
    /// Behind those of [`Standing`]; further ones begin at [`Self::WIDTH`].
    pub(super) const COLUMNS: &'static str = "destination, place, not_before, replaced_by IS NOT NULL";
    pub(super) const WIDTH: usize = Standing::WIDTH + 4;

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            standing: Standing::read(row)?,
            destination: Arc::from(row.get_ref(Standing::WIDTH)?.as_str()?),
            place: row.get(Standing::WIDTH + 1)?,
            not_before: row.get(Standing::WIDTH + 2)?,
            replaced: row.get(Standing::WIDTH + 3)?,
        })
    }

    pub(super) fn in_flight(&self) -> bool {
        self.place.as_deref() == Some("flight")
    }

    /// Whether its lane reckons with it: one that the dispatcher has not looked at, or whose time has not come, can come and go.
    pub(super) fn stands_in_lane(&self) -> bool {
        matches!(self.place.as_deref(), Some("front" | "waiting" | "flight" | "barrier"))
    }
}

/// What became of one candidate.
pub(super) enum Done {
    Changed,
    Left(&'static str),
}

/// What is done once for all that were changed together.
#[derive(Default)]
pub(super) struct After {
    lanes: BTreeSet<LaneHash>,
    nudged: BTreeSet<Arc<str>>,
}

impl After {
    /// The lane gets its first anew.
    pub(super) fn settle(&mut self, lane: Option<&LaneHash>) {
        self.lanes.extend(lane);
    }

    /// A person who asks for an attempt gets a probe now, even while the destination rests; one for the whole command.
    pub(super) fn nudge(&mut self, destination: &Arc<str>) {
        if !self.nudged.contains(destination) {
            self.nudged.insert(Arc::clone(destination));
        }
    }

    fn carry_out(&self, unit: &Unit<'_>, probed: &Probed) -> Result<(), Failure> {
        self.lanes.iter().try_for_each(|lane| lane::settle(unit, lane))?;
        for destination in self.nudged.difference(probed) {
            unit.connection
                .prepare_cached(
                    "INSERT INTO destination (name, since, nudges) VALUES (?1, ?2, 1)
                     ON CONFLICT (name) DO UPDATE SET nudges = nudges + 1",
                )?
                .execute(params![destination.as_ref(), unit.now.0])?;
        }
        Ok(())
    }
}

/// Which messages a command means; `None` of one that means none.
pub(crate) fn meant(command: &Command) -> Option<Meant> {
    let (filter, states, backwards): (_, &'static [State], _) = match command {
        Command::Retry { filter, .. } => (filter, &[State::Pending, State::Failed, State::Cancelled], false),
        Command::Release { filter, .. } => (filter, &[State::Held], false),
        Command::Resend { filter, .. } => (filter, &[State::Sent, State::Acknowledged], false),
        // What leaves a lane leaves from its end: between two parts no message goes that comes after one that is out already.
        Command::Cancel { filter } => (filter, &[State::Pending, State::Held, State::Failed], true),
        Command::Hold { filter } => (filter, &[State::Pending], true),
        Command::Purge { filter } => (filter, &State::ALL, true),
        _ => return None,
    };
    Some(Meant { filter: filter.clone(), states, backwards })
}

/// Destinations to which a command has asked for a probe.
pub(crate) type Probed = BTreeSet<Arc<str>>;

/// What one part of a command did.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) changed: Changed,
    /// How many of its messages had their turn before the time was over.
    pub(crate) handled: usize,
    pub(crate) probed: Probed,
}

/// Applies a command to these messages, in this order; to those that the filter still matches. Ends after `time`, between two
/// messages. Those that were named and cannot be changed are listed with the reason; with any other filter they are simply
/// not meant.
pub(crate) fn part(
    unit: &mut Unit<'_>,
    command: &Command,
    meant: &Meant,
    seqs: &[i64],
    time: Option<Duration>,
    probed: &Probed,
) -> Result<Part, Failure> {
    if matches!(command, Command::Purge { .. }) {
        withdraw::overwriting(unit, |unit| apply(unit, command, meant, seqs, time, probed))
    } else {
        apply(unit, command, meant, seqs, time, probed)
    }
}

fn apply(
    unit: &mut Unit<'_>,
    command: &Command,
    meant: &Meant,
    seqs: &[i64],
    time: Option<Duration>,
    probed: &Probed,
) -> Result<Part, Failure> {
    let until = time.map(|time| Instant::now() + time);
    let mut candidates = candidates(unit, meant, seqs)?.into_iter().peekable();
    let (mut changed, mut after, mut handled) = (Changed::default(), After::default(), 0);
    for seq in seqs {
        handled += 1;
        let Some(candidate) = candidates.next_if(|candidate| candidate.standing.seq == *seq) else {
            note_purged(unit, meant, *seq, &mut changed)?;
            continue;
        };
        let done = if meant.states.contains(&candidate.standing.state) {
            act(unit, command, &candidate, &mut after)?
        } else {
            Done::Left(code::ERR_STATE)
        };
        match done {
            Done::Changed => {
                changed.count += 1;
                changed.changed.push(candidate.standing.id);
            }
            Done::Left(code) => changed.unchanged.push(Unchanged { id: candidate.standing.id.to_string(), code }),
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
    }
    after.carry_out(unit, probed)?;
    Ok(Part { changed, handled, probed: after.nudged })
}

fn act(unit: &mut Unit<'_>, command: &Command, candidate: &Candidate, after: &mut After) -> Result<Done, Failure> {
    match command {
        Command::Retry { allow_overtaken, .. } => put_back::retry(unit, candidate, *allow_overtaken, after),
        Command::Release { allow_overtaken, .. } => put_back::release(unit, candidate, *allow_overtaken, after),
        Command::Resend { allow_overtaken, .. } => put_back::resend(unit, candidate, *allow_overtaken, after),
        Command::Cancel { .. } => withdraw::cancel(unit, candidate, after),
        Command::Hold { .. } => withdraw::hold(unit, candidate, after),
        Command::Purge { .. } => withdraw::purge(unit, candidate, after),
        _ => Ok(Done::Left(code::ERR_STATE)),
    }
}

fn candidates(unit: &Unit<'_>, meant: &Meant, seqs: &[i64]) -> Result<Vec<Candidate>, Failure> {
    let mut condition = Condition::of_rows(&meant.filter)?;
    condition.in_states(meant.looked_for());
    let sql = format!(
        "SELECT {}, {} FROM (SELECT value AS turn FROM json_each(?)) CROSS JOIN message ON seq = turn WHERE {}",
        Standing::COLUMNS,
        Candidate::COLUMNS,
        condition.sql()
    );
    let mut statement = unit.connection.prepare_cached(&sql)?;
    let turns = Value::Text(serde_json::to_string(seqs).unwrap_or_default());
    let rows = statement.query_map(params_from_iter([turns].into_iter().chain(condition.values)), Candidate::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ids that name no message at all.
pub(super) fn missing(unit: &Unit<'_>, filter: &MessageFilter) -> Result<Vec<Unchanged>, Failure> {
    let mut missing = Vec::new();
    for id in filter.ids.iter().flatten() {
        let parsed: MessageId = id.parse()?;
        let exists = unit
            .connection
            .prepare_cached("SELECT 1 FROM message WHERE seq = ?1 AND id = ?2 AND purged_at IS NULL")?
            .exists(params![parsed.seq(), parsed.as_bytes()])?;
        if !exists && missing.len() < LISTED_MAX {
            missing.push(Unchanged { id: id.clone(), code: code::ERR_MESSAGE_ID });
        }
    }
    Ok(missing)
}

/// A message that was named, if it was purged since the command began.
fn note_purged(unit: &Unit<'_>, meant: &Meant, seq: i64, changed: &mut Changed) -> Result<(), Failure> {
    if meant.filter.ids.is_none() {
        return Ok(());
    }
    let id: Option<[u8; 16]> = unit
        .connection
        .prepare_cached("SELECT id FROM message WHERE seq = ?1 AND purged_at IS NOT NULL")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    changed
        .unchanged
        .extend(id.map(|id| Unchanged { id: MessageId::from_bytes(id).to_string(), code: code::ERR_MESSAGE_ID }));
    Ok(())
}

/// Contents of these messages, in bytes.
pub(super) fn weight(unit: &Unit<'_>, seqs: &[i64]) -> Result<u64, Failure> {
    let sql = "SELECT coalesce(sum(length(content)), 0) FROM json_each(?1) CROSS JOIN body ON seq = value";
    let turns = serde_json::to_string(seqs).unwrap_or_default();
    Ok(unit.connection.prepare_cached(sql)?.query_row([turns], |row| row.get(0))?)
}
