//! What an acknowledgement says: its code, and the errors it names.

use serde::{Deserialize, Serialize};

/// MSA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AckCode {
    /// Application accept.
    Aa,
    /// Application error.
    Ae,
    /// Application reject.
    Ar,
    /// Commit accept.
    Ca,
    /// Commit error.
    Ce,
    /// Commit reject.
    Cr,
}

impl AckCode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Aa => "AA",
            Self::Ae => "AE",
            Self::Ar => "AR",
            Self::Ca => "CA",
            Self::Ce => "CE",
            Self::Cr => "CR",
        }
    }

    pub(crate) fn takes_message(self) -> bool {
        matches!(self, Self::Aa | Self::Ca)
    }
}

/// ERR-4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    /// Error.
    #[default]
    E,
    /// Warning.
    W,
    /// Information.
    I,
    /// Fatal.
    F,
    /// Left empty.
    #[serde(rename = "")]
    None,
}

/// One ERR segment. `^` in `location` stands for the component separator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AckError {
    /// ERR-3.1, from table 0357; may be empty.
    #[serde(default)]
    pub code: String,
    /// ERR-3.2; the table's own words if none are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// ERR-4; `E` unless told otherwise.
    #[serde(default)]
    pub severity: Severity,
    /// ERR-2: `PV1^1^7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// ERR-5.1, the receiver's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_code: Option<String>,
    /// ERR-5.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_text: Option<String>,
    /// ERR-8, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_message: Option<String>,
}

impl AckError {
    /// A code of table 0357 at a place in the message.
    pub fn at(code: &str, location: &str, user_message: &str) -> Self {
        let location = Some(location).filter(|location| !location.is_empty()).map(str::to_owned);
        Self { code: code.to_owned(), location, user_message: Some(user_message.to_owned()), ..Self::default() }
    }

    /// What a refusal carries when nothing is said about it.
    pub(crate) fn usual() -> Vec<Self> {
        vec![Self { code: "207".to_owned(), ..Self::default() }]
    }
}

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) code: AckCode,
    /// MSA-2.
    pub(crate) control_id: &'a [u8],
    /// MSA-3.
    pub(crate) text: Option<&'a str>,
    pub(crate) errors: &'a [AckError],
}

impl<'a> Verdict<'a> {
    pub(crate) fn plain(code: AckCode, control_id: &'a [u8]) -> Self {
        Self { code, control_id, text: None, errors: &[] }
    }
}

/// Table 0357.
pub(crate) fn words_of(code: &str) -> &'static str {
    match code {
        "0" => "Message accepted",
        "100" => "Segment sequence error",
        "101" => "Required field missing",
        "102" => "Data type error",
        "103" => "Table value not found",
        "200" => "Unsupported message type",
        "201" => "Unsupported event code",
        "202" => "Unsupported processing id",
        "203" => "Unsupported version id",
        "204" => "Unknown key identifier",
        "205" => "Duplicate key identifier",
        "206" => "Application record locked",
        "207" => "Application internal error",
        _ => "",
    }
}
