//! Messages as they are handed over to somebody else: with their lanes, and whether their bytes are whole.

use std::fmt::Write as _;

use outbox_core::status::{ListRequest, Page};
use outbox_core::store::{LaidOut, LaneHash};
use rusqlite::{Connection, OptionalExtension, params};

use super::list;
use crate::digest::Digests;
use crate::error::Failure;

/// A page, as `list` gives it. Each body is read once for its digest.
pub(crate) fn laid_out(connection: &Connection, request: &ListRequest) -> Result<Page<LaidOut>, Failure> {
    let Page { items, next_cursor } = list(connection, request)?;
    let digests = Digests::of(connection)?;
    let mut standing = connection.prepare_cached(
        "SELECT lane, position, digest, content FROM message LEFT JOIN body USING (seq) WHERE seq = ?1",
    )?;
    let items = items.into_iter().map(|view| {
        let found = standing
            .query_row(params![view.seq], |row| {
                let (digest, content) = (row.get_ref(2)?.as_blob()?, row.get_ref(3)?.as_blob_or_null()?);
                let is_whole = content.is_some_and(|content| digests.is_body(content, digest));
                Ok((row.get::<_, Option<LaneHash>>(0)?, row.get(1)?, is_whole))
            })
            .optional()?;
        let (lane, position, is_whole) = found.unwrap_or((None, view.seq, false));
        Ok(LaidOut { lane: lane.map(|lane| hexadecimal(&lane)), position, is_whole, view })
    });
    Ok(Page { items: items.collect::<Result<_, Failure>>()?, next_cursor })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut word, byte| {
        let _ = write!(word, "{byte:02x}");
        word
    })
}
