//! Commands on many messages, a part a commit.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::{Changed, ListRequest, MessageFilter, OneOrMany};
use outbox_core::store::{By, Command, Course, Store, wait};

use crate::messages::message;
use crate::subject::{Make, Subject, accepted, rejected, turn};

fn hold() -> Command {
    Command::Hold { filter: MessageFilter::default() }
}

fn release() -> Command {
    Command::Release { filter: MessageFilter::default(), allow_overtaken: false }
}

fn retry_failed() -> Command {
    let filter = MessageFilter { status: Some(OneOrMany::One(State::Failed)), ..MessageFilter::default() };
    Command::Retry { filter, allow_overtaken: false }
}

/// Gives a command whose answer is waited for elsewhere.
fn give(store: &Arc<dyn Store>, command: Command, course: &Arc<Course>) -> Receiver<Result<Changed, OutboxError>> {
    let (tell, told) = channel();
    let by = By { actor: String::from("tester"), reason: None };
    store.command(command, by, Arc::clone(course), Box::new(move |result| drop(tell.send(result))));
    told
}

fn fill(subject: &Subject, number: u32, patient: Option<&str>) -> Vec<MessageId> {
    (0..number).map(|n| subject.enqueue(message(n, patient))).collect()
}

fn in_state(subject: &Subject, state: State) -> Vec<MessageId> {
    let filter = MessageFilter { status: Some(OneOrMany::One(state)), ..MessageFilter::default() };
    let request = ListRequest { filter, limit: Some(1_000), oldest_first: true, ..ListRequest::default() };
    subject.list(request).items.into_iter().map(|view| view.id).collect()
}

/// Does something at the seam of that number; the first is before anything is looked for.
fn at_seam(subject: &Subject, number: u32, act: impl Fn() + Send + Sync + 'static) {
    let seams = AtomicU32::new(0);
    subject.with.ear.stand_at_seams(move || {
        if seams.fetch_add(1, Ordering::Relaxed) == number {
            act();
        }
    });
}

/// Whatever may go at that seam is sent and accepted; answers what it was.
fn send_at_seam(subject: &Subject, number: u32) -> Arc<Mutex<Vec<MessageId>>> {
    let (store, sent) = (Arc::clone(&subject.store), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&sent);
    at_seam(subject, number, move || {
        let claimed = wait(|done| store.turn(turn(Vec::new(), 10), done)).unwrap().claimed;
        seen.lock().unwrap().extend(claimed.iter().map(|claimed| claimed.id));
        wait(|done| store.turn(turn(claimed.iter().map(accepted).collect(), 0), done)).unwrap();
    });
    sent
}

/// Stands at that seam until the second is dropped; the first hears when it stands there.
fn stand_at_seam(subject: &Subject, number: u32) -> (Receiver<()>, Sender<()>) {
    let (arrived, at) = channel();
    let (go_on, told_to) = channel::<()>();
    let told_to = Mutex::new(told_to);
    at_seam(subject, number, move || {
        let _ = arrived.send(());
        let _ = told_to.lock().unwrap().recv();
    });
    (at, go_on)
}

pub fn a_command_on_many_messages_goes_in_parts_and_counts_exactly(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 3);
    let ids = fill(&subject, 10, None);
    let seams = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&seams);
    subject.with.ear.stand_at_seams(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let held = subject.command(hold());
    assert_eq!((held.count, held.unchanged.len()), (10, 0));
    assert_eq!(held.changed, ids.iter().rev().copied().collect::<Vec<_>>(), "each once, from the end of the lanes");
    assert_eq!(seams.load(Ordering::Relaxed), 5, "at the beginning, and before each of four parts");
    let released = subject.command(release());
    assert_eq!((released.count, released.changed), (10, ids), "and back from their beginning");
    assert_eq!(in_state(&subject, State::Pending).len(), 10);
}

pub fn what_is_stored_at_a_seam_is_not_meant(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 2);
    let ids = fill(&subject, 5, Some("P1"));
    let store = Arc::clone(&subject.store);
    at_seam(&subject, 2, move || {
        wait(|done| store.enqueue(Box::new(|| Ok(vec![message(9, Some("P1"))])), done)).unwrap();
    });
    assert_eq!(subject.command(hold()).count, 5);
    assert_eq!(in_state(&subject, State::Held), ids);
    assert_eq!(in_state(&subject, State::Pending).len(), 1);
}

pub fn a_correction_comes_back_in_its_place_and_not_at_its_number(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 1);
    let first = subject.enqueue(message(1, Some("P1")));
    let second = subject.enqueue(message(2, Some("P1")));
    subject.complete(vec![rejected(&subject.claim_one())]);
    subject.complete(vec![rejected(&subject.claim_one())]);
    let correction = subject.replace(first, message(3, Some("P1")));
    subject.complete(vec![rejected(&subject.claim_one())]);
    assert_eq!(in_state(&subject, State::Failed), [second, correction]);
    let sent = send_at_seam(&subject, 2);
    let retried = subject.command(retry_failed());
    assert_eq!((retried.changed, retried.unchanged.len()), (vec![correction, second], 0));
    assert_eq!(*sent.lock().unwrap(), [correction]);
    assert_eq!(subject.claim_one().id, second);
}

