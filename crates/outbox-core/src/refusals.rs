//! The worklist: dead letters by what they failed of, and what persons note on each group.
//!
//! Every group can be looked at as a whole, or as the part of it whose messages bear certain tags. Each part has an owner, a
//! note and a mark of its own, so that who answers for one school neither sees nor changes what another one noted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{OutboxError, code};
use crate::message::Tags;
use crate::status::MessageView;

/// Days that the counts of a group go back, today among them; UTC.
pub const DAYS: usize = 14;
/// Most messages of a group that are shown with it.
pub const EXAMPLES_MAX: u32 = 5;
/// Most groups of one answer, and how many it has unless more are asked for.
pub const GROUPS_MAX: u32 = 1_000;
/// See [`GROUPS_MAX`].
pub const GROUPS_DEFAULT: u32 = 100;
/// Longest owner, in characters.
pub const OWNER_MAX: usize = 200;
/// Longest note, in characters.
pub const NOTE_MAX: usize = 2_000;

/// Whether persons have done with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalState {
    /// There is something to do.
    Open,
    /// Somebody says that its cause is mended. The next refusal makes it open again.
    Rectified,
}

impl RefusalState {
    /// The word, as stored and as shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Rectified => "rectified",
        }
    }
}

/// Which groups are asked for. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RefusalFilter {
    /// One group, also when it is empty.
    pub id: Option<String>,
    /// The receiver's name.
    pub destination: Option<String>,
    /// `failure.code`.
    pub failure_code: Option<String>,
    /// Only messages with these labels count; and the owner, the note and the mark are those of that part.
    pub tags: Option<Tags>,
    /// Whether it is rectified.
    pub state: Option<RefusalState>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Most groups; 1 to [`GROUPS_MAX`], default [`GROUPS_DEFAULT`].
    pub limit: Option<u32>,
}

/// A group of dead letters, or its part with certain tags.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalView {
    /// Names the group.
    pub id: String,
    /// What was seen of it: of two who change it the second is told.
    pub version: String,
    /// Which part of it this is; without any, the whole.
    pub tags: Tags,
    /// The receiver's name.
    pub destination: String,
    /// `failure.code`.
    pub code: String,
    /// ERR-3 and ERR-5.
    pub err_codes: Vec<String>,
    /// `failure.reason`.
    pub reason: String,
    /// Dead letters now.
    pub count: u64,
    /// Of them, those that failed on each of the last [`DAYS`] days, oldest first.
    pub per_day: Vec<u64>,
    /// When the newest failed.
    pub newest_at: Option<Timestamp>,
    /// The newest, at most [`EXAMPLES_MAX`].
    pub examples: Vec<MessageView>,
    /// Who sees to it.
    pub owner: Option<String>,
    /// What persons should know.
    pub note: Option<String>,
    /// Whether its cause is said to be mended.
    pub state: RefusalState,
    /// When it was last said to be.
    pub rectified_at: Option<Timestamp>,
    /// By whom.
    pub rectified_by: Option<String>,
    /// When another refusal came after that, if it is open for this reason.
    pub reopened_at: Option<Timestamp>,
    /// When a person last changed owner, note or mark.
    pub changed_at: Option<Timestamp>,
    /// Who did.
    pub changed_by: Option<String>,
}

/// The worklist, largest groups first.
#[derive(Clone, Debug, Serialize)]
pub struct Refusals {
    /// The groups.
    pub groups: Vec<RefusalView>,
    /// The days of their counts, `2026-01-31`.
    pub days: Vec<String>,
    /// Whether there are more groups.
    pub more: bool,
}

/// What a person changes of a group; what is not named stays.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RefusalChange {
    /// Who sees to it; empty for nobody.
    #[serde(deserialize_with = "given")]
    pub owner: Option<String>,
    /// What persons should know; empty for nothing.
    #[serde(deserialize_with = "given")]
    pub note: Option<String>,
    /// Whether its cause is mended.
    pub rectified: Option<bool>,
}

/// What persons type may name somebody: it is never printed.
impl fmt::Debug for RefusalChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusalChange")
            .field("keys", &self.keys())
            .field("rectified", &self.rectified)
            .finish_non_exhaustive()
    }
}

impl RefusalChange {
    /// What it changes, by name.
    pub fn keys(&self) -> Vec<&'static str> {
        [("owner", self.owner.is_some()), ("note", self.note.is_some()), ("rectified", self.rectified.is_some())]
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }

    /// Trims what was typed, and refuses what is too long or no text; the error never says what it was.
    pub fn checked(mut self) -> Result<Self, OutboxError> {
        if self.keys().is_empty() {
            return Err(option("nothing to change: name `owner`, `note` or `rectified`"));
        }
        tidy(&mut self.owner, "owner", OWNER_MAX, |_| false)?;
        tidy(&mut self.note, "note", NOTE_MAX, |letter| matches!(letter, '\n' | '\r' | '\t'))?;
        Ok(self)
    }
}

