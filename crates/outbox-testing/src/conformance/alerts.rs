//! What was told, and what is still to be handed over.

use std::time::Duration;

use outbox_core::alert::{AlertMove, AlertRecord, AlertType, AlertView, Notice, NoticeEnd, Step, Telling, key_of};
use outbox_core::clock::Clock;
use outbox_core::store::wait;

use crate::messages::{DESTINATION, message};
use crate::subject::{Make, Subject, rejected};

const LEASE: Duration = Duration::from_secs(15);
const LIFE: Duration = Duration::from_secs(3_600);

fn view(subject: &Subject) -> AlertView {
    wait(|done| subject.store.alert_view(done)).unwrap()
}

fn outage(subject: &Subject) -> AlertRecord {
    let now = subject.with.clock.now();
    AlertRecord {
        key: key_of(AlertType::Outage, Some(DESTINATION), None),
        r#type: AlertType::Outage,
        destination: Some(DESTINATION.to_owned()),
        code: None,
        since: now,
        seen_at: now,
        count: 1,
        begun_at: None,
        told_at: None,
    }
}

/// One move; answers whether it was told.
fn moved(subject: &Subject, step: Step, record: &AlertRecord, id: &str, targets: &[&str]) -> bool {
    let telling = Telling {
        id: id.to_owned(),
        body: format!("{{\"id\":\"{id}\"}}"),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        expires_at: subject.with.clock.now().plus(LIFE),
    };
    let is_told = !matches!(step, Step::Note | Step::Forget);
    let one = AlertMove { step, record: record.clone(), telling: is_told.then_some(telling) };
    wait(|done| subject.store.move_alerts(vec![one], false, done)).unwrap() == 1
}

fn claim(subject: &Subject, target: &str) -> Option<Notice> {
    wait(|done| subject.store.claim_notice(target.to_owned(), LEASE, done)).unwrap()
}

fn end(subject: &Subject, notice: &Notice, error: Option<&str>) {
    let end = NoticeEnd { n: notice.n, tries: notice.tries, error: error.map(str::to_owned), again: LEASE * 2 };
    wait(|done| subject.store.end_notice(end, done)).unwrap();
}

pub fn what_two_processes_decide_at_once_is_told_once(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let record = outage(&subject);
    assert!(!moved(&subject, Step::Note, &record, "-", &[]));
    assert!(!moved(&subject, Step::Note, &record, "-", &[]));
    let noted = view(&subject).records;
    assert_eq!(noted, std::slice::from_ref(&record));
    assert!(moved(&subject, Step::Begin, &noted[0], "a", &["w", "callback"]));
    assert!(!moved(&subject, Step::Begin, &noted[0], "b", &["w", "callback"]));
    let begun = view(&subject).records.remove(0);
    assert_eq!(begun.begun_at, Some(subject.with.clock.now()));
    assert!(!moved(&subject, Step::Forget, &begun, "-", &[]), "what was told is not forgotten in silence");
    subject.pass(Duration::from_secs(60));
    assert!(moved(&subject, Step::Repeat, &begun, "c", &["w"]));
    assert!(!moved(&subject, Step::Repeat, &begun, "d", &["w"]));
    assert!(moved(&subject, Step::End, &begun, "e", &["w"]));
    assert!(!moved(&subject, Step::End, &begun, "f", &["w"]));
    assert_eq!(view(&subject).records, []);
    let mut due = view(&subject).due;
    due.sort();
    assert_eq!(due, ["callback", "w"]);
}

