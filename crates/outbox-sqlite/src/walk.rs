//! A walk over the messages that a command means, a stretch of numbers at a time, so that nobody waits for a long search.
//!
//! The order is that of the lanes, `(position, seq)`: a correction stands where what it replaces stood, far before its own
//! number. So corrections are listed first, and met in their places.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use outbox_core::state::State;
use outbox_core::status::{COUNT_TIME_MAX, Counted, MessageFilter};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::Failure;
use crate::filter::Condition;

/// Numbers of the first stretch: a few milliseconds, if each of its rows has to be read.
const WIDTH_FIRST: i64 = 2_000;
/// Where an index helps, a stretch takes microseconds: it is made longer until it takes about so long.
const STRETCH_TIME: Duration = Duration::from_millis(1);

/// Position and number: the order of a lane.
type Place = (i64, i64);

/// How long stretches are.
#[derive(Clone, Copy)]
struct Width(i64);

/// Widest stretch, in numbers: behind a long history that a filter does not match there may be a backlog that it does.
const WIDTH_MAX: i64 = 16_384;

impl Width {
    fn took(&mut self, time: Duration) {
        if time < STRETCH_TIME {
            self.0 = self.0.saturating_mul(2).min(WIDTH_MAX.max(self.0));
        } else if time > STRETCH_TIME * 4 {
            self.0 = (self.0 / 2).max(1);
        }
    }
}

/// What a walk is to find, and in which direction.
#[derive(Clone)]
pub(crate) struct Meant {
    pub(crate) filter: MessageFilter,
    /// Only those in one of these states, unless they are named one by one.
    pub(crate) states: &'static [State],
    /// From the last of each lane to its first.
    pub(crate) backwards: bool,
}

impl Meant {
    /// Whether the messages are named one by one: each gets its answer.
    pub(crate) fn is_named(&self) -> bool {
        self.filter.ids.is_some() || self.filter.control_ids.is_some()
    }

    /// The states in which a message is looked for.
    pub(crate) fn looked_for(&self) -> &'static [State] {
        if self.is_named() { &State::ALL } else { self.states }
    }
}

/// How far the search has come.
pub(crate) struct Walk {
    meant: Meant,
    /// Messages that were stored later are not meant.
    bound: i64,
    width: Width,
    /// Up to where those have been listed that do not stand under their own number (all, if they are named one by one);
    /// `None`: they are.
    listing: Option<i64>,
    listed: VecDeque<Place>,
    /// In the order of numbers alone: whatever it finds is changed in one commit.
    is_plain: bool,
    after: Option<Place>,
    is_through: bool,
}

impl Walk {
    fn new(meant: Meant, bound: i64) -> Self {
        // Rows that are named by their numbers are found at once.
        let width = Width(if meant.filter.ids.is_some() { i64::MAX } else { WIDTH_FIRST });
        let listing = Some(0);
        Self { meant, bound, width, listing, listed: VecDeque::new(), is_plain: false, after: None, is_through: false }
    }

    /// A walk that knows what was named by ids from now on, whatever becomes of it until its turn.
    pub(crate) fn begin(connection: &Connection, meant: Meant, bound: i64) -> Result<Self, Failure> {
        let mut walk = Self::new(meant, bound);
        if walk.meant.filter.ids.is_some() {
            walk.list(connection, 0)?;
        }
        Ok(walk)
    }

    /// A walk whose order means nothing.
    pub(crate) fn plain(meant: Meant, bound: i64) -> Self {
        let meant = Meant { backwards: false, ..meant };
        Self { listing: None, is_plain: true, ..Self::new(meant, bound) }
    }

    /// Whether there is nothing more to find.
    pub(crate) fn is_through(&self) -> bool {
        self.is_through
    }

    /// Adds the next to `found` until there are `most`, the end is reached, or `time` is over.
    pub(crate) fn look(
        &mut self,
        connection: &Connection,
        found: &mut Vec<i64>,
        most: usize,
        time: Duration,
    ) -> Result<(), Failure> {
        outbox_core::fault!("walk-look", Failure::planted);
        let until = Instant::now() + time;
        while found.len() < most && !self.is_through {
            let began = Instant::now();
            match self.listing {
                Some(behind) => self.list(connection, behind)?,
                None if self.meant.is_named() && !self.is_plain => self.take_listed(found, most),
                None => self.stretch(connection, found, most)?,
            }
            self.width.took(began.elapsed());
            if Instant::now() >= until {
                break;
            }
        }
        Ok(())
    }

