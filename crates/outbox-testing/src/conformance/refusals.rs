//! The worklist: dead letters by what they failed of.

use std::time::Duration;

use outbox_core::acknowledgement::Outcome;
use outbox_core::clock::Clock as _;
use outbox_core::error::{OutboxError, code};
use outbox_core::message::{MessageId, Tags};
use outbox_core::refusals::{
    DAYS, RefusalChange, RefusalFilter, RefusalOrder, RefusalState, RefusalView, Refusals, id_of,
};
use outbox_core::retention::{Place, Retention};
use outbox_core::retry::{Next, Reason};
use outbox_core::store::{By, Command, wait};

use crate::messages::message;
use crate::subject::{Make, Subject, completion, rejected};

const DAY: Duration = Duration::from_secs(86_400);

/// A message of its own that is refused with these codes, and bears these tags.
fn refused(subject: &Subject, n: u32, err: &str, tags: &[(&str, &str)]) -> MessageId {
    let mut new = message(n, None);
    new.tags = tags_of(tags);
    let id = subject.enqueue(new);
    let mut end = rejected(&subject.claim_one());
    end.record.err_codes = vec![err.to_owned()];
    subject.complete(vec![end]);
    id
}

fn tags_of(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn asked(subject: &Subject, filter: RefusalFilter) -> Refusals {
    wait(|done| subject.store.refusals(filter, done)).unwrap()
}

fn groups(subject: &Subject) -> Vec<RefusalView> {
    asked(subject, RefusalFilter::default()).groups
}

fn part(subject: &Subject, tags: &[(&str, &str)]) -> Vec<RefusalView> {
    asked(subject, RefusalFilter { tags: Some(tags_of(tags)), ..RefusalFilter::default() }).groups
}

fn change(json: &str) -> RefusalChange {
    serde_json::from_str::<RefusalChange>(json).unwrap().checked().unwrap()
}

/// A change by somebody who looked at the group before.
fn update(subject: &Subject, seen: &RefusalView, actor: &str, json: &str) -> Result<(), OutboxError> {
    let order = RefusalOrder {
        id: id_of(&seen.id).unwrap(),
        tags: seen.tags.clone(),
        seen: Some(seen.version.parse().unwrap()),
        change: change(json),
    };
    let by = By { actor: actor.to_owned(), reason: None };
    wait(|done| subject.store.command(Command::Rectify(order), by, std::sync::Arc::default(), done))
        .map(|changed| assert_eq!(changed.count, 1))
}

pub fn dead_letters_are_grouped_by_what_they_failed_of_and_counted_by_the_day(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    assert!(groups(&subject).is_empty());
    let first = refused(&subject, 1, "103", &[]);
    subject.pass(2 * DAY);
    let second = refused(&subject, 2, "103", &[]);
    let third = refused(&subject, 3, "103", &[]);
    refused(&subject, 4, "207", &[]);
    let given_up = subject.enqueue(message(5, None));
    subject.complete(vec![completion(&subject.claim_one(), Outcome::Indeterminate, Next::Fail(Reason::Indeterminate))]);
    let found = asked(&subject, RefusalFilter::default());
    assert!(!found.more);
    assert_eq!(found.days.len(), DAYS);
    assert!(subject.with.clock.now().to_iso().starts_with(found.days.last().unwrap()));
    let [largest, other, unknown] = &found.groups[..] else { panic!("{:?}", found.groups) };
    assert_eq!((largest.code.as_str(), largest.reason.as_str(), largest.count), ("TEST", "rejected", 3));
    assert_eq!(
        (&largest.err_codes[..], &other.err_codes[..]),
        (&[String::from("103")][..], &[String::from("207")][..])
    );
    assert_eq!((unknown.reason.as_str(), unknown.examples[0].id), ("indeterminate", given_up));
    assert_eq!(largest.examples.iter().map(|each| each.id).collect::<Vec<_>>(), [third, second, first]);
    assert_eq!((largest.per_day[DAYS - 1], largest.per_day[DAYS - 3], largest.per_day.iter().sum::<u64>()), (2, 1, 3));
    assert_eq!(largest.newest_at, Some(subject.message(third).updated_at));
    assert_eq!((largest.state, &largest.owner, &largest.note), (RefusalState::Open, &None, &None));
    subject.pass(12 * DAY);
    let largest = groups(&subject).remove(0);
    assert_eq!(
        (largest.count, largest.per_day.iter().sum::<u64>()),
        (3, 2),
        "one is older than the days that are shown"
    );
}

pub fn a_group_shrinks_as_its_messages_leave_it_and_goes_with_the_last(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let ids = [1, 2, 3].map(|n| refused(&subject, n, "103", &[]));
    subject.retry(&ids[..1], false);
    assert_eq!(groups(&subject)[0].count, 2);
    subject.cancel(&ids[1..2]);
    let seen = groups(&subject).remove(0);
    assert_eq!((seen.count, seen.examples.len(), seen.examples[0].id), (1, 1, ids[2]));
    subject.replace(ids[2], message(4, None));
    assert!(groups(&subject).is_empty());
    let gone = asked(&subject, RefusalFilter { id: Some(seen.id.clone()), ..RefusalFilter::default() });
    assert!(gone.groups.is_empty());
    assert_eq!(update(&subject, &seen, "a", r#"{ "note": "n" }"#).unwrap_err().code, code::ERR_REFUSAL);
    // The same again is another group: what was meant for the first does not meet it.
    let claimed = subject.claim(10);
    subject.complete(vec![rejected(&claimed[0])]);
    assert_ne!(groups(&subject)[0].id, seen.id);
}

pub fn owner_note_and_mark_are_kept_with_who_and_when(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    refused(&subject, 1, "103", &[]);
    refused(&subject, 2, "207", &[]);
    let seen = groups(&subject).remove(0);
    update(&subject, &seen, "first", r#"{ "owner": "invented nurse", "note": "wrong licence" }"#).unwrap();
    let noted = groups(&subject).remove(0);
    assert_eq!((noted.owner.as_deref(), noted.note.as_deref()), (Some("invented nurse"), Some("wrong licence")));
    assert_eq!((noted.changed_by.as_deref(), noted.state), (Some("first"), RefusalState::Open));
    assert_ne!(noted.version, seen.version);
    subject.pass(DAY);
    update(&subject, &noted, "second", r#"{ "note": null, "rectified": true }"#).unwrap();
    let done = groups(&subject).remove(0);
    assert_eq!(
        (done.owner.as_deref(), done.note.as_deref()),
        (Some("invented nurse"), None),
        "what is not named stays"
    );
    assert_eq!((done.state, done.rectified_by.as_deref()), (RefusalState::Rectified, Some("second")));
    assert_eq!(done.rectified_at, done.changed_at);
    assert!(done.rectified_at > noted.changed_at && done.reopened_at.is_none());
    update(&subject, &done, "third", r#"{ "rectified": false }"#).unwrap();
    let again = groups(&subject).remove(0);
    assert_eq!((again.state, again.rectified_at, again.rectified_by), (RefusalState::Open, None, None));
    let other = groups(&subject).remove(1);
    assert_eq!((other.owner, other.note, other.changed_at), (None, None, None), "no other group changed");
}

pub fn a_rectified_group_is_open_again_with_the_next_refusal_and_says_so(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let id = refused(&subject, 1, "103", &[]);
    update(&subject, &groups(&subject)[0], "a", r#"{ "owner": "o", "note": "n", "rectified": true }"#).unwrap();
    subject.cancel(&[id]);
    let empty = groups(&subject).remove(0);
    assert_eq!((empty.count, empty.state), (0, RefusalState::Rectified), "what was done is still to be seen");
    subject.pass(DAY);
    refused(&subject, 2, "103", &[]);
    let again = groups(&subject).remove(0);
    assert_eq!((again.id == empty.id, again.count, again.state), (true, 1, RefusalState::Open));
    assert_eq!(again.reopened_at, again.newest_at);
    assert_eq!((again.owner.as_deref(), again.note.as_deref()), (Some("o"), Some("n")));
    assert_eq!(again.rectified_by.as_deref(), Some("a"));
    assert_eq!(update(&subject, &empty, "b", r#"{ "note": "m" }"#).unwrap_err().code, code::ERR_REFUSAL_CHANGED);
    refused(&subject, 3, "103", &[]);
    assert_eq!(groups(&subject)[0].reopened_at, again.reopened_at, "the first that came tells since when");
    update(&subject, &groups(&subject)[0], "b", r#"{ "rectified": true }"#).unwrap();
    assert_eq!(groups(&subject)[0].reopened_at, None);
}

pub fn of_two_who_change_a_group_the_second_is_told_and_changes_nothing(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    refused(&subject, 1, "103", &[]);
    let seen = groups(&subject).remove(0);
    update(&subject, &seen, "first", r#"{ "owner": "first" }"#).unwrap();
    let error = update(&subject, &seen, "second", r#"{ "owner": "Zzyx", "note": "Zzyx" }"#).unwrap_err();
    assert_eq!(error.code, code::ERR_REFUSAL_CHANGED);
    assert!(!error.message.contains("Zzyx"));
    let now = groups(&subject).remove(0);
    assert_eq!((now.owner.as_deref(), now.note, now.changed_by.as_deref()), (Some("first"), None, Some("first")));
    // However it is by now, for who says so.
    let order = RefusalOrder {
        id: id_of(&now.id).unwrap(),
        tags: Tags::new(),
        seen: None,
        change: change(r#"{ "owner": "third" }"#),
    };
    assert_eq!(subject.command(Command::Rectify(order)).count, 1);
    assert_eq!(groups(&subject)[0].owner.as_deref(), Some("third"));
}

pub fn what_was_refused_after_a_look_is_not_rectified_by_it(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let first = refused(&subject, 1, "103", &[]);
    let seen = groups(&subject).remove(0);
    refused(&subject, 2, "103", &[]);
    let error = update(&subject, &seen, "a", r#"{ "rectified": true }"#).unwrap_err();
    assert_eq!(error.code, code::ERR_REFUSAL_CHANGED);
    update(&subject, &seen, "a", r#"{ "owner": "a" }"#).unwrap();
    let seen = groups(&subject).remove(0);
    subject.cancel(&[first]);
    update(&subject, &seen, "a", r#"{ "rectified": true }"#).unwrap();
    assert_eq!(groups(&subject)[0].state, RefusalState::Rectified, "one that left is no reason against it");
}

pub fn a_part_has_counts_examples_owner_note_and_mark_of_its_own(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let own = refused(&subject, 1, "103", &[("schoolId", "7"), ("visitId", "1")]);
    refused(&subject, 2, "103", &[("schoolId", "8")]);
    refused(&subject, 3, "207", &[("schoolId", "8")]);
    let seven = part(&subject, &[("schoolId", "7")]);
    assert_eq!(seven.len(), 1, "a group without a message of the part is none");
    assert_eq!((seven[0].count, seven[0].per_day[DAYS - 1], seven[0].examples.len()), (1, 1, 1));
    assert_eq!((seven[0].examples[0].id, &seven[0].tags), (own, &tags_of(&[("schoolId", "7")])));
    assert!(part(&subject, &[("schoolId", "7"), ("visitId", "2")]).is_empty());
    update(&subject, &seven[0], "nurse of 7", r#"{ "owner": "seven", "note": "of 7", "rectified": true }"#).unwrap();
    let (whole, eight) = (groups(&subject).remove(0), part(&subject, &[("schoolId", "8")]).remove(0));
    for view in [&whole, &eight] {
        assert_eq!((&view.owner, &view.note, view.state, &view.changed_by), (&None, &None, RefusalState::Open, &None));
    }
    assert_eq!((whole.id == eight.id, whole.count, eight.count), (true, 2, 1));
    update(&subject, &whole, "manager", r#"{ "note": "of all" }"#).unwrap();
    let seven = part(&subject, &[("schoolId", "7")]).remove(0);
    assert_eq!((seven.note.as_deref(), seven.state), (Some("of 7"), RefusalState::Rectified));
}

pub fn only_a_refusal_of_the_part_makes_the_part_open_again(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    refused(&subject, 1, "103", &[("schoolId", "7")]);
    let mark = r#"{ "rectified": true }"#;
    update(&subject, &part(&subject, &[("schoolId", "7")])[0], "a", mark).unwrap();
    update(&subject, &groups(&subject)[0], "b", mark).unwrap();
    let before = part(&subject, &[("schoolId", "7")]).remove(0);
    refused(&subject, 2, "103", &[("schoolId", "8")]);
    let seven = part(&subject, &[("schoolId", "7")]).remove(0);
    assert_eq!(
        (seven.state, seven.version == before.version),
        (RefusalState::Rectified, true),
        "another's is not its own"
    );
    assert_eq!(groups(&subject)[0].state, RefusalState::Open);
    update(&subject, &before, "a", mark).unwrap();
    refused(&subject, 3, "103", &[("schoolId", "7"), ("visitId", "4")]);
    let seven = part(&subject, &[("schoolId", "7")]).remove(0);
    assert_eq!((seven.state, seven.count), (RefusalState::Open, 2));
    assert!(seven.reopened_at.is_some());
}

pub fn every_filter_of_groups_finds_what_it_names(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    for n in 1..=3 {
        refused(&subject, n, &format!("10{n}"), &[]);
    }
    let all = groups(&subject);
    update(&subject, &all[0], "a", r#"{ "owner": "a" }"#).unwrap();
    update(&subject, &all[1], "a", r#"{ "owner": "a", "rectified": true }"#).unwrap();
    let found = |filter: RefusalFilter| -> Vec<String> {
        asked(&subject, filter).groups.into_iter().map(|group| group.err_codes.join(" ")).collect()
    };
    let any = RefusalFilter::default;
    let a = Some(String::from("a"));
    assert_eq!(found(RefusalFilter { state: Some(RefusalState::Open), ..any() }), ["101", "103"]);
    assert_eq!(found(RefusalFilter { state: Some(RefusalState::Rectified), ..any() }), ["102"]);
    assert_eq!(found(RefusalFilter { owner: a.clone(), ..any() }), ["101", "102"]);
    assert_eq!(found(RefusalFilter { owner: a, state: Some(RefusalState::Open), ..any() }), ["101"]);
    assert_eq!(found(RefusalFilter { id: Some(all[2].id.clone()), ..any() }), ["103"]);
    assert_eq!(found(RefusalFilter { failure_code: Some(String::from("TEST")), ..any() }).len(), 3);
    assert!(found(RefusalFilter { failure_code: Some(String::from("OTHER")), ..any() }).is_empty());
    assert_eq!(found(RefusalFilter { destination: Some(String::from("test")), ..any() }).len(), 3);
    assert!(found(RefusalFilter { destination: Some(String::from("other")), ..any() }).is_empty());
}

pub fn there_are_limits_and_more_is_said(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    for n in 1..=3 {
        refused(&subject, n, &format!("10{n}"), &[]);
    }
    let limited = |limit| asked(&subject, RefusalFilter { limit: Some(limit), ..RefusalFilter::default() });
    assert_eq!((limited(2).groups.len(), limited(2).more), (2, true));
    assert_eq!((limited(3).groups.len(), limited(3).more), (3, false));
    for limit in [0, 1_001] {
        let filter = RefusalFilter { limit: Some(limit), ..RefusalFilter::default() };
        assert_eq!(wait(|done| subject.store.refusals(filter, done)).unwrap_err().code, code::ERR_OPTION);
    }
    let filter = RefusalFilter { id: Some(String::from("x")), ..RefusalFilter::default() };
    assert_eq!(wait(|done| subject.store.refusals(filter, done)).unwrap_err().code, code::ERR_REFUSAL);
    for n in 4..=9 {
        refused(&subject, n, "101", &[]);
    }
    assert_eq!((limited(1).groups[0].count, limited(1).groups[0].examples.len()), (7, 5));
}

pub fn notes_go_in_their_time_when_no_dead_letter_is_left(make: Make<'_>) {
    let subject = Subject::new(make, 100);
    let kept = refused(&subject, 1, "103", &[]);
    let gone = refused(&subject, 2, "207", &[]);
    for group in groups(&subject) {
        update(&subject, &group, "a", r#"{ "note": "n", "rectified": true }"#).unwrap();
    }
    subject.cancel(&[gone]);
    let sweep = || {
        let retention = Retention { bodies: None, rows: Some(20 * DAY), changes: None };
        let mut place = Some(Place::START);
        while let Some(from) = place {
            place = wait(|done| subject.store.sweep(retention, from, done)).unwrap().next;
        }
    };
    subject.pass(Duration::from_millis(20 * 86_400_000 - 1));
    sweep();
    assert_eq!(groups(&subject).len(), 2);
    subject.pass(Duration::from_millis(1));
    sweep();
    let left = groups(&subject);
    assert_eq!(
        (left.len(), left[0].examples[0].id),
        (1, kept),
        "as long as there is something to do, its note is kept"
    );
    assert_eq!(left[0].note.as_deref(), Some("n"));
}
