//! The names of the table's rows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::table::{ROWS, RowEntry};

/// A row of the table; [`Row::entry`] tells what it means. The names ([`Row::as_str`]) are stable: they are keys of the
/// configuration and are kept with every attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each row is explained by its entry in ROWS, and twice would be once too often")]
pub enum Row {
    NotDelivered,
    CertificateRefused,
    ProxyRefused,
    TokenRefused,
    Http3xx,
    Http401,
    Http403,
    Http404,
    Http405,
    Http406,
    Http407,
    Http415,
    Http426,
    Http501,
    Http505,
    NoAnswer,
    Http502,
    Http504,
    Http408,
    Http425,
    Http429,
    Http503,
    Http5xx,
    Http4xx,
    Plain,
    NoAck,
    Html,
    OddStatus,
    Aa,
    Ca,
    CaAlone,
    IdDiffers,
    IdCut,
    IdEmpty,
    OnlyWarnings,
    PermanentError,
    DuplicateExpected,
    DuplicateControlId,
    DuplicateKey,
    RecordLocked,
    InternalErrorLocated,
    InternalError,
    ApplicationCode,
    AeBare,
    ArBare,
    UnknownAckCode,
    Unparsable,
}

impl Row {
    /// What the table says about this row.
    pub fn entry(self) -> &'static RowEntry {
        // The order of ROWS is the order of the variants; a test holds the two together.
        &ROWS[self as usize]
    }

    /// The stable name, such as `http-401`.
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The row that decides about an HTTP status when no acknowledgement came with it; 2xx has several, and none here.
    pub(super) fn of_status(status: u16) -> Option<Self> {
        let own = ROWS.iter().find(|entry| entry.status == Some(status)).map(|entry| entry.row);
        own.or(match status {
            200..=299 => None,
            300..=399 => Some(Self::Http3xx),
            400..=499 => Some(Self::Http4xx),
            500..=599 => Some(Self::Http5xx),
            _ => Some(Self::OddStatus),
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key of an override: a row, or one HTTP status of those that share a row (`http-409`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RowName {
    /// A row of the table.
    Row(Row),
    /// A status of `http-3xx`, `http-4xx` or `http-5xx`; it takes precedence over the row.
    Status(u16),
}

/// The word names no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a row of the outcome table; see the reference page for the names, such as http-409 or ar")]
pub struct UnknownRow;

impl RowName {
    /// The row that it belongs to.
    pub fn row(self) -> Row {
        match self {
            Self::Row(row) => row,
            Self::Status(status) => Row::of_status(status).unwrap_or(Row::OddStatus),
        }
    }
}

impl From<Row> for RowName {
    fn from(row: Row) -> Self {
        Self::Row(row)
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(row) => row.fmt(f),
            Self::Status(status) => write!(f, "http-{status}"),
        }
    }
}

impl FromStr for RowName {
    type Err = UnknownRow;

    fn from_str(name: &str) -> Result<Self, UnknownRow> {
        if let Some(entry) = ROWS.iter().find(|entry| entry.name == name) {
            return Ok(Self::Row(entry.row));
        }
        let digits = name.strip_prefix("http-").filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        let status: u16 = digits.and_then(|digits| digits.parse().ok()).ok_or(UnknownRow)?;
        if (300..=599).contains(&status) { Ok(Self::Status(status)) } else { Err(UnknownRow) }
    }
}

impl TryFrom<String> for RowName {
    type Error = UnknownRow;

    fn try_from(name: String) -> Result<Self, UnknownRow> {
        name.parse()
    }
}

impl From<RowName> for String {
    fn from(name: RowName) -> Self {
        name.to_string()
    }
}
