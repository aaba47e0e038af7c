//! What need not be kept any more.

use std::time::Duration;

use outbox_core::error::code;
use outbox_core::message::MessageId;
use outbox_core::retention::{Place, Retention, Swept};
use outbox_core::state::State;
use outbox_core::store::{Command, MessageRef, wait};

use crate::messages::{DESTINATION, message};
use crate::subject::{Make, Subject, accepted, by_ids, rejected};

const DAY: Duration = Duration::from_secs(86_400);

const RETENTION: Retention = Retention {
    bodies: Some(Duration::from_secs(10 * 86_400)),
    rows: Some(Duration::from_secs(20 * 86_400)),
    changes: None,
};

/// A whole pass, batch after batch.
fn sweep(subject: &Subject, retention: Retention) -> Swept {
    let (mut all, mut place) = (Swept::default(), Some(Place::START));
    while let Some(from) = place {
        let swept = wait(|done| subject.store.sweep(retention, from, done)).unwrap();
        all.bodies += swept.bodies;
        all.rows += swept.rows;
        all.changes += swept.changes;
        place = swept.next;
    }
    all
}

fn content(subject: &Subject, id: MessageId) -> Option<Vec<u8>> {
    wait(|done| subject.store.content(id, done)).unwrap()
}

fn answer(subject: &Subject, id: MessageId) -> Option<Vec<u8>> {
    wait(|done| subject.store.answer(id, 1, done)).unwrap()
}

/// One message of each state: delivered, withdrawn, refused, held, waiting.
fn one_of_each(subject: &Subject) -> [MessageId; 5] {
    let ids = [1, 2, 3, 4, 5].map(|n| subject.enqueue(message(n, Some(&format!("P{n}")))));
    let claimed = subject.claim(3);
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), ids[..3]);
    subject.complete(vec![accepted(&claimed[0]), accepted(&claimed[1]), rejected(&claimed[2])]);
    subject.command(Command::Resend { filter: by_ids(&ids[1..2]), allow_overtaken: true });
    subject.cancel(&ids[1..2]);
    subject.command(Command::Hold { filter: by_ids(&ids[3..4]) });
    let states = ids.map(|id| subject.state(id));
    let expected = [State::Acknowledged, State::Cancelled, State::Failed, State::Held, State::Pending];
    assert_eq!(states, expected);
    ids
}

pub fn contents_of_ended_messages_go_after_their_time_and_nothing_else(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids = one_of_each(&subject);
    subject.pass(Duration::from_millis(10 * 86_400_000 - 1));
    assert_eq!(sweep(&subject, RETENTION), Swept::default());
    subject.pass(Duration::from_millis(1));
    let before = subject.snapshot(&[]);
    assert_eq!(sweep(&subject, RETENTION), Swept { bodies: 2, ..Swept::default() });
    assert_eq!(subject.snapshot(&[]), before, "every row says what it said");
    for id in &ids[..2] {
        assert_eq!((content(&subject, *id), answer(&subject, *id)), (None, None));
        let attempts = wait(|done| subject.store.attempts(*id, done)).unwrap();
        assert_eq!(attempts[0].code.as_deref(), Some("TEST"), "what came of its attempts is still known");
    }
    for id in &ids[2..] {
        assert!(content(&subject, *id).is_some());
    }
    assert!(answer(&subject, ids[2]).is_some());
}

pub fn rows_of_ended_messages_become_tombstones_and_are_still_recognised(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids = one_of_each(&subject);
    subject.pass(20 * DAY);
    assert_eq!(sweep(&subject, RETENTION), Swept { bodies: 2, rows: 2, ..Swept::default() });
    let left = wait(|done| subject.store.stats(outbox_core::status::MessageFilter::default(), done)).unwrap();
    assert_eq!(left.by_status.values().sum::<u64>(), 3);
    for (n, id) in (1..).zip(&ids) {
        let again = subject.try_enqueue(vec![message(n, Some(&format!("P{n}")))]).unwrap();
        assert_eq!((again[0].id, again[0].duplicate), (*id, true), "a repeated message is not sent again");
    }
    assert_eq!(sweep(&subject, RETENTION), Swept::default(), "a second pass finds nothing");
}

pub fn waiting_messages_are_kept_whatever_their_age_and_still_leave(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let [_, _, refused, held, waiting] = one_of_each(&subject);
    subject.pass(10_000 * DAY);
    let short = Duration::from_millis(1);
    sweep(&subject, Retention { bodies: Some(short), rows: Some(short), changes: Some(Retention::CHANGES_MIN) });
    assert_eq!(subject.claim_one().id, waiting);
    subject.retry(&[refused], false);
    subject.command(Command::Release { filter: by_ids(&[held]), allow_overtaken: false });
    let claimed = subject.claim(10);
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [refused, held]);
    assert!(claimed.iter().all(|one| !one.body.reveal().is_empty()));
}

