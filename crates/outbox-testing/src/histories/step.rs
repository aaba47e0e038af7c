//! The steps of a history, and how they are drawn.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::subject::PART_MAX;

/// Steps, and the most messages that may wait.
#[derive(Clone)]
pub struct History {
    /// Most messages PENDING or HELD.
    pub pending_max: u64,
    /// Most messages that a command changes in one commit.
    pub part_max: usize,
    /// What happens.
    pub(crate) steps: Vec<Step>,
}

impl fmt::Debug for History {
    /// A line a step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} may wait, and {} change in a commit", self.pending_max, self.part_max)?;
        self.steps.iter().try_for_each(|step| write!(f, "\n  {step:?}"))
    }
}

/// One step. Everything in it that names a message or a time is a number that the plan makes sense of.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes that are committed together.
    Write(Vec<Write>),
    /// An order on all messages of a destination. If it goes on in parts, something else is written before each.
    InParts { order: Order, at_seams: Vec<Vec<Write>> },
    /// Time passes, in seconds.
    Pass(u32),
    /// The wall clock jumps back, in seconds; the dispatcher notices.
    TurnBack(u32),
    /// The store is closed and opened again.
    Reopen,
    /// Callers look: at the changes from some cursor, at pages of some size, at a message and its attempts.
    Look { from: u8, page: u8, which: u8 },
}

#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// The messages of one call.
    Enqueue(Vec<Draft>),
    Turn(TurnDraft),
    Order(Order),
    /// A correction, for the same patient or for another one.
    Replace {
        which: u8,
        other_patient: bool,
    },
    /// The dispatcher has died; another one takes over.
    TakeOver,
}

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) elsewhere: bool,
    /// `None`: no lane.
    pub(crate) patient: Option<u8>,
    pub(crate) repeat: Repeat,
    pub(crate) hold: bool,
    pub(crate) not_before: Option<u32>,
    pub(crate) urgent: bool,
    pub(crate) expires: Option<u32>,
    pub(crate) attempts_max: Option<u32>,
}

/// Whether a message was enqueued before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeat {
    No,
    SameBytes(u8),
    OtherBytes(u8),
}

/// A driver's turn.
#[derive(Clone, Debug)]
pub(crate) struct TurnDraft {
    pub(crate) elsewhere: bool,
    /// Which of those in flight ends, and how.
    pub(crate) ends: Vec<(u8, End)>,
    pub(crate) give_back: Option<u8>,
    pub(crate) claim: u8,
    pub(crate) avoid: Option<u8>,
    pub(crate) expires: Option<u32>,
    pub(crate) holds_lane: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Acknowledged,
    Sent,
    Refused {
        holds_lane: bool,
    },
    Again {
        indeterminate: bool,
        counted: bool,
        delay: u32,
    },
    Exhausted {
        indeterminate: bool,
        holds_lane: bool,
    },
    /// The end of an attempt before the one that is in flight.
    Late,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) which: Which,
    pub(crate) allow_overtaken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Retry,
    Cancel,
    Hold,
    Release,
    Resend,
    Purge,
    Pause,
    Resume,
}

/// Which messages an order names. For a pause: which destination.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    One(u8),
    Two(u8, u8),
    All { elsewhere: bool },
    Unknown,
}

/// Histories of up to `steps` steps.
pub fn histories(steps: usize) -> impl Strategy<Value = History> {
    let part_max = prop_oneof![1_usize..5, Just(PART_MAX)];
    (prop_oneof![Just(5_u64), Just(12), Just(1_000)], part_max, vec(step(), 1..steps))
        .prop_map(|(pending_max, part_max, steps)| History { pending_max, part_max, steps })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => vec(write(), 1..2).prop_map(Step::Write),
        8 => vec(write(), 2..5).prop_map(Step::Write),
        4 => (order(), prop::bool::weighted(0.1), vec(vec(write(), 0..3), 0..6)).prop_map(|(order, elsewhere, at_seams)| {
            Step::InParts { order: Order { which: Which::All { elsewhere }, ..order }, at_seams }
        }),
        8 => prop_oneof![4 => 1_u32..40, 1 => 600_u32..1_500].prop_map(Step::Pass),
        1 => (10_u32..5_000).prop_map(Step::TurnBack),
        1 => Just(Step::Reopen),
        2 => (any::<u8>(), 1_u8..12, any::<u8>()).prop_map(|(from, page, which)| Step::Look { from, page, which }),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        12 => vec(draft(), 1..4).prop_map(Write::Enqueue),
        16 => turn().prop_map(Write::Turn),
        9 => order().prop_map(Write::Order),
        2 => (any::<u8>(), prop::bool::weighted(0.2)).prop_map(|(which, other_patient)| Write::Replace { which, other_patient }),
        1 => Just(Write::TakeOver),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let repeat = prop_oneof![
        12 => Just(Repeat::No),
        1 => any::<u8>().prop_map(Repeat::SameBytes),
        1 => any::<u8>().prop_map(Repeat::OtherBytes),
    ];
    (
        prop::bool::weighted(0.15),
        option::weighted(0.9, 0_u8..3),
        repeat,
        prop::bool::weighted(0.08),
        option::weighted(0.12, 1_u32..60),
        prop::bool::weighted(0.15),
        option::weighted(0.1, 0_u32..60),
        option::weighted(0.1, 1_u32..4),
    )
        .prop_map(|(elsewhere, patient, repeat, hold, not_before, urgent, expires, attempts_max)| Draft {
            elsewhere,
            patient,
            repeat,
            hold,
            not_before,
            urgent,
            expires,
            attempts_max,
        })
}

fn turn() -> impl Strategy<Value = TurnDraft> {
    (
        prop::bool::weighted(0.15),
        vec((any::<u8>(), end()), 0..3),
        option::weighted(0.15, any::<u8>()),
        0_u8..5,
        option::weighted(0.15, any::<u8>()),
        option::weighted(0.1, 5_u32..100),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(elsewhere, ends, give_back, claim, avoid, expires, holds_lane)| TurnDraft {
            elsewhere,
            ends,
            give_back,
            claim,
            avoid,
            expires,
            holds_lane,
        })
}

fn end() -> impl Strategy<Value = End> {
    let holds = || prop::bool::weighted(0.4);
    prop_oneof![
        4 => Just(End::Acknowledged),
        1 => Just(End::Sent),
        2 => holds().prop_map(|holds_lane| End::Refused { holds_lane }),
        4 => (any::<bool>(), prop::bool::weighted(0.7), 0_u32..60)
            .prop_map(|(indeterminate, counted, delay)| End::Again { indeterminate, counted, delay }),
        1 => (any::<bool>(), holds()).prop_map(|(indeterminate, holds_lane)| End::Exhausted { indeterminate, holds_lane }),
        1 => Just(End::Late),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let kind = prop_oneof![
        6 => Just(Kind::Retry),
        3 => Just(Kind::Cancel),
        3 => Just(Kind::Hold),
        3 => Just(Kind::Release),
        2 => Just(Kind::Resend),
        1 => Just(Kind::Purge),
        1 => Just(Kind::Pause),
        2 => Just(Kind::Resume),
    ];
    let which = prop_oneof![
        6 => any::<u8>().prop_map(Which::One),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(one, other)| Which::Two(one, other)),
        2 => prop::bool::weighted(0.15).prop_map(|elsewhere| Which::All { elsewhere }),
        1 => Just(Which::Unknown),
    ];
    (kind, which, any::<bool>()).prop_map(|(kind, which, allow_overtaken)| Order { kind, which, allow_overtaken })
}
