//! Orders of persons.

use std::sync::Arc;
use std::time::Duration;

use outbox_core::acknowledgement::Outcome;
use outbox_core::error::code;
use outbox_core::retry::{Next, Reason};
use outbox_core::state::State;
use outbox_core::status::{MessageFilter, OneOrMany};
use outbox_core::store::{By, Command, wait};

use crate::messages::message;
use crate::subject::{Make, Subject, accepted, by_ids, completion, held_up, rejected};

pub fn a_retried_dead_letter_takes_its_old_place(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    subject.complete(vec![rejected(&subject.claim_one())]);
    let changed = subject.retry(&[first], false);
    assert_eq!((changed.count, changed.changed, changed.unchanged.len()), (1, vec![first], 0));
    let view = subject.message(first);
    assert_eq!((view.status, view.attempts, view.failure), (State::Pending, 0, None));
    assert_eq!(subject.message(second).blocked_by, Some(first));
    let claimed = subject.claim_one();
    assert_eq!((claimed.id, claimed.attempt), (first, 2), "tries go on counting; the counted attempts are reset");
    assert!(wait(|done| subject.store.attempts(first, done)).unwrap()[1].manual);
}

pub fn an_overtaken_message_is_left_unless_allowed(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    subject.enqueue(message(2, Some("P1")));
    subject.complete(vec![rejected(&subject.claim_one())]);
    subject.complete(vec![accepted(&subject.claim_one())]);
    assert!(subject.message(first).overtaken);
    let changed = subject.retry(&[first], false);
    assert_eq!((changed.count, changed.unchanged[0].code), (0, code::OVERTAKEN));
    assert_eq!(subject.state(first), State::Failed);
    assert_eq!(subject.retry(&[first], true).count, 1);
    assert_eq!(subject.claim_one().id, first);
}

pub fn a_message_that_comes_back_waits_for_the_one_in_flight_and_precedes_the_rest(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    let third = subject.enqueue(message(3, Some("P1")));
    subject.complete(vec![rejected(&subject.claim_one())]);
    let in_flight = subject.claim_one();
    assert_eq!(in_flight.id, second);
    subject.retry(&[first], false);
    assert!(subject.claim(10).is_empty());
    assert_eq!(subject.message(first).blocked_by, Some(second));
    // The one in flight backs off: now the earlier one goes first, although the other had its turn before.
    subject.complete(vec![completion(&in_flight, Outcome::Retry, subject.again(Duration::from_secs(30)))]);
    let claimed = subject.claim_one();
    assert_eq!(claimed.id, first);
    subject.complete(vec![accepted(&claimed)]);
    subject.pass(Duration::from_secs(30));
    let claimed = subject.claim_one();
    assert_eq!(claimed.id, second);
    subject.complete(vec![accepted(&claimed)]);
    assert_eq!(subject.claim_one().id, third);
}

pub fn retry_makes_a_waiting_message_due_now_and_nudges_its_destination(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, Some("P1")));
    let claimed = subject.claim_one();
    let before = subject.turn(vec![completion(&claimed, Outcome::Retry, subject.again(Duration::from_secs(3_600)))], 1);
    assert!(before.claimed.is_empty());
    assert_eq!(subject.retry(&[id], false).count, 1);
    let after = subject.turn(Vec::new(), 1);
    assert_eq!(after.claimed[0].id, id);
    assert_ne!(after.nudges, before.nudges);
}

pub fn retry_leaves_what_is_in_flight_or_delivered_and_says_why(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let delivered = subject.enqueue(message(1, None));
    subject.complete(vec![accepted(&subject.claim_one())]);
    let in_flight = subject.enqueue(message(2, None));
    subject.claim_one();
    let before = subject.snapshot(&[]);
    let unknown = outbox_core::message::MessageId::new(outbox_core::clock::Timestamp(1), 1);
    let changed = subject.retry(&[delivered, in_flight, unknown], false);
    assert_eq!(changed.count, 0);
    let why: Vec<_> = changed.unchanged.iter().map(|left| (left.id.clone(), left.code)).collect();
    assert!(why.contains(&(delivered.to_string(), code::ERR_STATE)));
    assert!(why.contains(&(in_flight.to_string(), code::ERR_IN_FLIGHT)));
    assert!(why.contains(&(unknown.to_string(), code::ERR_MESSAGE_ID)));
    assert_eq!(subject.snapshot(&[]), before);
}

pub fn a_cancelled_message_frees_its_lane_and_can_be_retried(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    assert_eq!(subject.cancel(&[first]).count, 1);
    assert_eq!(subject.state(first), State::Cancelled);
    assert_eq!(subject.cancel(&[first]).unchanged[0].code, code::ERR_STATE);
    assert_eq!(subject.message(second).blocked_by, None);
    assert_eq!(subject.retry(&[first], false).count, 1);
    assert_eq!(subject.claim_one().id, first);
}

