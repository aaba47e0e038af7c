//! Storing new messages.

use std::sync::Arc;

use outbox_core::error::{OutboxError, code};
use outbox_core::message::Body;
use outbox_core::state::State;
use outbox_core::status::MessageFilter;
use outbox_core::store::wait;

use crate::messages::message;
use crate::subject::{Make, Subject, accepted};

pub fn a_stored_message_is_pending_and_its_bytes_are_exact(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let new = message(1, Some("P1"));
    let bytes = new.body.reveal().to_vec();
    let id = subject.enqueue(new);
    let view = subject.message(id);
    assert_eq!((view.status, view.attempts, view.tries, view.in_flight), (State::Pending, 0, 0, false));
    assert_eq!(view.control_id, "TEST000001");
    assert_eq!(wait(|done| subject.store.content(id, done)).unwrap(), Some(bytes.clone()));
    assert_eq!(subject.claim_one().body.reveal(), &bytes);
}

pub fn the_same_bytes_again_are_a_duplicate_and_change_nothing(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, Some("P1")));
    let claimed = subject.claim_one();
    subject.complete(vec![accepted(&claimed)]);
    let before = subject.snapshot(&[]);
    let again = subject.try_enqueue(vec![message(1, Some("P1"))]).unwrap().remove(0);
    assert_eq!((again.id, again.state, again.duplicate), (id, State::Acknowledged, true));
    assert_eq!(subject.snapshot(&[]), before);
}

pub fn other_bytes_under_a_known_control_id_are_a_conflict(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    subject.enqueue(message(1, Some("P1")));
    let before = subject.snapshot(&[]);
    let mut other = message(1, Some("P1"));
    other.body = Body::new(&b"MSH|other bytes"[..]);
    assert_eq!(subject.try_enqueue(vec![other]).unwrap_err().code, code::ERR_CONTROL_ID_CONFLICT);
    assert_eq!(subject.snapshot(&[]), before);
    let mut elsewhere = message(1, Some("P1"));
    elsewhere.destination = Arc::from("elsewhere");
    assert!(!subject.try_enqueue(vec![elsewhere]).unwrap()[0].duplicate, "a control id is unique per destination");
}

pub fn a_call_stores_all_of_its_messages_or_none(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    subject.enqueue(message(2, None));
    let mut conflict = message(2, None);
    conflict.body = Body::new(&b"MSH|other bytes"[..]);
    let refused = subject.try_enqueue(vec![message(1, None), conflict, message(3, None)]);
    assert_eq!(refused.unwrap_err().code, code::ERR_CONTROL_ID_CONFLICT);
    assert_eq!(subject.snapshot(&[]).len(), 1);
    assert_eq!(subject.try_enqueue(vec![message(1, None), message(3, None)]).unwrap().len(), 2);
    let stats = wait(|done| subject.store.stats(MessageFilter::default(), done)).unwrap();
    assert_eq!(stats.by_status[&State::Pending], 3, "a refused call leaves no trace in the counts");
}

pub fn a_refused_call_leaves_its_neighbours_in_the_group_alone(make: Make<'_>) {
    let subject = Subject::new(make, 10_000);
    subject.enqueue(message(0, None));
    let (tell, told) = std::sync::mpsc::channel();
    for n in 1..=200 {
        let tell = tell.clone();
        let mut call = vec![message(if n % 3 == 0 { 0 } else { n }, None)];
        if n % 3 == 0 {
            // A conflict, and behind a message that was written already: the store has something to take back.
            call[0].body = Body::new(&b"MSH|other bytes"[..]);
            call.insert(0, message(10_000 + n, None));
        }
        subject
            .store
            .enqueue(Box::new(move || Ok(call)), Box::new(move |result| tell.send((n, result.is_ok())).unwrap()));
    }
    drop(tell);
    let results: Vec<(u32, bool)> = told.iter().collect();
    assert_eq!(results.len(), 200);
    assert!(results.iter().all(|(n, stored)| *stored == (n % 3 != 0)));
    assert_eq!(subject.snapshot(&[]).len(), 1 + 134);
}

pub fn the_limit_of_waiting_messages_holds_and_delivery_makes_room(make: Make<'_>) {
    let subject = Subject::new(make, 2);
    subject.enqueue(message(1, None));
    subject.enqueue(message(2, None));
    assert_eq!(subject.try_enqueue(vec![message(3, None)]).unwrap_err().code, code::ERR_QUEUE_FULL);
    assert!(subject.try_enqueue(vec![message(1, None)]).unwrap()[0].duplicate, "a duplicate needs no room");
    let claimed = subject.claim(1);
    subject.complete(claimed.iter().map(accepted).collect());
    subject.enqueue(message(3, None));
    assert_eq!(subject.try_enqueue(vec![message(4, None), message(5, None)]).unwrap_err().code, code::ERR_QUEUE_FULL);
}

pub fn the_order_of_calls_of_a_thread_is_the_order_of_seq(make: Make<'_>) {
    const THREADS: u32 = 4;
    const EACH: u32 = 100;
    let subject = Subject::new(make, 10_000);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &subject.store;
            scope.spawn(move || {
                for n in 0..EACH {
                    let new = message(thread * 1_000 + n, None);
                    store.enqueue(Box::new(move || Ok(vec![new])), Box::new(|result| drop(result.unwrap())));
                }
            });
        }
    });
    subject.enqueue(message(999_999, None));
    let page =
        subject.list(outbox_core::status::ListRequest { limit: Some(1_000), oldest_first: true, ..Default::default() });
    for thread in 0..THREADS {
        let prefix = format!("TEST{thread:03}");
        let own: Vec<&str> =
            page.items.iter().map(|view| view.control_id.as_str()).filter(|id| id.starts_with(&prefix)).collect();
        assert_eq!(own.len(), EACH as usize);
        assert!(own.is_sorted(), "{own:?}");
    }
}

pub fn a_panic_while_preparing_is_the_caller_s_own(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let panicked = wait(|done| {
        subject.store.enqueue(Box::new(|| -> Result<_, OutboxError> { panic!("a test's own panic") }), done);
    });
    assert_eq!(panicked.unwrap_err().code, code::ERR_PANIC);
    subject.enqueue(message(1, None));
}

pub fn a_panic_in_what_follows_an_answer_is_its_caller_s_own(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    // More of them than a store has threads.
    for n in 1..=5 {
        subject.store.enqueue(Box::new(move || Ok(vec![message(n, None)])), Box::new(|_| panic!("a test's own panic")));
        subject.store.latest_cursor(Box::new(|_| panic!("a test's own panic")));
    }
    let id = subject.enqueue(message(6, None));
    assert_eq!((subject.store.failed(), subject.store.failures()), (None, 0), "the file is not to blame");
    assert_eq!(subject.state(id), State::Pending);
    assert_eq!(subject.claim(10).len(), 6, "what was committed stands");
}
