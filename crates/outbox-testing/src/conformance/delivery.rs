//! Claims, completions and the order of lanes.

use std::time::Duration;

use outbox_core::acknowledgement::Outcome;
use outbox_core::clock::Clock;
use outbox_core::message::{Expiry, NewMessage, Priority};
use outbox_core::state::State;
use outbox_core::status::WaitingFor;
use outbox_core::store::{Command, Turn, wait};

use crate::messages::{DESTINATION, message};
use crate::subject::{Make, Subject, accepted, completion, rejected, turn};

const SOON: Duration = Duration::from_secs(30);

pub fn a_lane_gives_one_message_at_a_time_in_order(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids: Vec<_> = (1..=3).map(|n| subject.enqueue(message(n, Some("P1")))).collect();
    for (n, id) in ids.iter().enumerate() {
        for behind in &ids[n + 1..] {
            let view = subject.message(*behind);
            assert_eq!((view.waiting_for, view.blocked_by), (Some(WaitingFor::Lane), Some(*id)));
        }
        let claimed = subject.claim_one();
        assert_eq!((claimed.id, claimed.attempt), (*id, 1));
        assert!(subject.message(*id).in_flight);
        assert!(subject.claim(10).is_empty(), "nothing else of the lane while one is in flight");
        subject.complete(vec![accepted(&claimed)]);
        assert_eq!(subject.state(*id), State::Acknowledged);
    }
}

pub fn lanes_do_not_wait_for_each_other(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    for n in 0..6 {
        subject.enqueue(message(n, Some(["P1", "P2", "P3"][n as usize % 3])));
    }
    let claimed = subject.claim(10);
    assert_eq!(claimed.len(), 3);
    let next = subject.turn(vec![accepted(&claimed[1])], 10).claimed;
    assert_eq!(next.iter().map(|c| c.control_id.as_ref()).collect::<Vec<_>>(), ["TEST000004"]);
}

pub fn messages_without_a_lane_wait_for_nobody(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    for n in 1..=5 {
        subject.enqueue(message(n, None));
    }
    assert_eq!(subject.claim(3).len(), 3);
    assert_eq!(subject.claim(10).len(), 2);
}

pub fn a_message_that_backs_off_blocks_its_lane_until_it_is_due(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    let claimed = subject.claim_one();
    let result = subject.turn(vec![completion(&claimed, Outcome::Retry, subject.again(SOON))], 10);
    assert!(result.claimed.is_empty());
    assert_eq!(result.next_due, Some(subject.with.clock.now().plus(SOON)));
    let view = subject.message(first);
    assert_eq!((view.waiting_for, view.attempts, view.status), (Some(WaitingFor::Due), 1, State::Pending));
    assert_eq!(subject.message(second).blocked_by, Some(first));
    subject.pass(SOON);
    let claimed = subject.claim_one();
    assert_eq!((claimed.id, claimed.attempt, claimed.attempts), (first, 2, 1));
}

pub fn a_refused_message_is_a_dead_letter_and_its_lane_goes_on(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    let claimed = subject.claim_one();
    let next = subject.turn(vec![rejected(&claimed)], 10).claimed;
    assert_eq!(next[0].id, second);
    let failure = subject.message(first).failure.unwrap();
    assert_eq!((failure.reason.as_str(), failure.code.as_str(), failure.http_status), ("rejected", "TEST", Some(200)));
    assert_eq!(failure.err_codes, Some(vec![String::from("103")]));
}

pub fn a_new_dispatcher_resends_open_claims_first_and_marks_them(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    subject.enqueue(message(2, Some("P1")));
    let lost = subject.claim_one();
    assert!(!subject.message(first).possible_duplicate);
    assert_eq!(subject.recover(), 1);
    let again = subject.claim_one();
    assert_eq!((again.id, again.attempt, again.indeterminates), (first, 2, 1));
    assert_eq!(again.body, lost.body, "byte for byte the same");
    assert!(subject.message(first).possible_duplicate);
    let attempts = wait(|done| subject.store.attempts(first, done)).unwrap();
    assert_eq!(attempts[0].outcome, Some(Outcome::Indeterminate));
    assert_eq!(attempts[1].outcome, None);
    assert_eq!(subject.recover(), 1);
}

pub fn a_late_completion_changes_nothing(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, Some("P1")));
    let lost = subject.claim_one();
    subject.recover();
    let before = subject.snapshot(&[]);
    subject.complete(vec![accepted(&lost)]);
    assert_eq!(subject.snapshot(&[]), before, "the claim was taken over");
    let again = subject.claim_one();
    subject.complete(vec![rejected(&lost)]);
    assert!(subject.message(id).in_flight, "an older attempt's end is not the present one's");
    subject.complete(vec![accepted(&again), accepted(&again)]);
    assert_eq!(subject.state(id), State::Acknowledged);
}

pub fn a_turn_whose_term_is_over_claims_nothing_and_still_ends_attempts(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    let late = turn(vec![accepted(&subject.claim_one())], 10);
    late.term.end();
    assert!(subject.turn_of(late).claimed.is_empty(), "whoever leads now would not know of it");
    assert_eq!(subject.state(first), State::Acknowledged);
    assert!(!subject.message(second).in_flight);
    assert_eq!(subject.claim_one().id, second);
}

