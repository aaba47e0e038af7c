//! What callers see.

use std::time::Duration;

use outbox_core::acknowledgement::Outcome;
use outbox_core::clock::Clock;
use outbox_core::error::code;
use outbox_core::event::{AttemptEnded, StatusChange};
use outbox_core::message::{NewMessage, TRACEPARENT};
use outbox_core::state::State;
use outbox_core::status::{ListRequest, MessageFilter, OneOrMany};
use outbox_core::store::{Command, wait};

use crate::messages::message;
use crate::subject::{Make, Subject, accepted, by_ids, completion, rejected, turn};

pub fn attempts_and_answers_are_kept(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, None));
    let claimed = subject.claim_one();
    subject.complete(vec![completion(&claimed, Outcome::Retry, subject.again(Duration::ZERO))]);
    subject.pass(Duration::from_secs(2));
    subject.complete(vec![accepted(&subject.claim_one())]);
    let attempts = wait(|done| subject.store.attempts(id, done)).unwrap();
    let seen: Vec<_> = attempts.iter().map(|a| (a.n, a.outcome, a.http_status, a.bytes_sent, a.counted)).collect();
    assert_eq!(
        seen,
        [(1, Some(Outcome::Retry), Some(200), Some(9), true), (2, Some(Outcome::Accepted), Some(200), Some(9), true)]
    );
    let answer = |n| wait(|done| subject.store.answer(id, n, done)).unwrap();
    assert_eq!(answer(2), Some(b"an invented answer".to_vec()));
    assert_eq!(answer(3), None);
}

pub fn pages_by_key_neither_repeat_nor_lose_while_messages_arrive(make: Make<'_>) {
    let subject = Subject::new(make, 10_000);
    subject.try_enqueue((0..95).map(|n| message(n, None)).collect()).unwrap();
    let mut seen = Vec::new();
    let mut cursor = None;
    let mut arriving = 1_000;
    loop {
        let page = subject.list(ListRequest { cursor, limit: Some(10), ..ListRequest::default() });
        seen.extend(page.items.iter().map(|view| view.control_id.clone()));
        subject.enqueue(message(arriving, None));
        arriving += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..95).rev().map(|n| format!("TEST{n:06}")).collect();
    assert_eq!(seen, expected);
    let wrong = ListRequest { cursor: Some(String::from("x")), ..ListRequest::default() };
    assert_eq!(wait(|done| subject.store.list(wrong, done)).unwrap_err().code, code::ERR_CURSOR);
}

pub fn every_filter_finds_what_it_names(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let mut first = message(1, None);
    first.tags.insert(String::from("schoolId"), String::from("7"));
    first.message_type = String::from("ORU^R01");
    first.warning = Some("no-patient-id");
    let first = subject.enqueue(first);
    subject.complete(vec![rejected(&subject.claim_one())]);
    subject.pass(Duration::from_secs(60));
    let second = subject.enqueue(message(2, None));
    let noon = subject.with.clock.now().to_iso();
    let found = |filter| {
        subject.list(ListRequest { filter, ..ListRequest::default() }).items.iter().map(|v| v.id).collect::<Vec<_>>()
    };
    let any = MessageFilter::default;
    let one = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(found(MessageFilter { ids: one(&first.to_string()), ..any() }), [first]);
    assert_eq!(found(MessageFilter { control_ids: one("TEST000002"), ..any() }), [second]);
    assert_eq!(found(MessageFilter { status: Some(OneOrMany::Many(vec![State::Failed])), ..any() }), [first]);
    assert_eq!(found(MessageFilter { message_type: Some(String::from("ORU^R01")), ..any() }), [first]);
    assert_eq!(
        found(MessageFilter { tags: Some([(String::from("schoolId"), String::from("7"))].into()), ..any() }),
        [first]
    );
    assert_eq!(found(MessageFilter { failure_code: Some(String::from("TEST")), ..any() }), [first]);
    assert_eq!(found(MessageFilter { warning: Some(true), ..any() }), [first]);
    assert_eq!(found(MessageFilter { from: Some(noon.clone()), ..any() }), [second]);
    assert_eq!(found(MessageFilter { to: Some(noon), ..any() }), [first]);
    assert_eq!(found(MessageFilter { possible_duplicate: Some(true), ..any() }), []);
    assert_eq!(found(MessageFilter { destination: Some(String::from("elsewhere")), ..any() }), []);
    assert_eq!(found(any()), [second, first]);
}

