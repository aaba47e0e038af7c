//! What was received, within bounds: a ring of messages, the control ids, and counters.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use http::{HeaderMap, header};

use crate::config::{KeepMode, KeepPolicy};
use crate::message::Message;
use crate::received::{Page, Received, Transport};
use crate::stats::{Pace, Stats};

/// Counted for each message besides its bytes, so that many tiny ones are bounded too.
const ITEM_BYTES: usize = 256;

/// A page ends early when its bodies exceed this, so that no answer of ours grows without bound.
const PAGE_BODY_BYTES: usize = 32 << 20;

/// All that was received; one lock protects it, and nobody holds the lock while waiting.
#[derive(Debug)]
pub(crate) struct Kept {
    policy: KeepPolicy,
    control_ids_max: usize,
    total: u64,
    taken: u64,
    body_bytes: u64,
    duplicates: u64,
    taken_again: u64,
    forgotten: u64,
    pub(crate) turned_away: u64,
    by_answer: BTreeMap<Cow<'static, str>, u64>,
    pace: Pace,
    seen: HashMap<Box<[u8]>, Seen>,
    ring: VecDeque<Item>,
    ring_bytes: usize,
}

/// How often a control id came, and how often it was taken.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    arrivals: u32,
    taken: u32,
}

/// One message on its way in.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) at_us: i64,
    pub(crate) transport: Transport,
    pub(crate) connection: u64,
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) body: &'a Bytes,
    /// None: the body is no HL7.
    pub(crate) message: Option<&'a Message<'a>>,
}

/// What was decided about it.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) label: Cow<'static, str>,
    pub(crate) taken: bool,
    /// The answer goes out at once, so that it need not be marked later.
    pub(crate) at_once: bool,
}

#[derive(Debug)]
struct Item {
    seq: u64,
    at_us: i64,
    transport: Transport,
    connection: u64,
    // Slices of the body: naming a message costs no allocation.
    control_id: Bytes,
    message_type: Bytes,
    patient: Bytes,
    headers: Box<[u8]>,
    body: Bytes,
    answer: Cow<'static, str>,
    taken: bool,
    answered_at_us: Option<i64>,
}

impl Kept {
    pub(crate) fn new(policy: KeepPolicy, control_ids_max: usize) -> Self {
        Self {
            policy,
            control_ids_max,
            total: 0,
            taken: 0,
            body_bytes: 0,
            duplicates: 0,
            taken_again: 0,
            forgotten: 0,
            turned_away: 0,
            by_answer: BTreeMap::new(),
            pace: Pace::default(),
            seen: HashMap::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
        }
    }

    /// Takes a message in and gives it its number. `decide` is told how often its control id has now arrived; it runs
    /// under the lock, so that the counters, the dice and the order of the list agree.
    pub(crate) fn record<R>(&mut self, arrival: &Arrival<'_>, decide: impl FnOnce(u64) -> (Decided, R)) -> (u64, R) {
        self.total += 1;
        let seq = self.total;
        self.pace.add(arrival.at_us);
        self.body_bytes = self.body_bytes.saturating_add(u64::try_from(arrival.body.len()).unwrap_or(u64::MAX));
        let control_id = arrival.message.map_or(&[][..], Message::control_id);
        let seen = if control_id.is_empty() { None } else { self.seen(control_id) };
        // A forgotten id must not throw the same dice for ever.
        let occurrence = seen.as_deref().map_or(seq, |seen| u64::from(seen.arrivals));
        let (decided, result) = decide(occurrence);
        let mut again = (false, false);
        if let Some(seen) = seen {
            again = (seen.arrivals > 1, decided.taken && seen.taken > 0);
            seen.taken = seen.taken.saturating_add(u32::from(decided.taken));
        } else if !control_id.is_empty() {
            self.forgotten += 1;
        }
        self.duplicates += u64::from(again.0);
        self.taken_again += u64::from(again.1);
        self.taken += u64::from(decided.taken);
        match self.by_answer.get_mut(&decided.label) {
            Some(count) => *count += 1,
            None => drop(self.by_answer.insert(decided.label.clone(), 1)),
        }
        if self.policy.mode == KeepMode::All {
            self.push(Item::of(seq, arrival, decided));
        }
        (seq, result)
    }

    fn seen(&mut self, control_id: &[u8]) -> Option<&mut Seen> {
        // Looked up twice rather than cloned once: new ids are the common case only in benchmarks.
        if !self.seen.contains_key(control_id) {
            if self.seen.len() >= self.control_ids_max {
                return None;
            }
            self.seen.insert(control_id.into(), Seen::default());
        }
        let seen = self.seen.get_mut(control_id)?;
        seen.arrivals = seen.arrivals.saturating_add(1);
        Some(seen)
    }

    fn push(&mut self, item: Item) {
        self.ring_bytes += item.weight();
        self.ring.push_back(item);
        while self.ring.len() > 1 && (self.ring.len() > self.policy.messages || self.ring_bytes > self.policy.bytes) {
            if let Some(oldest) = self.ring.pop_front() {
                self.ring_bytes -= oldest.weight();
            }
        }
    }