pub fn a_message_not_due_before_a_date_stands_outside_its_lane_until_then(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let mut later = message(1, Some("P1"));
    later.not_before = Some(subject.with.clock.now().plus(SOON));
    let later = subject.enqueue(later);
    let second = subject.enqueue(message(2, Some("P1")));
    let third = subject.enqueue(message(3, Some("P1")));
    assert_eq!(subject.message(later).waiting_for, Some(WaitingFor::Due));
    let result = subject.turn(Vec::new(), 10);
    assert_eq!(result.claimed[0].id, second, "it blocks nobody before its date");
    assert_eq!(result.next_due, Some(subject.with.clock.now().plus(SOON)));
    subject.pass(SOON);
    assert!(subject.claim(10).is_empty(), "one of a lane in flight at a time");
    subject.complete(vec![accepted(&result.claimed[0])]);
    assert_eq!(subject.claim_one().id, later, "from its date on it stands by its seq");
    assert_eq!(subject.message(third).blocked_by, Some(later));
}

pub fn a_clock_that_jumped_back_delays_nothing_beyond_its_own_delay(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    subject.enqueue(message(1, None));
    subject.enqueue(message(2, None));
    let claimed = subject.claim(1);
    subject.complete(vec![completion(&claimed[0], Outcome::Retry, subject.again(SOON))]);
    subject.with.clock.move_by(-86_400_000);
    assert_eq!(subject.claim_one().control_id.as_ref(), "TEST000002", "a new message waits for no clock");
    assert!(subject.claim(10).is_empty(), "due by a clock that is a day ahead");
    assert_eq!(wait(|done| subject.store.mend_due(done)).unwrap(), 1);
    assert!(subject.claim(10).is_empty());
    subject.pass(SOON);
    assert_eq!(subject.claim_one().control_id.as_ref(), "TEST000001");
}

pub fn a_paused_destination_gives_nothing_until_it_is_resumed(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    subject.enqueue(message(1, None));
    let pause = || Command::Pause { destination: DESTINATION.to_owned() };
    subject.command(pause());
    subject.command(pause());
    let result = subject.turn(Vec::new(), 10);
    assert!(result.paused && result.claimed.is_empty());
    let records = wait(|done| subject.store.destinations(done)).unwrap();
    let record = records.iter().find(|record| record.name == DESTINATION).unwrap();
    assert_eq!(record.paused, Some((subject.with.clock.now(), Some(String::from("test")))));
    assert_eq!(record.pending, 1);
    subject.command(Command::Resume { destination: DESTINATION.to_owned() });
    let result = subject.turn(Vec::new(), 10);
    assert!(!result.paused && result.claimed.len() == 1);
}

pub fn claims_come_in_the_order_in_which_messages_fell_due(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    subject.enqueue(message(1, None));
    let first = subject.claim_one();
    subject.complete(vec![completion(&first, Outcome::Retry, subject.again(SOON))]);
    subject.pass(Duration::from_secs(1));
    subject.enqueue(message(2, None));
    subject.pass(SOON);
    let order: Vec<_> = subject.claim(10).iter().map(|claimed| claimed.control_id.to_string()).collect();
    assert_eq!(order, ["TEST000002", "TEST000001"]);
}

pub fn an_urgent_message_waits_for_no_clock_that_jumped_back(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let mut urgent = message(1, None);
    urgent.priority = Priority::Urgent;
    subject.enqueue(urgent);
    subject.with.clock.move_by(-86_400_000);
    wait(|done| subject.store.mend_due(done)).unwrap();
    assert_eq!(subject.claim_one().control_id.as_ref(), "TEST000001");
}

pub fn an_expired_message_holds_its_lane_where_dead_letters_do(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let mut first = message(1, Some("P1"));
    first.expires = Expiry::After(SOON);
    let first = subject.enqueue(first);
    subject.enqueue(message(2, Some("P1")));
    subject.pass(SOON * 2);
    let turn = Turn { holds_lane: true, ..turn(Vec::new(), 10) };
    assert!(subject.turn_of(turn).claimed.is_empty(), "what comes after it waits for a person");
    assert_eq!(subject.message(first).failure.unwrap().reason, "expired");
    subject.retry(&[first], false);
    assert_eq!(subject.claim_one().id, first);
}

pub fn a_turn_that_puts_many_aside_lets_others_in_between(make: Make<'_>) {
    const ALL: u32 = 3_000;
    let subject = Subject::new(make, 10_000);
    let expiring = |n| NewMessage { expires: Expiry::After(SOON), ..message(n, Some("P1")) };
    subject.try_enqueue((0..ALL).map(expiring).collect()).unwrap();
    subject.enqueue(message(ALL, Some("P1")));
    // All of them stand in their lane, and all but the last expire together.
    let first = subject.claim_one();
    while subject.turn(Vec::new(), 10).more {}
    subject.complete(vec![completion(&first, Outcome::Retry, subject.again(SOON))]);
    subject.pass(SOON * 2);
    let mut turns = 0;
    let claimed = loop {
        turns += 1;
        let turn = subject.turn(Vec::new(), 10);
        assert_eq!(turn.more, turn.claimed.is_empty(), "a turn that ends too early says so");
        if let Some(claimed) = turn.claimed.into_iter().next() {
            break claimed;
        }
    };
    assert_eq!(claimed.control_id.as_ref(), "TEST003000");
    assert!((2..20).contains(&turns), "{turns} turns");
}

pub fn expiry_counts_from_not_before_even_when_a_person_came_first(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let mut later = message(1, None);
    later.not_before = Some(subject.with.clock.now().plus(SOON * 3));
    later.expires = Expiry::After(SOON);
    let id = subject.enqueue(later);
    subject.retry(&[id], false);
    let claimed = subject.claim_one();
    subject.complete(vec![completion(&claimed, Outcome::Retry, subject.again(SOON * 2))]);
    subject.pass(SOON * 2);
    assert_eq!(subject.claim_one().id, id);
}