pub fn what_has_lost_its_content_is_not_sent_again_and_says_why(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let [delivered, withdrawn, ..] = one_of_each(&subject);
    subject.pass(10 * DAY);
    sweep(&subject, RETENTION);
    let resent = subject.command(Command::Resend { filter: by_ids(&[delivered]), allow_overtaken: true });
    assert_eq!((resent.count, resent.unchanged[0].code), (0, code::ERR_CONTENT_REMOVED));
    let retried = subject.retry(&[withdrawn], true);
    assert_eq!((retried.count, retried.unchanged[0].code), (0, code::ERR_CONTENT_REMOVED));
    assert_eq!((subject.state(delivered), subject.state(withdrawn)), (State::Acknowledged, State::Cancelled));
}

pub fn a_message_that_was_sent_again_is_kept_anew(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = subject.enqueue(message(1, None));
    subject.complete(vec![accepted(&subject.claim_one())]);
    subject.pass(9 * DAY);
    subject.command(Command::Resend { filter: by_ids(&[id]), allow_overtaken: true });
    subject.pass(9 * DAY);
    assert_eq!(sweep(&subject, RETENTION), Swept::default(), "it waits");
    subject.complete(vec![accepted(&subject.claim_one())]);
    subject.pass(Duration::from_millis(10 * 86_400_000 - 1));
    assert_eq!(sweep(&subject, RETENTION), Swept::default());
    subject.pass(Duration::from_millis(1));
    assert_eq!(sweep(&subject, RETENTION).bodies, 1);
}

pub fn nothing_is_removed_that_is_kept_for_ever(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let [delivered, ..] = one_of_each(&subject);
    subject.pass(10_000 * DAY);
    assert_eq!(sweep(&subject, Retention { bodies: None, rows: None, changes: None }), Swept::default());
    assert!(content(&subject, delivered).is_some());
}

pub fn many_go_in_batches_that_let_others_in_between(make: Make<'_>) {
    let subject = Subject::new(make, 2_000);
    for n in 0..1_000 {
        subject.enqueue(message(n, None));
    }
    let mut claimed = subject.claim(600);
    claimed.extend(subject.claim(600));
    assert_eq!(claimed.len(), 1_000);
    subject.complete(claimed.iter().map(accepted).collect());
    subject.pass(10 * DAY);
    let (mut bodies, mut batches, mut place) = (0, 0, Some(Place::START));
    while let Some(from) = place {
        let swept = wait(|done| subject.store.sweep(RETENTION, from, done)).unwrap();
        (bodies, batches, place) = (bodies + swept.bodies, batches + 1, swept.next);
    }
    assert_eq!(bodies, 1_000);
    assert!(batches > 1, "a thousand do not go at once");
}

pub fn a_pruned_feed_tells_who_is_behind_where_to_go_on(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let changes = |after: Option<String>| wait(|done| subject.store.changes(after, 100, done));
    let deliver = |n| {
        let id = subject.enqueue(message(n, None));
        subject.complete(vec![accepted(&subject.claim_one())]);
        id
    };
    for n in 1..=3 {
        deliver(n);
    }
    let behind = changes(None).unwrap()[1].cursor.clone();
    wait(|done| subject.store.note_consumer(String::from("reports"), behind.clone(), done)).unwrap();
    let caught_up = wait(|done| subject.store.latest_cursor(done)).unwrap();
    subject.pass(8 * DAY);
    let new = [deliver(4), deliver(5)];
    let retention = Retention { bodies: None, rows: None, changes: Some(Retention::CHANGES_MIN) };
    assert_eq!(sweep(&subject, retention).changes, 2, "the last of the old ones stays");
    let place = wait(|done| subject.store.consumer(String::from("reports"), done)).unwrap();
    let error = changes(place).unwrap_err();
    assert_eq!(error.code, code::ERR_CURSOR_EXPIRED);
    let fresh = changes(error.cursor.map(String::from)).unwrap();
    assert_eq!(fresh.iter().filter(|change| change.to == State::Acknowledged).count(), 3);
    let told = changes(Some(caught_up)).unwrap();
    assert_eq!(told.iter().map(|change| change.id).collect::<Vec<_>>(), [new[0], new[0], new[1], new[1]]);
    let from_the_start = changes(None).unwrap();
    assert_eq!(from_the_start.iter().filter(|change| change.from.is_some()).count(), 3);
    let stored = wait(|done| {
        let control_id = from_the_start[0].control_id.clone();
        subject.store.message(MessageRef::ControlId { control_id, destination: DESTINATION.to_owned() }, done);
    });
    assert!(stored.unwrap().is_some());
}