fn tidy(
    value: &mut Option<String>,
    name: &str,
    limit: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<(), OutboxError> {
    let Some(given) = value else { return Ok(()) };
    let trimmed = given.trim();
    if trimmed.chars().count() > limit {
        return Err(option(&format!("`{name}` is longer than {limit} characters")));
    }
    if trimmed.chars().any(|letter| letter.is_control() && !allowed(letter)) {
        return Err(option(&format!("`{name}` has control characters in it")));
    }
    *given = trimmed.to_owned();
    Ok(())
}

fn option(what: &str) -> OutboxError {
    OutboxError::new(code::ERR_OPTION, what)
}

/// `null` takes a value away; what is left out stays.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer).map(|value: Option<String>| Some(value.unwrap_or_default()))
}

/// A person's change as it comes from outside.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusalUpdate {
    /// The group, as [`RefusalView::id`] names it.
    pub id: String,
    /// The part; empty for the whole.
    #[serde(default)]
    pub tags: Tags,
    /// [`RefusalView::version`] of what its giver looked at: should it have changed since, nothing changes.
    pub version: Option<String>,
    /// What changes.
    pub change: RefusalChange,
}

impl RefusalUpdate {
    /// The group, or its part, alone.
    pub fn part(&self) -> RefusalFilter {
        let tags = (!self.tags.is_empty()).then(|| self.tags.clone());
        RefusalFilter { id: Some(self.id.clone()), tags, ..RefusalFilter::default() }
    }

    /// Ready for the store.
    pub fn checked(self) -> Result<RefusalOrder, OutboxError> {
        let seen = self.version.as_deref().map(str::parse).transpose()?;
        Ok(RefusalOrder { id: id_of(&self.id)?, tags: self.tags, seen, change: self.change.checked()? })
    }
}

/// The same, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalOrder {
    /// The group.
    pub id: i64,
    /// The part; empty for the whole.
    pub tags: Tags,
    /// What its giver had seen; `None`: however it is by now.
    pub seen: Option<Seen>,
    /// What changes.
    pub change: RefusalChange,
}

/// The number of a group, as callers name it.
pub fn id_of(text: &str) -> Result<i64, OutboxError> {
    // Exactly as it was given: a sign, a blank or a leading zero is somebody else's.
    let known = text.parse::<i64>().ok().filter(|n| *n > 0 && n.to_string() == text);
    known.ok_or_else(|| OutboxError::plain(code::ERR_REFUSAL))
}

/// How a group was when it was looked at: how often persons had changed it, and its newest dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Counts the changes of persons, and each time that it became open again.
    pub changes: i64,
    /// The number of the change by which its newest dead letter came.
    pub newest: i64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.changes, self.newest)
    }
}

impl FromStr for Seen {
    type Err = OutboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('.')
            .and_then(|(changes, newest)| Some(Self { changes: changes.parse().ok()?, newest: newest.parse().ok()? }));
        let same = parts.filter(|seen| seen.to_string() == text && seen.changes >= 0 && seen.newest >= 0);
        same.ok_or_else(|| option("`version` is not one that listRefusals gave"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> Result<RefusalChange, OutboxError> {
        serde_json::from_str::<RefusalChange>(json).unwrap().checked()
    }

    #[test]
    fn null_takes_a_value_away_and_what_is_left_out_stays() {
        let given = change(r#"{ "owner": null, "note": "  call the doctor\nagain " }"#).unwrap();
        assert_eq!(given.owner.as_deref(), Some(""));
        assert_eq!(given.note.as_deref(), Some("call the doctor\nagain"));
        assert_eq!((given.rectified, given.keys()), (None, vec!["owner", "note"]));
        assert_eq!(change(r#"{ "owner": "  " }"#).unwrap().owner.as_deref(), Some(""));
    }

    #[test]
    fn what_is_too_long_or_no_text_is_refused_without_being_repeated() {
        let long = "Zz".repeat(OWNER_MAX);
        for json in [format!(r#"{{ "owner": "{long}" }}"#), String::from(r#"{ "owner": "Zz\u001b[2J" }"#)] {
            let error = change(&json).unwrap_err();
            assert_eq!(error.code, code::ERR_OPTION);
            assert!(error.message.contains("`owner`") && !error.message.contains("Zz"), "{}", error.message);
        }
        assert!(change(&format!(r#"{{ "note": "{}" }}"#, "n".repeat(NOTE_MAX))).is_ok());
        assert!(change(&format!(r#"{{ "note": "{}" }}"#, "n".repeat(NOTE_MAX + 1))).is_err());
        assert!(change("{}").is_err());
        let printed = format!("{:?}", change(r#"{ "note": "Zzyx" }"#).unwrap());
        assert!(printed.contains("note") && !printed.contains("Zzyx"), "{printed}");
    }

    #[test]
    fn a_version_is_read_only_as_it_was_given() {
        let seen = Seen { changes: 3, newest: 12 };
        assert_eq!(seen.to_string().parse::<Seen>().unwrap(), seen);
        for wrong in ["", "3", "3.", "03.12", "-1.2", "3.12.1", " 3.12", "+3.12"] {
            assert_eq!(wrong.parse::<Seen>().unwrap_err().code, code::ERR_OPTION, "{wrong}");
        }
        assert_eq!(id_of("17").unwrap(), 17);
        for wrong in ["", "0", "-1", "017", "1.5", "x"] {
            assert_eq!(id_of(wrong).unwrap_err().code, code::ERR_REFUSAL, "{wrong}");
        }
    }
}