pub fn figures_count_what_is_there(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    for n in 1..=4 {
        let mut new = message(n, None);
        new.tags.insert(String::from("schoolId"), (n % 2).to_string());
        subject.enqueue(new);
    }
    let claimed = subject.claim(3);
    subject.pass(Duration::from_secs(2));
    subject.complete(vec![accepted(&claimed[0]), accepted(&claimed[1]), rejected(&claimed[2])]);
    let stats = |filter| wait(|done| subject.store.stats(filter, done)).unwrap();
    let all = stats(MessageFilter::default());
    let counts: Vec<u64> = State::ALL.iter().map(|state| all.by_status[state]).collect();
    assert_eq!(counts, [1, 0, 0, 2, 1, 0]);
    assert_eq!((all.delivered.last1m, all.delivered.last24h), (2, 2));
    assert_eq!(all.delivery_ms.unwrap().p50, 2_000);
    assert_eq!(all.oldest_pending_age_ms, Some(2_000));
    assert!((all.success_rate24h.unwrap() - 2.0 / 3.0).abs() < 1e-9);
    let odd = stats(MessageFilter {
        tags: Some([(String::from("schoolId"), String::from("1"))].into()),
        ..MessageFilter::default()
    });
    let counts: Vec<u64> = State::ALL.iter().map(|state| odd.by_status[state]).collect();
    assert_eq!(counts, [0, 0, 0, 1, 1, 0]);
    let elsewhere = stats(MessageFilter { destination: Some(String::from("elsewhere")), ..MessageFilter::default() });
    assert_eq!((elsewhere.by_status[&State::Pending], elsewhere.last_attempt_at), (0, None));
}

pub fn changes_are_heard_in_commit_order(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, None));
    subject.complete(vec![rejected(&subject.claim_one())]);
    subject.retry(&[id], false);
    subject.complete(vec![accepted(&subject.claim_one())]);
    // Heard after the callers were told; one more commit and all before it have been.
    subject.enqueue(message(2, None));
    subject.enqueue(message(3, None));
    let heard = subject.with.ear.heard();
    let moves: Vec<_> = heard.iter().filter(|change| change.id == id).map(|change| (change.from, change.to)).collect();
    let expected = [
        (None, State::Pending),
        (Some(State::Pending), State::Failed),
        (Some(State::Failed), State::Pending),
        (Some(State::Pending), State::Acknowledged),
    ];
    assert_eq!(moves, expected);
    // What was heard is what the feed tells, cursors included; a reader may go on from each of them.
    let told = |after| wait(|done| subject.store.changes(after, 100, done)).unwrap();
    let line = |change: &StatusChange| (change.cursor.clone(), change.id, change.from, change.to);
    let feed: Vec<_> = told(None).iter().map(line).collect();
    assert_eq!(heard.iter().map(line).collect::<Vec<_>>(), feed[..heard.len()]);
    assert_eq!(feed.len(), 6);
    for (n, (cursor, ..)) in feed.iter().enumerate() {
        assert_eq!(told(Some(cursor.clone())).iter().map(line).collect::<Vec<_>>(), feed[n + 1..]);
    }
    assert_eq!(wait(|done| subject.store.latest_cursor(done)).unwrap(), feed[5].0);
    let wrong = wait(|done| subject.store.changes(Some(String::from("x")), 1, done));
    assert_eq!(wrong.unwrap_err().code, code::ERR_CURSOR);
}