    fn list(&mut self, connection: &Connection, behind: i64) -> Result<(), Failure> {
        let until = behind.saturating_add(self.width.0).min(self.bound);
        let mut condition = self.condition(behind, until)?;
        if !self.meant.is_named() {
            condition.and("position <> seq", []);
        }
        let sql = format!("SELECT position, seq FROM message WHERE {}", condition.sql());
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(condition.values), |row| Ok((row.get(0)?, row.get(1)?)))?;
        for place in rows {
            self.listed.push_back(place?);
        }
        self.listing = (until < self.bound).then_some(until);
        if self.listing.is_none() {
            let listed = self.listed.make_contiguous();
            listed.sort_unstable();
            if self.meant.backwards {
                listed.reverse();
            }
        }
        Ok(())
    }

    fn take_listed(&mut self, found: &mut Vec<i64>, most: usize) {
        let fit = self.listed.len().min(most - found.len());
        found.extend(self.listed.drain(..fit).map(|(_, seq)| seq));
        self.is_through = self.listed.is_empty();
    }

    /// The next stretch: the messages that stand under their own number, and between them those that were listed.
    fn stretch(&mut self, connection: &Connection, found: &mut Vec<i64>, most: usize) -> Result<(), Failure> {
        let (behind, until) = self.next();
        let mut condition = self.condition(behind, until)?;
        if !self.is_plain {
            condition.and("position = seq", []);
        }
        let direction = if self.meant.backwards { "DESC" } else { "ASC" };
        condition.values.push(Value::Integer(i64::try_from(most - found.len()).unwrap_or(i64::MAX)));
        let sql = format!("SELECT seq FROM message WHERE {} ORDER BY seq {direction} LIMIT ?", condition.sql());
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(condition.values), |row| row.get(0))?;
        let mut rows = rows.collect::<Result<Vec<i64>, _>>()?.into_iter().map(|seq| (seq, seq)).peekable();
        let edge = if self.meant.backwards { (behind, i64::MAX) } else { (until, i64::MAX) };
        while found.len() < most {
            let listed = self.listed.front().copied().filter(|place| self.comes_before(*place, edge));
            let next = match (rows.peek().copied(), listed) {
                (Some(row), Some(listed)) if self.comes_before(listed, row) => self.listed.pop_front(),
                (Some(_), _) => rows.next(),
                (None, Some(_)) => self.listed.pop_front(),
                (None, None) => None,
            };
            let Some(place) = next else {
                self.after = Some(edge);
                self.is_through = if self.meant.backwards { behind <= 0 } else { until >= self.bound };
                return Ok(());
            };
            found.push(place.1);
            self.after = Some(place);
        }
        Ok(())
    }

    /// The numbers of the next stretch.
    fn next(&self) -> (i64, i64) {
        if self.meant.backwards {
            // Its own number comes after those of corrections that stand in its place.
            let until =
                self.after.map_or(self.bound, |(position, seq)| if seq > position { position } else { position - 1 });
            (until.saturating_sub(self.width.0).max(0), until)
        } else {
            let behind = self.after.map_or(0, |(position, _)| position);
            (behind, behind.saturating_add(self.width.0).min(self.bound))
        }
    }

    fn comes_before(&self, one: Place, other: Place) -> bool {
        if self.meant.backwards { one > other } else { one < other }
    }

    fn condition(&self, behind: i64, until: i64) -> Result<Condition, Failure> {
        let mut condition = Condition::within(&self.meant.filter, behind, until)?;
        condition.in_states(self.meant.looked_for());
        Ok(condition)
    }
}

/// How many messages a filter matches, as far as that can be counted in a moment.
pub(crate) fn count(connection: &Connection, filter: &MessageFilter) -> Result<Counted, Failure> {
    outbox_core::fault!("read-count", Failure::planted);
    if let Some(count) = tallied(connection, filter)? {
        return Ok(Counted { count, exact: true });
    }
    let until = Instant::now() + COUNT_TIME_MAX;
    let bound: i64 = connection.query_row("SELECT coalesce(max(seq), 0) FROM message", [], |row| row.get(0))?;
    let mut width = Width(if filter.ids.is_some() { i64::MAX } else { WIDTH_FIRST });
    let (mut count, mut top) = (0, bound);
    while top > 0 {
        let began = Instant::now();
        if began >= until {
            return Ok(Counted { count, exact: false });
        }
        let behind = top.saturating_sub(width.0).max(0);
        let condition = Condition::within(filter, behind, top)?;
        let sql = format!("SELECT count(*) FROM message WHERE {}", condition.sql());
        let mut statement = connection.prepare_cached(&sql)?;
        count += statement.query_row(params_from_iter(condition.values), |row| row.get::<_, u64>(0))?;
        top = behind;
        width.took(began.elapsed());
    }
    Ok(Counted { count, exact: true })
}

/// What the tally knows: messages by destination and state.
fn tallied(connection: &Connection, filter: &MessageFilter) -> Result<Option<u64>, Failure> {
    let beyond = MessageFilter { destination: None, status: None, ..filter.clone() };
    if beyond != MessageFilter::default() {
        return Ok(None);
    }
    let mut condition = Condition::of_tally(filter);
    if let Some(states) = &filter.status {
        condition.in_states(&states.to_vec());
    }
    let sql = format!("SELECT coalesce(sum(count), 0) FROM standing WHERE {}", condition.sql());
    Ok(Some(connection.prepare_cached(&sql)?.query_row(params_from_iter(condition.values), |row| row.get(0))?))
}