    /// The answer to this message has been handed to its connection.
    pub(crate) fn mark_answered(&mut self, seq: u64, at_us: i64) {
        if let Some(item) = self.position(seq).and_then(|at| self.ring.get_mut(at)) {
            item.answered_at_us = Some(at_us);
        }
    }

    pub(crate) fn page(&self, after: u64, limit: usize) -> Page {
        let start = self.ring.partition_point(|item| item.seq <= after);
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        for item in self.ring.iter().skip(start).take(limit) {
            bytes = bytes.saturating_add(item.body.len());
            if bytes > PAGE_BODY_BYTES && !items.is_empty() {
                break;
            }
            items.push(item.show());
        }
        let more = start + items.len() < self.ring.len();
        let next = items.last().map(|last: &Received| last.seq).filter(|_| more);
        Page { total: self.total, kept: self.ring.len(), items, next }
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.ring.iter().map(Item::show).collect()
    }

    pub(crate) fn body(&self, seq: u64) -> Option<Bytes> {
        self.position(seq).and_then(|at| self.ring.get(at)).map(|item| item.body.clone())
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn control_ids(&self) -> Vec<(String, u32)> {
        self.seen.iter().map(|(id, seen)| (lossy(id), seen.arrivals)).collect()
    }

    /// Forgets all; numbers begin at 1 again.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.policy, self.control_ids_max);
    }

    pub(crate) fn stats(&self, connections: u64, now_us: i64) -> Stats {
        Stats {
            total: self.total,
            taken: self.taken,
            turned_away: self.turned_away,
            bytes: self.body_bytes,
            distinct: u64::try_from(self.seen.len()).unwrap_or(u64::MAX),
            duplicates: self.duplicates,
            taken_again: self.taken_again,
            control_ids_forgotten: self.forgotten,
            connections,
            by_answer: self.by_answer.clone(),
            first_at: self.pace.first_at(),
            last_at: self.pace.last_at(),
            per_second: self.pace.per_second(),
            per_second_recent: self.pace.per_second_recent(now_us),
        }
    }

    /// The ring holds consecutive numbers, so a place is a subtraction.
    fn position(&self, seq: u64) -> Option<usize> {
        let first = self.ring.front()?.seq;
        usize::try_from(seq.checked_sub(first)?).ok().filter(|at| *at < self.ring.len())
    }
}

impl Item {
    fn of(seq: u64, arrival: &Arrival<'_>, decided: Decided) -> Self {
        // The body is copied: a slice of the connection's buffer would keep all of that buffer alive.
        let body = Bytes::copy_from_slice(arrival.body);
        let start = arrival.body.as_ptr().addr();
        let slice = |part: &[u8]| {
            let from = part.as_ptr().addr().wrapping_sub(start);
            let inside = from.checked_add(part.len()).is_some_and(|end| end <= body.len());
            if inside { body.slice(from..from + part.len()) } else { Bytes::copy_from_slice(part) }
        };
        Self {
            seq,
            at_us: arrival.at_us,
            transport: arrival.transport,
            connection: arrival.connection,
            control_id: arrival.message.map(|message| slice(message.control_id())).unwrap_or_default(),
            message_type: arrival.message.map(|message| slice(message.message_type())).unwrap_or_default(),
            patient: arrival.message.map(|message| slice(message.patient())).unwrap_or_default(),
            headers: arrival.headers.map(pack).unwrap_or_default(),
            answer: decided.label,
            taken: decided.taken,
            answered_at_us: decided.at_once.then_some(arrival.at_us),
            body,
        }
    }

    fn weight(&self) -> usize {
        self.body.len() + self.headers.len() + ITEM_BYTES
    }

    fn show(&self) -> Received {
        Received {
            seq: self.seq,
            at_us: self.at_us,
            transport: self.transport,
            connection: self.connection,
            control_id: lossy(&self.control_id),
            message_type: lossy(&self.message_type),
            patient: lossy(&self.patient),
            headers: unpack(&self.headers),
            body: self.body.clone(),
            answer: self.answer.clone().into_owned(),
            taken: self.taken,
            answered_at_us: self.answered_at_us,
        }
    }
}

/// Headers as lines: one allocation, where a map would take many and keep the connection's buffer alive.
fn pack(headers: &HeaderMap) -> Box<[u8]> {
    let mut lines = Vec::with_capacity(headers.len() * 48);
    for (name, value) in headers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        if name == header::AUTHORIZATION {
            // Tests look at what was received, and print it: the token is none of their business.
            lines.extend_from_slice(value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default());
            lines.extend_from_slice(b" ***\n");
        } else {
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
    }
    lines.into_boxed_slice()
}

fn unpack(lines: &[u8]) -> Vec<(String, String)> {
    let lines = lossy(lines);
    lines.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
