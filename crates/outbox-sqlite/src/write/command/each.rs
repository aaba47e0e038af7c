//! The messages that an order means, one after another.

use std::sync::Arc;

use outbox_core::error::code;
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::{Changed, MessageFilter, Unchanged};
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use crate::error::Failure;
use crate::filter::Condition;
use crate::write::standing::Standing;
use crate::write::unit::Unit;

/// Most ids that an answer lists; the count is exact.
const LISTED_MAX: usize = 1_000;
/// Rows that are looked at together, so that a bulk command keeps little in memory.
const CHUNK: u32 = 500;

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
}

/// What became of one candidate.
pub(super) enum Done {
    Changed,
    Left(&'static str),
}

/// Applies `act` to every match, in the order of `seq`. Messages named by id that are missing or in another state are
/// listed with the reason; with any other filter they are simply not meant.
pub(super) fn for_each(
    unit: &mut Unit<'_>,
    filter: &MessageFilter,
    states: &[State],
    act: impl Fn(&mut Unit<'_>, &Candidate) -> Result<Done, Failure>,
) -> Result<Changed, Failure> {
    let named = filter.ids.is_some() || filter.control_ids.is_some();
    // Looked for before anything changes: a purge would hide what it has just changed.
    let missing = missing(unit, filter)?;
    let mut changed = Changed::default();
    let mut after = 0;
    loop {
        let candidates = candidates(unit, filter, if named { &State::ALL } else { states }, after)?;
        let Some(last) = candidates.last() else { break };
        after = last.standing.seq;
        for candidate in &candidates {
            let done = if states.contains(&candidate.standing.state) {
                act(unit, candidate)?
            } else {
                Done::Left(code::ERR_STATE)
            };
            match done {
                Done::Changed => {
                    changed.count += 1;
                    if changed.changed.len() < LISTED_MAX {
                        changed.changed.push(candidate.standing.id);
                    }
                }
                Done::Left(code) if changed.unchanged.len() < LISTED_MAX => {
                    changed.unchanged.push(Unchanged { id: candidate.standing.id.to_string(), code });
                }
                Done::Left(_) => {}
            }
        }
    }
    let room = LISTED_MAX - changed.unchanged.len();
    changed.unchanged.extend(missing.into_iter().take(room));
    Ok(changed)
}

fn candidates(
    unit: &Unit<'_>,
    filter: &MessageFilter,
    states: &[State],
    after: i64,
) -> Result<Vec<Candidate>, Failure> {
    let mut condition = Condition::of(filter)?;
    condition.in_states(states);
    condition.and("seq > ?", [Value::Integer(after)]);
    let sql = format!(
        "SELECT {}, {} FROM message WHERE {} ORDER BY seq LIMIT {CHUNK}",
        Standing::COLUMNS,
        Candidate::COLUMNS,
        condition.sql()
    );
    let mut statement = unit.connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(condition.values), Candidate::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ids that name no message at all.
fn missing(unit: &Unit<'_>, filter: &MessageFilter) -> Result<Vec<Unchanged>, Failure> {
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