pub fn what_leaves_a_lane_leaves_from_its_end(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 1);
    let ids = fill(&subject, 4, Some("P1"));
    let sent = send_at_seam(&subject, 3);
    let held = subject.command(hold());
    assert_eq!(*sent.lock().unwrap(), [ids[0]], "the first of its lane, and none that comes after one on hold");
    assert_eq!(held.changed, [ids[3], ids[2], ids[1]]);
    let released = subject.command(release());
    assert_eq!((released.changed.as_slice(), released.unchanged.len()), (&ids[1..], 0), "nothing was overtaken");
}

pub fn a_command_that_is_ended_at_a_seam_says_how_far_it_came(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 2);
    fill(&subject, 9, None);
    let course = Arc::new(Course::default());
    let ended = Arc::clone(&course);
    // Before the third part: what was found for it is still changed.
    at_seam(&subject, 3, move || ended.end());
    let error = give(&subject.store, hold(), &course).recv().unwrap().unwrap_err();
    assert_eq!((error.code, error.count, course.changed()), (code::ERR_COMMAND_ENDED, Some(6), 6));
    assert_eq!(in_state(&subject, State::Held).len(), 6);
    assert_eq!(subject.command(hold()).count, 3, "the same again goes on");
}

pub fn a_close_in_the_middle_says_how_far_the_command_came(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 2);
    fill(&subject, 9, None);
    let (at, go_on) = stand_at_seam(&subject, 2);
    let answer = give(&subject.store, hold(), &Arc::default());
    at.recv().unwrap();
    let store = Arc::clone(&subject.store);
    let closing = thread::spawn(move || store.close(Duration::from_secs(30)));
    // Nobody is asked any more from the moment on when a question is refused.
    while wait(|done| subject.store.latest_cursor(done)).is_ok() {}
    drop(go_on);
    let error = answer.recv().unwrap().unwrap_err();
    closing.join().unwrap();
    assert_eq!(error.code, code::ERR_STOPPED);
    let store = make(&subject.with);
    let filter = MessageFilter { status: Some(OneOrMany::One(State::Held)), ..MessageFilter::default() };
    assert_eq!(Some(wait(|done| store.count(filter, done)).unwrap().count), error.count);
}

pub fn of_two_commands_on_many_messages_the_second_finds_what_the_first_left(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 2);
    fill(&subject, 9, None);
    // Both begin before the first has changed anything.
    let (at, go_on) = stand_at_seam(&subject, 0);
    let first = give(&subject.store, hold(), &Arc::default());
    at.recv().unwrap();
    let filter = MessageFilter::default();
    let second = give(&subject.store, Command::Cancel { filter }, &Arc::default());
    drop(go_on);
    assert_eq!(first.recv().unwrap().unwrap().count, 9);
    assert_eq!(second.recv().unwrap().unwrap().count, 9);
    assert_eq!(in_state(&subject, State::Cancelled).len(), 9);
}

pub fn a_small_command_does_not_wait_for_a_large_one(make: Make<'_>) {
    let subject = Subject::in_parts(make, 100, 2);
    let ids = fill(&subject, 9, None);
    let store = Arc::clone(&subject.store);
    let first = ids[0];
    at_seam(&subject, 1, move || {
        let filter = crate::subject::by_ids(&[first]);
        let cancelled = give(&store, Command::Cancel { filter }, &Arc::default()).recv().unwrap().unwrap();
        assert_eq!(cancelled.count, 1);
    });
    let held = subject.command(hold());
    assert_eq!(held.count, 8, "what is cancelled meanwhile does not match any more");
    assert_eq!(in_state(&subject, State::Cancelled), [first]);
}

pub fn a_count_is_what_a_list_finds(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids = fill(&subject, 7, Some("P1"));
    let mut labelled = message(8, None);
    labelled.tags.insert(String::from("schoolId"), String::from("7"));
    subject.enqueue(labelled);
    subject.cancel(&ids[..2]);
    subject.command(Command::Purge { filter: crate::subject::by_ids(&ids[..1]) });
    let count = |filter: MessageFilter| {
        let counted = wait(|done| subject.store.count(filter.clone(), done)).unwrap();
        let listed = subject.list(ListRequest { filter, limit: Some(100), ..ListRequest::default() }).items.len();
        assert_eq!((counted.count, counted.exact), (listed as u64, true));
        counted.count
    };
    assert_eq!(count(MessageFilter::default()), 7);
    let cancelled = Some(OneOrMany::One(State::Cancelled));
    assert_eq!(count(MessageFilter { status: cancelled.clone(), ..MessageFilter::default() }), 1);
    assert_eq!(count(crate::subject::by_ids(&ids)), 6);
    let tags = Some([(String::from("schoolId"), String::from("7"))].into());
    assert_eq!(count(MessageFilter { tags: tags.clone(), ..MessageFilter::default() }), 1);
    assert_eq!(count(MessageFilter { tags, status: cancelled, ..MessageFilter::default() }), 0);
    let control_ids = Some(vec![subject.message(ids[3]).control_id]);
    assert_eq!(count(MessageFilter { control_ids, ..MessageFilter::default() }), 1);
}