pub fn a_cancel_in_flight_holds_unless_the_receiver_accepts(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids: Vec<_> = (1..=3).map(|n| subject.enqueue(message(n, None))).collect();
    let claimed = subject.claim(3);
    assert_eq!(subject.cancel(&ids).count, 3);
    assert!(ids.iter().all(|id| subject.message(*id).in_flight));
    subject.complete(vec![
        accepted(&claimed[0]),
        completion(&claimed[1], Outcome::Retry, subject.again(Duration::from_secs(30))),
        rejected(&claimed[2]),
    ]);
    assert_eq!(ids.map_states(&subject), [State::Acknowledged, State::Cancelled, State::Cancelled]);
}

pub fn a_cancel_in_flight_holds_when_its_dispatcher_dies(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    subject.claim_one();
    subject.cancel(&[first]);
    assert_eq!(subject.recover(), 1);
    assert_eq!(subject.state(first), State::Cancelled);
    assert_eq!(subject.claim_one().id, second);
}

pub fn a_doubt_outlives_a_person_s_retry(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, Some("P1")));
    let doubtful = subject.claim_one();
    assert!(!doubtful.possible_duplicate);
    let given_up = Next::Fail(Reason::Indeterminate);
    subject.complete(vec![completion(&doubtful, Outcome::Indeterminate, given_up)]);
    subject.retry(&[id], false);
    let again = subject.claim_one();
    assert!(again.possible_duplicate, "the receiver may have it, whatever the counters say");
    assert_eq!(again.indeterminates, 0);
}

trait MapStates {
    fn map_states(&self, subject: &Subject) -> Vec<State>;
}

impl MapStates for Vec<outbox_core::message::MessageId> {
    fn map_states(&self, subject: &Subject) -> Vec<State> {
        self.iter().map(|id| subject.state(*id)).collect()
    }
}

pub fn a_message_is_overtaken_by_its_own_correction(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let wrong = subject.enqueue(message(1, Some("P1")));
    subject.complete(vec![rejected(&subject.claim_one())]);
    subject.replace(wrong, message(2, Some("P1")));
    subject.complete(vec![accepted(&subject.claim_one())]);
    assert!(subject.message(wrong).overtaken, "the correction is newer, although it stands in the same place");
    let changed = subject.retry(&[wrong], false);
    assert_eq!((changed.count, changed.unchanged[0].code), (0, code::OVERTAKEN));
}

pub fn a_dead_letter_holds_only_what_comes_after_it(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    subject.enqueue(message(3, Some("P1")));
    subject.complete(vec![held_up(&subject.claim_one())]);
    assert!(subject.claim(10).is_empty(), "the lane waits for a person");
    subject.replace(first, message(2, Some("P1")));
    subject.complete(vec![held_up(&subject.claim_one())]);
    assert!(subject.claim(10).is_empty(), "and again");
    // The first one stands before its correction, which holds what comes later.
    subject.retry(&[first], true);
    let claimed = subject.claim_one();
    assert_eq!(claimed.id, first);
    subject.complete(vec![accepted(&claimed)]);
    assert!(subject.claim(10).is_empty());
}

pub fn a_purge_lists_each_message_once(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, None));
    let purge = || Command::Purge { filter: by_ids(&[id]) };
    let changed = subject.command(purge());
    assert_eq!((changed.changed, changed.unchanged.len()), (vec![id], 0));
    let again = subject.command(purge());
    assert_eq!((again.count, again.unchanged[0].code), (0, code::ERR_MESSAGE_ID));
}

pub fn a_command_by_filter_changes_exactly_what_matches(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let mut tagged = message(1, None);
    tagged.tags.insert(String::from("schoolId"), String::from("7"));
    let tagged = subject.enqueue(tagged);
    for n in 2..=4 {
        let mut other = message(n, None);
        other.tags.insert(String::from("schoolId"), String::from("8"));
        subject.enqueue(other);
    }
    let before = subject.snapshot(&[tagged]);
    let tags = [(String::from("schoolId"), String::from("7"))].into();
    let filter =
        MessageFilter { tags: Some(tags), status: Some(OneOrMany::One(State::Pending)), ..MessageFilter::default() };
    let changed = subject.command(Command::Cancel { filter });
    assert_eq!((changed.count, changed.changed), (1, vec![tagged]));
    assert_eq!(subject.snapshot(&[tagged]), before, "no other row moved");
}

pub fn a_bulk_command_counts_exactly_and_lists_a_thousand(make: Make<'_>) {
    let subject = Subject::new(make, 10_000);
    subject.try_enqueue((0..1_203).map(|n| message(n, None)).collect()).unwrap();
    let changed = subject.command(Command::Cancel { filter: MessageFilter::default() });
    assert_eq!((changed.count, changed.changed.len()), (1_203, 1_000));
    let filter = || MessageFilter { status: Some(OneOrMany::One(State::Cancelled)), ..MessageFilter::default() };
    assert_eq!(subject.command(Command::Retry { filter: filter(), allow_overtaken: false }).count, 1_203);
    assert_eq!(subject.claim(5_000).len(), 1_203);
}

pub fn a_command_without_an_actor_is_refused(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, None));
    let by = By { actor: String::from(" "), reason: None };
    let refused = wait(|done| {
        subject.store.command(Command::Cancel { filter: MessageFilter::default() }, by, Arc::default(), done);
    });
    assert_eq!(refused.unwrap_err().code, code::ERR_OPTION);
    assert_eq!(subject.state(id), State::Pending);
}