pub fn every_attempt_that_ends_is_told_once_with_its_trace(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let tags = [(String::from(TRACEPARENT), trace.to_owned()), (String::from("visitId"), String::from("7"))];
    let traced = subject.enqueue(NewMessage { tags: tags.into(), ..message(1, None) });
    let plain = subject.enqueue(message(2, None));
    let claimed = subject.claim(2);
    let late = claimed[1].clone();
    subject.complete(vec![rejected(&claimed[0])]);
    // Its dispatcher died, as it seems; what it says afterwards is not told.
    subject.recover();
    subject.complete(vec![accepted(&late)]);
    subject.complete(vec![accepted(&subject.claim_one())]);
    subject.enqueue(message(3, None));
    subject.enqueue(message(4, None));
    let told = subject.with.ear.attempts();
    let line = |ended: &AttemptEnded| (ended.id, ended.attempt.n, ended.attempt.row.clone(), ended.traceparent.clone());
    let rows: Vec<_> = told.iter().map(line).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!((rows[0].0, rows[0].1, rows[0].3.as_deref()), (traced, 1, Some(trace)));
    assert_eq!((rows[1].0, rows[1].1, rows[1].2.as_deref(), &rows[1].3), (plain, 1, Some("taken-over"), &None));
    assert_eq!((rows[2].0, rows[2].1), (plain, 2));
    for ended in &told {
        let stored = wait(|done| subject.store.attempts(ended.id, done)).unwrap();
        let stored = stored.iter().find(|attempt| attempt.n == ended.attempt.n).unwrap();
        assert_eq!(format!("{stored:?}"), format!("{:?}", ended.attempt), "as it stands in the file");
    }
    // With the labels, and not among those that are looked for.
    assert_eq!(subject.message(traced).tags.get(TRACEPARENT).map(String::as_str), Some(trace));
    let by_trace = MessageFilter {
        tags: Some([(String::from(TRACEPARENT), trace.to_owned())].into()),
        ..MessageFilter::default()
    };
    let found = wait(|done| subject.store.stats(by_trace, done)).unwrap();
    assert_eq!(found.by_status[&State::Failed], 0);
}

pub fn a_change_counts_the_attempt_that_led_to_it(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids: Vec<_> = (1..=2).map(|n| subject.enqueue(message(n, None))).collect();
    let claimed = subject.claim(2);
    subject.command(Command::Cancel { filter: by_ids(&ids) });
    subject.complete(vec![rejected(&claimed[0])]);
    subject.recover();
    let told = wait(|done| subject.store.changes(None, 100, done)).unwrap();
    let cancelled: Vec<_> = told.iter().filter(|change| change.to == State::Cancelled).collect();
    assert_eq!(cancelled.len(), 2);
    assert!(cancelled.iter().all(|change| change.attempts == subject.message(change.id).attempts));
    assert!(cancelled.iter().all(|change| change.attempts == 1));
}

pub fn a_cursor_never_names_what_was_taken_back(make: Make<'_>) {
    let subject = Subject::new(make, 3);
    subject.enqueue(message(1, None));
    let claimed = subject.claim_one();
    let held = NewMessage { hold: true, ..message(2, None) };
    let held = subject.enqueue(held);
    // One transaction: the store is busy with the first call until all are there.
    let (open, opened) = std::sync::mpsc::channel::<()>();
    let busy = move || opened.recv().map_or_else(|_| Ok(Vec::new()), |()| Ok(Vec::new()));
    subject.store.enqueue(Box::new(busy), Box::new(|_| {}));
    let (tell, told) = std::sync::mpsc::channel();
    // The first of this call is written when the second is found to be one too many.
    let full = tell.clone();
    subject.store.enqueue(
        Box::new(|| Ok(vec![message(1, None), message(3, None), message(4, None)])),
        Box::new(move |result| full.send(result.map(drop)).unwrap()),
    );
    subject.store.turn(turn(vec![accepted(&claimed)], 0), Box::new(move |result| tell.send(result.map(drop)).unwrap()));
    drop(open);
    let results: Vec<_> = told.iter().map(|result| result.map_err(|error| error.code)).collect();
    assert_eq!(results, [Err(code::ERR_QUEUE_FULL), Ok(())]);
    let fresh = subject.enqueue(message(5, None));
    subject.enqueue(message(1, None));
    let heard = subject.with.ear.heard();
    let accepted = heard.iter().find(|change| change.to == State::Acknowledged).unwrap();
    let after = wait(|done| subject.store.changes(Some(accepted.cursor.clone()), 100, done)).unwrap();
    assert_eq!(after.iter().map(|change| change.id).collect::<Vec<_>>(), [fresh], "nothing is hidden behind it");
    assert_eq!(subject.state(held), State::Held);
}