pub fn notices_about_one_thing_are_handed_over_in_their_order_and_each_by_one(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let record = outage(&subject);
    assert!(moved(&subject, Step::Begin, &record, "begun", &["w", "x"]));
    assert!(moved(&subject, Step::End, &view(&subject).records[0], "ended", &["w"]));
    let other = AlertRecord { key: String::from("disk-low"), r#type: AlertType::DiskLow, destination: None, ..record };
    assert!(moved(&subject, Step::Begin, &other, "disk", &["w"]));
    let first = claim(&subject, "w").unwrap();
    assert_eq!((first.id.as_str(), first.tries, first.body.as_str()), ("begun", 1, r#"{"id":"begun"}"#));
    let second = claim(&subject, "w").unwrap();
    assert_eq!(second.id, "disk", "another thing need not wait");
    assert_eq!(claim(&subject, "w"), None);
    end(&subject, &second, None);
    end(&subject, &first, Some("HTTP_500"));
    assert_eq!(claim(&subject, "w"), None);
    let [late] = &wait(|done| subject.store.info(done)).unwrap().undelivered[..] else { panic!("one target") };
    assert_eq!((late.target.as_str(), late.waiting, late.given_up, late.error.as_str()), ("w", 1, 0, "HTTP_500"));
    subject.pass(LEASE * 2);
    let again = claim(&subject, "w").unwrap();
    assert_eq!((again.id.as_str(), again.tries), ("begun", 2));
    end(&subject, &again, None);
    assert_eq!(claim(&subject, "w").map(|notice| notice.id).as_deref(), Some("ended"));
    assert_eq!(claim(&subject, "x").map(|notice| notice.id).as_deref(), Some("begun"));
}

pub fn a_notice_whose_bearer_died_is_handed_over_by_the_next(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    assert!(moved(&subject, Step::Begin, &outage(&subject), "a", &["w"]));
    let lost = claim(&subject, "w").unwrap();
    assert_eq!(claim(&subject, "w"), None);
    subject.pass(LEASE);
    assert_eq!(view(&subject).due, ["w"]);
    let next = claim(&subject, "w").unwrap();
    assert_eq!((next.n, next.tries), (lost.n, 2));
    end(&subject, &lost, Some("LATE"));
    assert!(wait(|done| subject.store.info(done)).unwrap().undelivered.is_empty(), "the end of another attempt");
    end(&subject, &next, None);
    subject.pass(LEASE);
    assert_eq!(claim(&subject, "w"), None);
}

pub fn a_notice_that_nobody_takes_is_given_up_told_for_a_week_and_cleared_away(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    assert!(moved(&subject, Step::Begin, &outage(&subject), "a", &["w"]));
    let tidied = || wait(|done| subject.store.move_alerts(Vec::new(), false, done)).unwrap();
    assert!(!view(&subject).untidy);
    subject.pass(LIFE);
    assert!(view(&subject).untidy);
    assert_eq!(claim(&subject, "w"), None);
    tidied();
    assert!(!view(&subject).untidy && view(&subject).due.is_empty());
    let late = wait(|done| subject.store.info(done)).unwrap().undelivered;
    assert_eq!((late[0].waiting, late[0].given_up), (0, 1));
    subject.pass(Duration::from_secs(7 * 86_400));
    assert!(view(&subject).untidy);
    tidied();
    assert!(wait(|done| subject.store.info(done)).unwrap().undelivered.is_empty());
}

pub fn a_refusal_is_noted_with_its_dead_letter_and_counted_by_its_kind(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    for n in 1..=3 {
        subject.enqueue(message(n, None));
        subject.complete(vec![rejected(&subject.claim_one())]);
        subject.pass(Duration::from_secs(1));
    }
    let seen = view(&subject);
    let [refusal] = &seen.records[..] else { panic!("{:?}", seen.records) };
    assert_eq!((refusal.r#type, refusal.code.as_deref(), refusal.count), (AlertType::Refusal, Some("TEST"), 3));
    assert_eq!(refusal.since.until(refusal.seen_at), Duration::from_secs(2));
    assert_eq!(seen.dead_letters, [(DESTINATION.to_owned(), 3)]);
    // One that came since it was looked at keeps its end from being told.
    assert!(moved(&subject, Step::Begin, refusal, "a", &["w"]));
    let looked_at = view(&subject).records.remove(0);
    subject.enqueue(message(4, None));
    subject.complete(vec![rejected(&subject.claim_one())]);
    assert!(!moved(&subject, Step::End, &looked_at, "b", &["w"]));
    assert!(moved(&subject, Step::End, &view(&subject).records[0], "c", &["w"]));
}

pub fn a_callback_is_known_to_every_process(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    assert_eq!(view(&subject).callback_at, None);
    wait(|done| subject.store.move_alerts(Vec::new(), true, done)).unwrap();
    assert_eq!(view(&subject).callback_at, Some(subject.with.clock.now()));
}
